"""``optsched share``."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optsched.cli.options import AsJson, InstanceFile
from optsched.cli.output import print_json, writable
from optsched.errors import InputError

if TYPE_CHECKING:
    from optsched.timeshare import Shares
    from optsched.timeshare.reading import Read

__all__ = ["share"]


def share(
    instance: InstanceFile,
    policy: Annotated[
        str, typer.Option(help="max-min, makespan, finish-time, throughput, fifo, cost, hierarchical, proportional.")
    ] = "max-min",
    lexicographic: Annotated[bool, typer.Option(help="max-min: go on to the lexicographic optimum.")] = False,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV table of pairs that may share GPUs, with both throughputs.")
    ] = None,
    gpus: Annotated[int | None, typer.Option(min=1, help="GPUs of a job while it runs; default: its fewest.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the shares here (JSON).")] = None,
    as_json: AsJson = False,
) -> int:
    """Divide the time of each GPU type among the jobs. Exit code 1 if there are no such shares."""
    from optsched import load
    from optsched._util.files import write_json
    from optsched.timeshare.policies import policy as policy_of
    from optsched.timeshare.reading import ignored, market_of, with_pairs

    writable(out, instance, pairs)
    divide = policy_of(policy, lexicographic=lexicographic)
    loaded = load(instance)
    try:
        read = market_of(loaded, gpus)
        read = read if pairs is None else with_pairs(read, pairs)
        found = divide(loaded, read)
    except InputError as error:
        raise error if error.file else error.within(file=str(instance)) from None
    notes = (*found.notes, *ignored(loaded, read, found))
    record = {**_record(read, found), "notes": notes}
    if out is not None:
        write_json(out, record)
    if as_json:
        print_json(record)
    else:
        _print(read, found, notes)
    return 0 if found.status in ("optimal", "feasible") else 1


def _record(read: Read, found: Shares) -> dict[str, Any]:
    """Return the shares as JSON."""
    number = isfinite(found.value)
    record: dict[str, Any] = {
        "policy": found.policy,
        "status": found.status,
        "reason": found.reason,
        "value": found.value if number else None,
        "bound": found.bound if isfinite(found.bound) else None,
        "gap": found.gap if isfinite(found.gap) else None,
        "prices": dict(zip(read.pools, found.prices.tolist(), strict=True)),
        "left_out": read.left_out,
    }
    record["jobs"] = [
        {
            "job": job.id,
            "gpus": int(read.market.gang[j]),
            "throughput": float(found.rate[j]),
            "shares": {pool: float(f) for pool, f in zip(read.pools, found.fraction[j], strict=True) if f > 0},
        }
        for j, job in enumerate(read.jobs if number else ())
    ]
    two = read.market.pairs
    record["pairs"] = [
        {"jobs": [read.jobs[j].id for j in two.job[n]], "pool": read.pools[two.gpu_type[n]], "share": float(time)}
        for n, time in enumerate(found.paired)
        if two is not None and time > 0
    ]
    return record


def _print(read: Read, found: Shares, notes: Sequence[str]) -> None:
    """Print the shares as a table."""
    import numpy as np

    from optsched.cli.terminal import MOST_ROWS, console, print_rest, table

    terminal = console()
    if isfinite(found.value):
        page = table("job", "GPUs", *(f"{pool}, %" for pool in read.pools), "shared, %", "examples/s")
        shared = np.zeros(len(read.jobs))
        if read.market.pairs is not None:
            np.add.at(shared, read.market.pairs.job[:, 0], found.paired)
            np.add.at(shared, read.market.pairs.job[:, 1], found.paired)
        for j, job in enumerate(read.jobs[:MOST_ROWS]):
            parts = (f"{100 * f:.1f}" if f > 5e-4 else "" for f in (*found.fraction[j], shared[j]))
            page.add_row(job.id, f"{read.market.gang[j]:g}", *parts, f"{found.rate[j]:.4g}")
        terminal.print(page)
        print_rest(terminal, read.jobs, "jobs (all are in the file that --out writes)")
    for name, reason in list(read.left_out.items())[:MOST_ROWS]:
        terminal.print(f"left out: {name} ({reason})")
    proof = f"{found.value:.6g}, bound {found.bound:.6g}" if isfinite(found.value) else found.reason
    for note in notes:
        terminal.print(f"note: {note}", style="dim")
    terminal.print(f": {found.policy} {proof}", head=found.status)
