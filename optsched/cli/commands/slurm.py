"""``optsched slurm``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optsched.errors import InputError

__all__ = ["slurm"]


def slurm(
    curves: Annotated[Path | None, typer.Argument(help="File of fitted curves.", metavar="[CURVES]")] = None,
    partition: Annotated[
        str | None, typer.Option(help="Whose jobs are planned; needed where several partitions have GPUs.")
    ] = None,
    objective: Annotated[str, typer.Option(help="Of the scheduler.")] = "flow-time",
    every: Annotated[float | None, typer.Option(min=1, help="Seconds between rounds; default: one round only.")] = None,
    state: Annotated[Path | None, typer.Option(help="Keep what is learnt in this file, and go on from it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands, and carry none out.")] = False,
    queue: Annotated[Path | None, typer.Option(help="Output of squeue --json, in place of a Slurm; a dry run.")] = None,
    nodes: Annotated[Path | None, typer.Option(help="Output of sinfo --json, in place of a Slurm; a dry run.")] = None,
    time_limit: Annotated[float, typer.Option(min=0.1, help="Seconds that a plan may take.")] = 10.0,
    patience: Annotated[
        float, typer.Option(help="Seconds after which a released job that does not start is planned anew.")
    ] = 120.0,
) -> int:
    """Plan held GPU jobs of a Slurm. Their comments begin with the word optsched."""
    from optsched.cli.output import say
    from optsched.integrations.slurm.client import Client
    from optsched.integrations.slurm.companion import Companion, System, run
    from optsched.integrations.slurm.recorded import Recorded
    from optsched.scheduler.inputs import curves_of

    if (queue is None) != (nodes is None):
        raise InputError("both --queue and --nodes, or none of them", path="--queue")
    system: System = Client() if queue is None or nodes is None else Recorded(queue, nodes)
    companion = Companion(
        system,
        curves_of(curves),
        partition,
        None if dry_run or queue is not None else state,
        patience,
        objective=objective,
        time_limit_s=time_limit,
        round_s=every or 60.0,
    )
    try:
        run(companion, every, say, dry_run=dry_run or queue is not None)
    except KeyboardInterrupt:
        if every is None:
            raise
    return 0
