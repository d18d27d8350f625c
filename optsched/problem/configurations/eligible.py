"""What a job's own limits forbid: its arrival, its deadline, its budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.instance import Instance, Job
from optsched.instance.pools import Pool
from optsched.problem.configurations.table import ConfigurationColumns

__all__ = ["eligible"]


def eligible(
    instance: Instance, everywhere: Sequence[Pool], job: IntArray, rows: ConfigurationColumns, lost: FloatArray
) -> tuple[NDArray[np.bool_], FloatArray, dict[int, str]]:
    """Return which rows a job may run in from now on, and what they must achieve.

    Parameters
    ----------
    job, lost
        The job of each row, ascending, and the seconds that it loses by a restart, shape ``(n,)``.

    Returns
    -------
    keep
        Whether the row, at its fastest, ends by the deadline and within the budget, shape ``(n,)``.
    needed
        Least goodput for that, shape ``(n,)``; 0 without a limit.
    reasons
        For each job that loses its last row, by its number: why.
    """
    now = instance.now_s
    keep, needed = np.ones(len(job), dtype=bool), np.zeros(len(job))
    limited = np.array([_limited(owner, now) for owner in instance.jobs], dtype=bool)
    which: IntArray = np.flatnonzero(limited[job])
    if len(which) == 0:
        return keep, needed, {}
    mine, some, restart = job[which], rows.take(which), lost[which]

    def column(name: str, otherwise: float) -> FloatArray:
        values = [
            getattr(owner, name) if limits else None for owner, limits in zip(instance.jobs, limited, strict=True)
        ]
        return np.array([otherwise if value is None else value for value in values], dtype=np.float64)[mine]

    remaining, deadline, budget = (
        column("remaining_examples", np.nan),
        column("deadline_s", np.inf),
        column("budget", np.inf),
    )
    hourly = np.array([pool.hourly_price for pool in everywhere])[some.pool] * some.gpus
    seconds = remaining / some.goodput
    late, dear = now + restart + seconds > deadline, hourly * seconds / 3600 > budget
    fine = (column("arrival_s", 0.0) <= now) & ~late & ~dear
    keep[which] = fine
    with np.errstate(invalid="ignore", divide="ignore"):
        least = np.fmax(remaining / (deadline - now - restart), hourly * remaining / 3600 / budget)
    needed[which] = np.where(fine, np.nan_to_num(least), 0.0)

    reasons = {}
    for number in np.flatnonzero(limited).tolist():
        own = slice(*np.searchsorted(mine, [number, number + 1]))
        if own.start == own.stop or fine[own].any():
            continue
        owner = instance.jobs[number]
        if owner.arrival_s > now:
            reasons[number] = f"it arrives at {owner.arrival_s:g} s, after now ({now:g} s)"
        elif (late | ~dear)[own].all():
            reasons[number] = f"no configuration ends by its deadline at {owner.deadline_s:g} s"
        else:
            reasons[number] = f"no configuration meets its deadline within its budget of {owner.budget:g}"
    return keep, needed, reasons


def _limited(job: Job, now: float) -> bool:
    ends = job.deadline_s is not None or job.budget is not None
    return job.arrival_s > now or (ends and job.remaining_examples is not None)
