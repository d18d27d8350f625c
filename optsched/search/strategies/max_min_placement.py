"""Maximize the minimum over jobs where placement is decided, by sums of the compared values.

Of a least value itself, prices say little: most jobs are above it in most plans. If all jobs reach a level, the sum of
their values, cut off there, is as many times the level: prices of racks and links refute levels. The greatest
alpha-fair sums come near the optimum where alpha is large (Mo and Walrand, ToN 2000, lemma 3); from their plans on,
levels between plan and bound are tried by sums that are cut off there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from optsched.instance import ObjectiveSpec
from optsched.problem.build import build_problem
from optsched.problem.configurations import same_rows
from optsched.search.strategies.state import IncumbentStore, Search, bounded
from optsched.solvers import RunContext

__all__ = ["by_fair_sums"]

_FAIR = {4.0: 0.04, 8.0: 0.1}
"""Alphas of the first sums, and epsilon as a part of the level that they are cut off at."""
_CLOSE = 1e-5
"""Relative gap of a sum that is good enough: a hundred jobs reach a level but for a thousandth of it."""
_REFUTED = 3e-3
"""Relative distance of the least level that is refuted from one that is not."""
_LOWEST = 1e-3
"""Part of the ceiling below which no level is asked about: then some job can run at the cost of another only."""
_STEPS = 0.5, 0.05
"""Part of what is open by which the next level is above the plan, at first and at last."""
_SHARE, _PART, _MOST = 0.6, 0.2, 60.0
"""Part of the time left for all of this, part of that for one sum, and most seconds of one."""

Run = Callable[[Search, RunContext], Search]


def by_fair_sums(search: Search, stages: Sequence[Run], context: RunContext) -> Search:
    """Bound a least value of jobs, and take up plans of it; ``stages``: find a plan and a bound of a sum, in turn."""
    problem = search.problem
    if problem.objective.aggregate == "sum" or problem.objective.party != "jobs" or problem.ceiling <= 0:
        return search
    within = _within(context, _SHARE, np.inf)
    search = _refuted(
        bounded(search, problem.ceiling, 1.0, "what the least of the jobs has by itself"), stages[0], within
    )
    if _open(search)[1] <= _LOWEST * problem.ceiling:
        return search
    for alpha, part in _FAIR.items():
        level = _open(search)[1]
        search = _raised(search, _sum(search, alpha, level, part * level), stages, within)
    step, least = _STEPS
    while search.plan is not None and step > least and not search.proven(context.limits.gap) and not within.stopping():
        low, high = _open(search)
        level = low + step * (high - low)
        search = _raised(search, _sum(search, 0.0, level, level), stages, within)
        if search.value < 0.5 * (low + level):
            step /= 2
    return replace(search, stopped="gap") if search.proven(context.limits.gap) else search


def _open(search: Search) -> tuple[float, float]:
    """Return the least value of the plan, and the bound."""
    assert search.bound is not None
    return max(0.0, search.value), search.bound


def _within(context: RunContext, part: float, most: float) -> RunContext:
    """Return a watch for a part of the time left."""
    deadline = time.monotonic() + min(part * context.limits.left(), most)
    return context if np.isinf(deadline) else replace(context, limits=replace(context.limits, deadline=deadline))


def _sum(search: Search, alpha: float, most: float, epsilon: float) -> Search:
    """Return a search for the greatest alpha-fair sum of what a least value compares, up to a level."""
    goal = search.problem.objective
    of = "max-min" if goal.name == "alpha-fair" else goal.name
    parameters = {"alpha": alpha, "epsilon": epsilon, "of": of, "most": most}
    return Search(
        build_problem(search.problem.instance, ObjectiveSpec("alpha-fair", parameters), search.problem.error),
        IncumbentStore(),
    )


def _refuted(search: Search, priced: Run, context: RunContext) -> Search:
    """Lower the bound to about the least level that prices refute."""
    low, level = _open(search)
    jobs = int((search.problem.party >= 0).sum())
    quiet = replace(context, report=None)
    lowest = _LOWEST * search.problem.ceiling
    while level - low > _REFUTED * level and level > lowest and not context.stopping():
        bound = priced(_sum(search, 0.0, level, level), quiet).bound
        if bound is None:
            break
        if bound < jobs * level * (1 - 1e-9):
            search = bounded(search, bound / jobs, 1.0, "prices of levels")
            search.tell(context, "levels")
        else:
            low = level
        level = 0.5 * (low + _open(search)[1])
    return search


def _raised(search: Search, fair: Search, stages: Sequence[Run], context: RunContext) -> Search:
    """Take up the plan of a sum, whose search begins from the one that is known."""
    if search.proven(context.limits.gap) or context.stopping():
        return search
    mine = _within(context, _PART, _MOST)
    mine = replace(mine, limits=replace(mine.limits, gap=_CLOSE / 2), report=None)
    if search.plan is not None:
        fair = fair.offered(search.plan, "what is known")
    for stage in stages:
        if not fair.proven(_CLOSE) and not mine.stopping():
            fair = stage(fair, mine)
    if fair.plan is None:
        return search
    rows, runs = fair.plan.rows.copy(), fair.plan.rows >= 0
    rows[runs] = same_rows(search.problem.configurations, fair.problem.configurations, rows[runs])
    search = search.offered(replace(fair.plan, rows=rows), "an alpha-fair sum")
    search.tell(context, "alpha-fair")
    return search
