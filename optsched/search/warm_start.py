"""First plans within any time limit: nobody runs, and then plans over more and more of the jobs.

Tabulating and checking a hundred thousand jobs takes seconds. A plan over some of the jobs, in which the
others wait, is a plan of the whole; the checker says so of the whole instance.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from optsched.checker import check_plan
from optsched.instance import Instance, ObjectiveSpec
from optsched.instance.objectives import objective
from optsched.instance.solution import Allocation
from optsched.problem.build import build_problem
from optsched.problem.infeasibility import impossible
from optsched.problem.problem import Plan, Problem, allocate
from optsched.search.heuristics.marginal_gain import marginal_gain
from optsched.search.placement import first_plan
from optsched.search.prices import price
from optsched.solvers import RunContext

__all__ = ["Draft", "nobody", "pieces"]

FIRST = 200
"""Jobs of the first piece."""
GROWTH = 4
"""How many times as many jobs the next piece has."""
SAFE = 0.7
"""Part of the time left that the next piece, or the whole, may take as far as is known."""
SMALL = 1000
"""Instances of no more jobs are not worth pieces."""
FIRST_PLACED, SMALL_PLACED = 30, 100
"""The same where places are decided, which takes longer."""


@dataclass(frozen=True)
class Draft:
    """A plan that the checker confirmed for the whole instance; ``value`` is to be maximized."""

    allocations: tuple[Allocation, ...]
    value: float
    source: str


def nobody(instance: Instance, spec: ObjectiveSpec | None) -> Draft | None:
    """Return the plan in which nobody runs; None where that breaks a rule."""
    return _confirmed(instance, spec, (), "nobody runs")


def pieces(instance: Instance, spec: ObjectiveSpec | None, context: RunContext, found: Callable[[Draft], None]) -> None:
    """Plan for growing parts of the jobs, as long as the whole would take too much of the time left.

    Required jobs come first, and those that hold something where moves are limited: alone, if there are any,
    in the quickest way; then the weightiest.
    """
    jobs = instance.jobs
    if context.limits.deadline is None:
        return
    moves = instance.max_moves is not None
    must = [job.required or (moves and job.holds is not None) for job in jobs]
    if any(must):
        some = msgspec.structs.replace(
            instance, jobs=tuple(job for job, needed in zip(jobs, must, strict=True) if needed)
        )
        plan = _planned(some, spec, context, greedy=True)
        draft = None if plan is None else _confirmed(instance, spec, plan, "a plan of what must run")
        if draft is not None:
            found(draft)
    small, first = (SMALL, FIRST) if instance.decides == "counts" else (SMALL_PLACED, FIRST_PLACED)
    if len(jobs) <= small:
        return
    order = sorted(range(len(jobs)), key=lambda j: (not must[j], -jobs[j].weight))
    count = max(first, sum(must))
    while count < len(jobs) and context.limits.left() > 0 and not context.stopping():
        began = time.monotonic()
        some = msgspec.structs.replace(instance, jobs=tuple(jobs[j] for j in sorted(order[:count])))
        plan = _planned(some, spec, context, greedy=False)
        draft = None if plan is None else _confirmed(instance, spec, plan, f"a plan over {count} of {len(jobs)} jobs")
        if draft is not None:
            found(draft)
        each = (time.monotonic() - began) / count
        left = SAFE * context.limits.left()
        if each * len(jobs) < left:
            return
        # the most that the time allows, if that is worth another try
        larger = min(GROWTH * count, int(left / each))
        if larger < 1.5 * count:
            return
        count = larger


def _planned(
    instance: Instance, spec: ObjectiveSpec | None, context: RunContext, *, greedy: bool
) -> tuple[Allocation, ...] | None:
    """Return a plan of an instance of few jobs, quickly found; None where none was."""
    problem = build_problem(instance, spec)
    if len(problem.configurations) == 0 or impossible(problem):
        return None
    plan = _quick(problem, context, greedy)
    return None if plan is None else allocate(problem, plan)


def _quick(problem: Problem, context: RunContext, greedy: bool) -> Plan | None:
    if problem.instance.decides != "counts":
        return first_plan(problem, context)
    deadline = context.limits.deadline
    if not greedy:
        # the least value over some of the jobs says nothing of a plan: what they gain together does
        rows = price(problem.summed, deadline=deadline, gap=1e-2).rows
        if rows is not None:
            return Plan(rows)
    rows = marginal_gain(problem, deadline)
    return Plan(rows) if np.any(rows >= 0) else None


def _confirmed(
    instance: Instance, spec: ObjectiveSpec | None, allocations: tuple[Allocation, ...], source: str
) -> Draft | None:
    report = check_plan(instance, allocations, spec)
    sign = objective(spec or instance.objective).sign
    value = sign * report.value
    return Draft(allocations, value, source) if report.ok and np.isfinite(value) else None
