"""Which constraints cannot hold together, and the smallest changes after which they can."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from optsched.explain.bisection import Guesser, smallest
from optsched.explain.constraints import constraints_of
from optsched.explain.goodput_floors import with_job
from optsched.explain.job_rules import job_rules
from optsched.explain.oracle import Asker, Report, Verdict
from optsched.explain.records import Change, Conflict, Named, Repair
from optsched.explain.relaxations import lever_of, relaxed, shared_levers
from optsched.explain.rules import Constraint, Lever
from optsched.instance import Instance, ObjectiveSpec, admit
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.infeasibility import shortage
from optsched.solvers import Limits, RunContext

__all__ = ["conflict"]


def conflict(
    instance: Instance | Path | str,
    *,
    repairs: bool = True,
    seconds: float | None = 60.0,
    time_limit: float | None = None,
    report: Report | None = None,
) -> Conflict:
    """Return a minimal set of named constraints of which no plan keeps all, and how to repair it.

    A deletion filter (Chinneck and Dravnieks, ORSA J. Comput. 3 (1991)), first over blocks that are halved
    (as Zeller and Hildebrandt's ddmin does, IEEE Trans. Softw. Eng. 28 (2002)). A constraint is removed by an edit of
    the instance, and every question goes to :func:`optsched.solve`: no solver's conflict is taken for one. At the
    end it is asked again whether the set alone is infeasible, and whether it is feasible without each of its members.

    Parameters
    ----------
    repairs
        Whether to look for repairs: each lever that alone makes the instance feasible, the least sum of capacities, and
        the least sum of shifts of deadlines.
    seconds, time_limit
        Most of one question, and of all.
    report
        Called with what is being asked, for people who wait.
    """
    instance = admit(instance)
    asker = Asker.within(time_limit, instance.objective, 1.0, seconds, report)
    asker.about = "conflict"
    known = asker.possible(instance)
    if known != "no":
        return Conflict(status="feasible" if known == "yes" else "unknown", questions=asker.questions)
    every = list(constraints_of(instance))

    def keeping(some: Sequence[Constraint]) -> Verdict:
        kept = {one.key for one in some}
        edited = instance
        for one in every:
            if one.key not in kept:
                edited = one.remove(edited)
        return asker.possible(edited)

    if keeping(()) == "no":
        found = asker.best(instance)
        reason = "" if found is None else found.reason
        return Conflict(status="unnamed", reason=reason, questions=asker.questions)
    some = _filtered(every, keeping)
    undecided, minimal = [], keeping(some) == "no"
    for one in list(some):
        answer = keeping([other for other in some if other is not one])
        if answer == "no":
            some.remove(one)
        elif answer == "unknown":
            undecided.append(one.key)
    result = Conflict(
        status="minimal" if minimal and not undecided else "conflicting",
        constraints=tuple(Named(key=one.key, text=one.text) for one in some),
        undecided=tuple(undecided),
    )
    found_repairs = tuple(_repairs(instance, some, asker)) if repairs else ()
    return replace(result, repairs=found_repairs, questions=asker.questions, notes=asker.doubts())


def _filtered(every: list[Constraint], keeping: Callable[[Sequence[Constraint]], Verdict]) -> list[Constraint]:
    """Return what is left when blocks, then single constraints, are dropped without which there still is no plan."""
    some, size = list(every), max(1, len(every) // 2)
    while True:
        at = 0
        while at < len(some):
            rest = some[:at] + some[at + size :]
            if keeping(rest) == "no":
                some = rest
            else:
                at += size
        if size == 1:
            return some
        size = max(1, size // 2)


def _repairs(instance: Instance, some: Sequence[Constraint], asker: Asker) -> Iterator[Repair]:
    """Yield verified repairs: single levers by their amounts, then sums of capacities and of deadlines."""
    found: list[Repair] = []
    for lever in _levers(instance, some):
        if asker.late:
            break
        guess = _guess(instance, lever)
        answer = smallest(
            lambda steps, lever=lever: asker.possible(lever.change(instance, lever.amount(steps))),  # type: ignore[misc]
            guess,
            lever.top,
            lever.whole,
        )
        if answer.verdict == "yes":
            said = lever.said(answer.steps)
            found.append(Repair(changes=(said,), size=said.amount / lever.size))
    for joint in (_capacities(instance, asker), _deadlines(instance, asker)):
        if joint is None or not joint.changes or asker.possible(relaxed(instance, *joint.changes)) != "yes":
            continue
        # the same change alone may have been found: what is proven is said of it
        found = [one for one in found if one.changes != joint.changes] + [joint]
    yield from sorted(found, key=lambda repair: repair.size)


def _levers(instance: Instance, some: Sequence[Constraint]) -> Iterator[Lever]:
    """Yield the levers that relax some constraints."""
    kinds = {one.kind for one in some}
    keys = {one.key for one in some}
    for job in instance.jobs:
        for rule in job_rules(instance, job):
            if rule.constraint is not None and rule.constraint.key in keys:
                yield from rule.levers
    for lever in shared_levers(instance):
        if lever.kind in kinds:
            yield lever


def _guess(instance: Instance, lever: Lever) -> int:
    what, _, name = lever.key.partition(":")
    if what in ("deadline", "budget"):
        return Guesser(build_problem(instance, ObjectiveSpec(name="running")), name)(lever)
    return 1


def _capacities(instance: Instance, asker: Asker) -> Repair | None:
    """Return the least sum of additional capacities, each as a part of what is there, for all required jobs to run."""
    if instance.decides != "counts":
        return None
    problem = build_problem(instance, ObjectiveSpec(name="running"))
    left = asker.left()
    limits = Limits(deadline=None if left is None else time.monotonic() + left, gap=0.0)
    short = shortage(problem, np.flatnonzero(problem.required), limits)
    if short is None or not short.any():
        return None
    names = problem.configurations.resource_names
    levers = {lever.name: lever for lever in shared_levers(instance)}
    missing = [(levers.get(names[k]), float(short[k])) for k in np.flatnonzero(short).tolist()]
    if any(lever is None for lever, _ in missing):
        return None
    known = [(lever, amount) for lever, amount in missing if lever is not None]
    changes = tuple(
        Change(lever=lever.key, amount=amount, unit=lever.unit, text=lever.text(amount)) for lever, amount in known
    )
    # of GPUs every amount is whole: what is rounded up is no longer the least
    least = all(lever.unit == "GPUs" for lever, _ in known)
    return Repair(changes=changes, size=sum(amount / lever.size for lever, amount in known), least=least)


def _deadlines(instance: Instance, asker: Asker) -> Repair | None:
    """Return the least sum of shifts of deadlines for all required jobs to run: a model whose values are delays."""
    if instance.decides == "network":
        return None
    bound = {job.id: job.deadline_s for job in instance.jobs if job.required and job.deadline_s is not None}
    free = instance
    for name in bound:
        free = with_job(free, name, deadline_s=None)
    if not bound or instance.limits:
        return None
    problem = build_problem(free, ObjectiveSpec(name="running"))
    table, jobs = problem.configurations, free.jobs
    late = np.zeros(len(table))
    for number, job in enumerate(jobs):
        rows = np.flatnonzero(table.job == number)
        if job.id in bound and job.remaining_examples is not None:
            lost = np.where((job.holds is not None) & ~table.kept[rows], job.restart_s, 0.0)
            end = free.now_s + lost + job.remaining_examples / table.columns.goodput[rows]
            late[rows] = np.maximum(0.0, end - bound[job.id])
    from optsched.solvers import highs

    name = "configuration" if instance.decides == "counts" else "placement"
    built = formulation(name).forms["linear"](dataclasses.replace(problem, value=-late / 3600), DEFAULT)
    left = asker.left()
    limits = Limits(deadline=None if left is None else time.monotonic() + left, gap=0.0)
    outcome = highs.solve(built.model, RunContext(limits))
    if outcome.values is None:
        return None
    rows = built.read(outcome.values).rows
    changes = []
    for number, job in enumerate(jobs):
        shift = math.ceil(late[rows[number]] * (1 - 1e-12)) if rows[number] >= 0 else 0
        if job.id in bound and shift:
            changes.append(lever_of(instance, f"deadline:{job.id}").said(shift))
    size = sum(change.amount for change in changes) / 3600
    return Repair(changes=tuple(changes), size=size, least=outcome.status == "optimal")
