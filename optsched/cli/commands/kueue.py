"""``optsched kueue``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from optsched.integrations.kueue.companion import Round

__all__ = ["kueue"]


def kueue(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Objects as kubectl get prints them, in place of a cluster; a dry run.", metavar="[FILE]..."
        ),
    ] = None,
    curves: Annotated[Path | None, typer.Option(help="File of fitted curves.")] = None,
    objective: Annotated[str, typer.Option(help="Of the scheduler.")] = "flow-time",
    resource: Annotated[str, typer.Option(help="Name of the GPUs among the resources.")] = "nvidia.com/gpu",
    gates: Annotated[bool, typer.Option("--gates", help="Also give nodes to gated pods of admitted gangs.")] = False,
    every: Annotated[float | None, typer.Option(min=1, help="Seconds between rounds; default: one round only.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written, and write nothing.")] = False,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
    time_limit: Annotated[float, typer.Option(min=0.1, help="Seconds that a plan may take.")] = 10.0,
) -> int:
    """Plan workloads of Kueue by priority boosts."""
    import time

    from optsched.cli.output import say
    from optsched.errors import InputError
    from optsched.integrations.kueue.api import Api, ApiError
    from optsched.integrations.kueue.companion import carry_out, planned
    from optsched.integrations.objects import read_objects
    from optsched.scheduler.inputs import curves_of

    known = curves_of(curves)
    api = None if files else Api(context)
    try:
        while True:
            began = time.monotonic()
            try:
                objects = read_objects(files or ()) if api is None else api.objects()
                done = planned(
                    objects, known, resource=resource, gates=gates, objective=objective, time_limit_s=time_limit
                )
                _show(done)
                if api is not None and not dry_run:
                    for line in carry_out(done, api):
                        say(f"not written: {line}")
            except (ApiError, InputError) as error:
                if every is None:
                    raise
                say(f"no round: {error}")
            if every is None:
                return 0
            time.sleep(max(0.0, began + every - time.monotonic()))
    except KeyboardInterrupt:
        if every is None:
            raise
        return 0


def _show(done: Round) -> None:
    """Print the boosts as a table, and the notes."""
    from optsched.cli.output import say
    from optsched.cli.terminal import console, table

    for note in done.notes:
        say(f"note: {note}")
    if done.plan is None:
        return
    page = table("workload", "queue", "action", "flavor", "GPUs", "boost", "was", left=4)
    for boost in done.boosts:
        after, before = boost.after or "0", boost.before or "0"
        page.add_row(boost.workload, boost.queue, boost.action, boost.flavor, str(boost.gpus or ""), after, before)
    console().print(page)
    for pod, host in done.places:
        say(f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} goes to {host}")
