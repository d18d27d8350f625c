"""What would become of a job that is not submitted yet: whether it starts, when, and what would make it sooner."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from optsched.errors import InputError, OptschedError
from optsched.explain import explain
from optsched.explain.plans import goodputs
from optsched.instance.solution import Allocation
from optsched.scheduler.records import Action, LiveJob, Plan

__all__ = ["Admission", "Sooner", "admission"]

MOST_EVENTS = 200
"""Ends of jobs up to which is looked ahead."""


class Sooner(msgspec.Struct, frozen=True, kw_only=True):
    """A change by which a job would start at once: a lever of :func:`optsched.explain.explain`, by how much."""

    lever: str
    amount: float
    unit: str
    text: str


class Admission(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What would become of a job.

    starts
        ``now``, ``later``, or ``unknown``: not as far as was looked ahead, or never.
    start_s
        When, on the caller's clock: an estimate, for which all jobs train as they are said to, and none comes; None:
        unknown.
    allocation
        What it would hold then.
    others
        What would become of other jobs, where it starts now and they change.
    reasons
        Why it does not start now.
    sooner
        Changes of which each alone would let it start now, the smallest of their kinds.
    """

    job: str
    starts: str
    start_s: float | None = None
    allocation: Allocation | None = None
    others: tuple[Action, ...] = ()
    reasons: tuple[str, ...] = ()
    sooner: tuple[Sooner, ...] = ()


def admission(
    step: Callable[..., Plan], jobs: Sequence[LiveJob], job: LiveJob, now: float, round_s: float, time_limit_s: float
) -> Admission:
    """Return what would become of a job.

    Parameters
    ----------
    step
        A scheduler's, of which nothing else is asked; it is called with ``now`` and ``jobs``.
    jobs
        All others that wait or run.
    """
    if any(other.id == job.id for other in jobs):
        raise InputError("a job that is not there yet", path="$.job.id", value=repr(job.id))
    deadline = time.monotonic() + time_limit_s
    first = plan = step(now=now, jobs=[*jobs, job])
    action = plan.of(job.id)
    if action is not None and action.allocation is not None:
        others = tuple(a for a in plan.changes if a.job != job.id and a.kind != "start")
        return Admission(job=job.id, starts="now", start_s=now, allocation=action.allocation, others=others)
    reasons, sooner = _helped(first, job.id, time_limit_s / 2)
    if not reasons and action is not None:
        reasons = (action.reason,)
    found = _foreseen(step, plan, [*jobs, job], job.id, now, round_s, deadline)
    if found is None:
        return Admission(job=job.id, starts="unknown", reasons=reasons, sooner=sooner)
    start, allocation = found
    return Admission(job=job.id, starts="later", start_s=start, allocation=allocation, reasons=reasons, sooner=sooner)


def _helped(plan: Plan, name: str, seconds: float) -> tuple[tuple[str, ...], tuple[Sooner, ...]]:
    """Return why a job waits, and what would let it start now."""
    if plan.instance is None or all(job.id != name for job in plan.instance.jobs):
        return (), ()
    try:
        (why,) = explain(plan.instance, plan.allocations, jobs=[name], seconds=seconds / 4, time_limit=seconds)
    except OptschedError:  # what is asked may be none of the plan's instance
        return (), ()
    sooner = tuple(Sooner(lever=r.lever, amount=r.amount, unit=r.unit, text=r.text) for r in why.relaxations)
    return tuple(reason.text for reason in why.reasons), sooner


def _foreseen(
    step: Callable[..., Plan],
    plan: Plan,
    jobs: Sequence[LiveJob],
    name: str,
    now: float,
    round_s: float,
    deadline: float,
) -> tuple[float, Allocation] | None:
    """Return when a job starts, and what it holds then, as jobs end one after the other; None: not foreseen."""
    waiting = {job.id: job for job in jobs}
    for _ in range(MOST_EVENTS):
        if plan.instance is None or time.monotonic() > deadline:
            return None
        rates = goodputs(plan.instance, plan.allocations)
        left = {job: waiting[job].remaining_examples for job in rates}
        ends = {job: work / rates[job] for job, work in left.items() if work is not None and rates[job] > 0}
        arrivals = [job.arrival_s - now for job in waiting.values() if job.arrival_s > now]
        if not ends and not arrivals:
            return None
        lapse = max(round_s, min([*ends.values(), *arrivals]))
        now += lapse
        for job, end in ends.items():
            if end <= lapse * (1 + 1e-9):
                del waiting[job]
            else:
                rest = max(1e-9, (left[job] or 0.0) - lapse * rates[job])
                waiting[job] = msgspec.structs.replace(waiting[job], remaining_examples=rest)
        if name not in waiting:
            return None
        plan = step(now=now, jobs=list(waiting.values()))
        action = plan.of(name)
        if action is not None and action.allocation is not None:
            return now, action.allocation
    return None
