"""Plans in which no job loses: a floor under a job's goodput, as an edit of the instance.

"Its goodput, net of a restart, is at least g" is the same as "it does g x round_s examples within this round", which
is a deadline. So every formulation keeps it, and the checker checks it.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from optsched.errors import InputError, shown
from optsched.instance import Instance, Job

__all__ = ["floored", "with_job"]

_SLACK = 1e-7
"""Relative, below the checker's tolerance: floors are taken from plans that the checker rounds."""


def with_job(instance: Instance, name: str, **changes: object) -> Instance:
    """Return the instance with some fields of one job changed; raise InputError for a job that does not exist."""
    if all(job.id != name for job in instance.jobs):
        raise InputError("the id of a job of the instance", path="job", value=shown(name))
    jobs = tuple(replace(job, **changes) if job.id == name else job for job in instance.jobs)
    return replace(instance, jobs=jobs)


def floored(instance: Instance, goodput: Mapping[str, float]) -> Instance:
    """Return the instance in which some jobs must run, and reach a goodput net of what a restart loses.

    Parameters
    ----------
    goodput
        Floor of each such job, in reference-batch examples/s; 0: it must run, at any goodput.

    Raises
    ------
    InputError
        Where the instance has a limit on an objective that reads deadlines or work left, which floors change.
    """
    if any(limit.objective.name == "finish-time" for limit in instance.limits):
        raise InputError("no limit on finish-time: floors under progress would change it", path="$.limits")
    jobs = tuple(_floored(job, goodput[job.id], instance) if job.id in goodput else job for job in instance.jobs)
    return replace(instance, jobs=jobs)


def _floored(job: Job, goodput: float, instance: Instance) -> Job:
    """Return a job whose work and deadline say both its own deadline and the floor.

    A configuration without a restart needs a goodput of ``a = max(g, R / D)``, one with a restart of L seconds
    ``b = max(g / (1 - L / T), R / (D - L))`` (T: the round; R: the work; D: the time until the deadline). Work R' in
    time D' says the same of both where ``R' = a D'`` and ``R' = b (D' - L)``, so ``D' = b L / (b - a)``.
    """
    floor, lost, whole = goodput * (1 - _SLACK), job.restart_s, instance.round_s
    work, time = job.remaining_examples, None if job.deadline_s is None else job.deadline_s - instance.now_s
    if floor <= 0:
        return replace(job, required=True)
    least, moved = floor, floor / (1 - lost / whole) if lost < whole else float("inf")
    if work is not None and time is not None:
        least = max(least, work / time if time > 0 else float("inf"))
        moved = max(moved, work / (time - lost) if time > lost else float("inf"))
    if least == float("inf"):
        return replace(job, required=True)  # it is late already
    if lost == 0:
        until = whole
    elif moved == float("inf"):
        until = lost
    else:
        until = moved * lost / (moved - least)
    done = least * until
    budget = None if job.budget is None or work is None else job.budget * (done / work) * (1 + 1e-9)
    # a rounding error must not break what holds with equality
    end = instance.now_s + until * (1 + 1e-12)
    return replace(
        job, required=True, remaining_examples=done, deadline_s=max(end, job.arrival_s + 1e-9), budget=budget
    )
