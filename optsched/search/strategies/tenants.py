"""Raise the shares of tenants above the minimum, by weighted water filling over the plans of the greatest minimum."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from optsched.errors import SolverError
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.problem import Plan, Problem
from optsched.search.max_min import fill_parties
from optsched.search.strategies.exact import read_plan, run_backend
from optsched.search.strategies.state import Search
from optsched.solvers import RunContext

__all__ = ["raise_tenants"]

_NAMED = 8
"""Most tenants whose shares a note lists."""
_GAP = 1e-6
"""Relative gap to which levels are found, unless a smaller one is asked for."""


def raise_tenants(search: Search, context: RunContext) -> Search:
    """Raise the shares of the tenants in lexicographic order, starting from the incumbent."""
    problem, plan = search.problem, search.plan
    names = problem.party_names
    if problem.objective.party != "tenants" or problem.objective.aggregate == "sum" or plan is None or len(names) < 2:
        return search
    if problem.instance.decides == "network":
        return search.noting("water filling: only the least share is raised where the plan decides on network rates")
    weights = {tenant.id: tenant.weight for tenant in problem.instance.tenants}
    weight = np.array([weights.get(name, 1.0) for name in names])
    name = "configuration" if problem.instance.decides == "counts" else problem.instance.decides
    form = formulation(name).forms["linear"]
    gap = min(_GAP, context.limits.gap)
    asking = replace(context, limits=replace(context.limits, gap=gap / 2), report=None)

    def maximize(asked: Problem, start: Plan) -> tuple[Plan | None, float | None]:
        if context.stopping() or context.limits.left() <= search.check_s:
            return None, None
        built = form(asked, DEFAULT)
        outcome = run_backend("linear", "highs", built, replace(asking, scale=asking.scale * built.scale), start)
        found = None
        if outcome.values is not None:
            with suppress(SolverError):
                found = read_plan(built, outcome.values)
        return found, None if outcome.bound is None else outcome.bound * built.scale

    filled = fill_parties(problem, plan, weight, maximize, gap)
    accepted = search.offered(filled.plan, "water filling", slack=1e-8 * abs(search.value))
    if accepted.plan is not filled.plan:
        return accepted
    ranked = sorted(zip(filled.level.tolist(), names, strict=True))[:_NAMED]
    said = ", ".join(f"{one} {level:.4g}" for level, one in ranked) + (", ..." if len(names) > _NAMED else "")
    end = "every level is proven" if filled.proven else "not every level is proven"
    return accepted.noting(f"water filling: {said}; {end}")
