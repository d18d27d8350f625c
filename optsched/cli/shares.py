"""What ``optsched share`` does and prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optsched.cli.output import print_json, writable
from optsched.errors import InputError, shown
from optsched.files import write_json

if TYPE_CHECKING:
    from optsched.instance import Instance, Job
    from optsched.timeshare import Shares
    from optsched.timeshare.reading import Read

__all__ = ["POLICIES", "share"]

_MOST_ROWS = 50


def share(
    instance: Path, policy: str, lexicographic: bool, pairs: Path | None, gpus: int | None, out: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Divide the GPUs' time among the jobs of an instance file; print and write the shares."""
    from optsched import load
    from optsched.timeshare.reading import market_of, with_pairs

    writable(out, instance, pairs)
    if policy not in POLICIES:
        raise InputError(", ".join(POLICIES), path="--policy", value=shown(policy))
    if lexicographic and policy != "max-min":
        raise InputError("--policy max-min, which alone it applies to", path="--lexicographic")
    loaded = load(instance)
    try:
        read = market_of(loaded, gpus)
        read = read if pairs is None else with_pairs(read, pairs)
        found = POLICIES[policy](loaded, read, lexicographic)
    except InputError as error:
        raise error if error.file else error.within(file=str(instance)) from None
    record = _record(read, found)
    if out is not None:
        write_json(out, record)
    if as_json:
        print_json(record)
    else:
        _print(read, found)
    return 0 if found.status in ("optimal", "feasible") else 1


def _max_min(instance: Instance, read: Read, lexicographic: bool) -> Shares:
    from optsched.timeshare import max_min

    return max_min(read.market, lexicographic=lexicographic)


def _makespan(instance: Instance, read: Read, lexicographic: bool) -> Shares:
    from optsched.timeshare import makespan

    return makespan(read.market, _work(read.jobs))


def _finish_time(instance: Instance, read: Read, lexicographic: bool) -> Shares:
    from optsched.timeshare import finish_time

    return finish_time(read.market, _work(read.jobs), [instance.now_s - job.arrival_s for job in read.jobs])


def _throughput(instance: Instance, read: Read, lexicographic: bool) -> Shares:
    from optsched.timeshare import throughput

    return throughput(read.market, worth=[job.weight for job in read.jobs] / read.market.fastest)


def _fifo(instance: Instance, read: Read, lexicographic: bool) -> Shares:
    from optsched.timeshare import first_in_first_out

    order = np.argsort([job.arrival_s for job in read.jobs], kind="stable")
    return first_in_first_out(read.market, np.argsort(order))


def _cost(instance: Instance, read: Read, lexicographic: bool) -> Shares:
    from optsched.timeshare import cost

    for k, price in enumerate(read.price):
        if price <= 0:
            raise InputError("an hourly_price > 0 of each GPU type", path="$.cluster", value=read.pools[k])
    least = [_least(job, instance.now_s) for job in read.jobs]
    return cost(read.market, read.price, least=least)


def _hierarchical(instance: Instance, read: Read, lexicographic: bool) -> Shares:
    from optsched.timeshare import hierarchical

    return hierarchical(read.market, [job.tenant for job in read.jobs])


POLICIES: dict[str, Callable[[Instance, Read, bool], Shares]] = {
    "max-min": _max_min,
    "makespan": _makespan,
    "finish-time": _finish_time,
    "throughput": _throughput,
    "fifo": _fifo,
    "cost": _cost,
    "hierarchical": _hierarchical,
}


def _work(jobs: Sequence[Job]) -> list[float]:
    """Return the jobs' work left, which this policy needs of each."""
    for job in jobs:
        if job.remaining_examples is None:
            raise InputError("remaining_examples of each job", path="$.jobs", value=shown(job.id))
    return [job.remaining_examples or 0.0 for job in jobs]


def _least(job: Job, now_s: float) -> float:
    """Return the throughput by which a job ends at its deadline; 0 where it has none."""
    if job.deadline_s is None or job.remaining_examples is None:
        return 0.0
    return job.remaining_examples / max(1e-9, job.deadline_s - now_s)


def _record(read: Read, found: Shares) -> dict[str, Any]:
    """Return the shares as JSON."""
    number = np.isfinite(found.value)
    record: dict[str, Any] = {
        "policy": found.policy, "status": found.status, "reason": found.reason,
        "value": found.value if number else None,
        "bound": found.bound if np.isfinite(found.bound) else None,
        "gap": found.gap if np.isfinite(found.gap) else None,
        "prices": dict(zip(read.pools, found.prices.tolist(), strict=True)),
        "left_out": read.left_out,
    }  # fmt: skip
    record["jobs"] = [
        {
            "job": job.id, "gpus": int(read.market.gang[j]), "throughput": float(found.rate[j]),
            "shares": {pool: float(f) for pool, f in zip(read.pools, found.fraction[j], strict=True) if f > 0},
        }
        for j, job in enumerate(read.jobs if number else ())
    ]  # fmt: skip
    two = read.market.pairs
    record["pairs"] = [
        {"jobs": [read.jobs[j].id for j in two.job[n]], "pool": read.pools[two.gpu_type[n]], "share": float(time)}
        for n, time in enumerate(found.paired)
        if two is not None and time > 0
    ]
    return record


def _print(read: Read, found: Shares) -> None:
    """Print the shares as a table."""
    from optsched.report import _console, _table

    console = _console()
    if np.isfinite(found.value):
        table = _table("job", "GPUs", *(f"{pool}, %" for pool in read.pools), "shared, %", "examples/s")
        shared = np.zeros(len(read.jobs))
        if read.market.pairs is not None:
            np.add.at(shared, read.market.pairs.job[:, 0], found.paired)
            np.add.at(shared, read.market.pairs.job[:, 1], found.paired)
        for j, job in enumerate(read.jobs[:_MOST_ROWS]):
            parts = (f"{100 * f:.1f}" if f > 5e-4 else "" for f in (*found.fraction[j], shared[j]))
            table.add_row(job.id, f"{read.market.gang[j]:g}", *parts, f"{found.rate[j]:.4g}")
        console.print(table)
        if (more := len(read.jobs) - _MOST_ROWS) > 0:
            console.print(f"... and {more} more jobs (all are in the file that --out writes)")
    for name, reason in list(read.left_out.items())[:_MOST_ROWS]:
        console.print(f"left out: {name} ({reason})", highlight=False)
    proof = f"{found.value:.6g}, bound {found.bound:.6g}" if np.isfinite(found.value) else found.reason
    notes = "".join(f"; {note}" for note in found.notes)
    console.print(f"[bold]{found.status}[/bold]: {found.policy} {proof}{notes}", highlight=False)
