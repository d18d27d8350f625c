"""Warm starts, before the search: the empty plan, then plans over growing subsets of the jobs.

It takes seconds to tabulate and to check a hundred thousand jobs. A plan over some of the jobs, in which the others
wait, is a plan of the whole instance; the checker confirms it there. So there is a plan within any time limit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import numpy as np

from optsched.instance import Instance, ObjectiveSpec
from optsched.problem.build import build_problem
from optsched.problem.incumbent import Incumbent, verify
from optsched.problem.infeasibility import impossible
from optsched.problem.problem import Plan, Problem, allocate
from optsched.search.heuristics.marginal_gain import marginal_gain
from optsched.search.placement.sequential import sequential_plan
from optsched.search.prices import price
from optsched.solvers import RunContext

__all__ = ["empty_plan", "warm_starts"]

FIRST = 200
"""Jobs of the first subset."""
GROWTH = 4
"""Largest factor from one subset to the next."""
SAFE = 0.7
"""Part of the time left that the next subset, or the whole instance, may take by extrapolation."""
SMALL = 1000
"""Most jobs of an instance that is planned as a whole."""
FIRST_PLACED, SMALL_PLACED = 30, 100
"""The same where placement is decided, which takes longer."""


def empty_plan(instance: Instance, spec: ObjectiveSpec | None) -> Incumbent | None:
    """Return the plan in which no job runs; None if it breaks a rule."""
    return verify(instance, spec, (), "the empty plan: no job runs").incumbent


def warm_starts(instance: Instance, spec: ObjectiveSpec | None, context: RunContext) -> Iterator[Incumbent]:
    """Yield plans over growing subsets of the jobs, as long as the whole would take too much of the time left.

    If there are required jobs, or jobs that run now where moves are limited, they are planned first and alone, by the
    fastest method. Then jobs are added by decreasing weight. Without a time limit there are no warm starts.
    """
    jobs = instance.jobs
    if context.limits.deadline is None:
        return
    limited = instance.max_moves is not None
    must = [job.required or job.is_pinned(instance.now_s) or (limited and job.holds is not None) for job in jobs]
    if any(must):
        chosen = [j for j, needed in enumerate(must) if needed]
        if found := _planned(instance, spec, chosen, context, "a plan of the jobs that must run", greedy=True):
            yield found
    small, first = (SMALL, FIRST) if instance.decides == "counts" else (SMALL_PLACED, FIRST_PLACED)
    if len(jobs) <= small:
        return
    order = sorted(range(len(jobs)), key=lambda j: (not must[j], -jobs[j].weight))
    count = max(first, sum(must))
    while count < len(jobs) and context.limits.left() > 0 and not context.stopping():
        began = time.monotonic()
        source = f"a plan over {count} of {len(jobs)} jobs"
        if found := _planned(instance, spec, sorted(order[:count]), context, source, greedy=False):
            yield found
        each = (time.monotonic() - began) / count
        left = SAFE * context.limits.left()
        if each * len(jobs) < left:
            return
        # as many as the time allows, if they are worth another subset
        larger = min(GROWTH * count, int(left / each))
        if larger < 1.5 * count:
            return
        count = larger


def _planned(
    instance: Instance, spec: ObjectiveSpec | None, chosen: list[int], context: RunContext, source: str, *, greedy: bool
) -> Incumbent | None:
    """Return a plan over the chosen jobs, confirmed for the whole instance; None if none was found."""
    subset = msgspec.structs.replace(instance, jobs=tuple(instance.jobs[j] for j in chosen))
    problem = build_problem(subset, spec)
    if len(problem.configurations) == 0 or impossible(problem):
        return None
    plan = _quick(problem, context, greedy)
    return None if plan is None else verify(instance, spec, allocate(problem, plan), source).incumbent


def _quick(problem: Problem, context: RunContext, greedy: bool) -> Plan | None:
    """Return a plan by a fast heuristic; None if it found none."""
    if problem.instance.decides != "counts":
        return sequential_plan(problem, context)
    deadline = context.limits.deadline
    if not greedy:
        # a minimum over a subset says nothing of the whole, so prices maximize the sum of the jobs' values
        rows = price(problem.summed, deadline=deadline, gap=1e-2).rows
        if rows is not None:
            return Plan(rows)
    rows = marginal_gain(problem, deadline)
    return Plan(rows) if np.any(rows >= 0) else None
