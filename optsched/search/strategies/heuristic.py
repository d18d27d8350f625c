"""Stages without a model of the whole problem: heuristics, the price engine, max-min levels, idle GPUs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from optsched._util.arrays import IntArray
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.problem import Plan, Problem, rows_of
from optsched.search.heuristics.marginal_gain import marginal_gain
from optsched.search.max_min import feasible_at_level, highest_level, lexicographic
from optsched.search.strategies.state import Search, bounded
from optsched.solvers import RunContext

__all__ = [
    "HEURISTICS",
    "by_dual",
    "by_heuristic",
    "by_levels",
    "by_marginal_gain",
    "by_prices",
    "by_relaxation",
    "fill_idle_gpus",
    "in_order",
    "nothing_to_decide",
]

HEURISTICS = {
    "marginal-gain": "GPUs step by step to the job that gains most by them (Optimus, EuroSys'18)",
    "one-by-one": "GPUs, then places on servers, then network rates: one decision after the other",
    "price-greedy": "each job in turn the row that is worth most at the prices of the dual, by value over cost",
    "lp-rounding": "what the LP relaxation decides whole, and the rest by marginal gain",
    "pop-4": "a random partition of jobs and resources in 4, each solved by HiGHS (POP, SOSP'21)",
    "pop-16": "the same in 16 parts",
    "neighbourhoods": "some jobs decided anew by HiGHS or CP-SAT in the room that the others leave (Shaw, CP'98)",
    "speed-up": "the next GPUs to the job that they speed up most, relative to what it has (Lin et al., MASCOTS'18)",
    "prices": "a plan from one price for each resource, for sums over up to a million jobs",
    "levels": "the highest level that all jobs reach, or all their levels in lexicographic order, by prices",
}
"""Heuristics that can replace a formulation: a plan, and a proven bound on its gap."""

PARTS = {"pop-4": 4, "pop-16": 16}
"""Parts of the partitions."""


def by_heuristic(search: Search, context: RunContext, name: str, gap: float, backend: str = "highs") -> Search:
    """Run a heuristic in half of the time left; the other half is for the bound."""
    from optsched.search.heuristics.greedy import price_greedy
    from optsched.search.heuristics.lp_rounding import lp_rounding
    from optsched.search.heuristics.pop import partitioned
    from optsched.search.heuristics.speedup import speed_up
    from optsched.search.prices import dual_prices

    began, problem = time.monotonic(), search.problem
    deadline = None if context.limits.deadline is None else began + context.limits.left() / 2
    rows: IntArray | None
    if name in PARTS:
        rows = partitioned(problem, PARTS[name], context.limits.seed, deadline=deadline, gap=gap)
    elif name == "neighbourhoods":
        rows = _by_neighbourhoods(problem, context, deadline, backend)
    elif name == "lp-rounding":
        rows = lp_rounding(problem, deadline)
    elif name == "speed-up":
        rows = speed_up(problem, deadline)
    elif name == "price-greedy":
        rows = price_greedy(problem, dual_prices(problem, deadline).prices, deadline)
    else:
        rows = marginal_gain(problem, deadline)
    search = replace(search, solve_s=time.monotonic() - began)
    return search if rows is None else search.offered(Plan(rows), name)


def _by_neighbourhoods(problem: Problem, context: RunContext, deadline: float | None, backend: str) -> IntArray:
    """Return a greedy plan, by prices if the objective is a sum, improved by large neighbourhood search."""
    from optsched.search.heuristics.greedy import price_greedy
    from optsched.search.heuristics.lns import neighbourhoods
    from optsched.search.prices import dual_prices

    limited = replace(context, limits=replace(context.limits, deadline=deadline))
    if problem.objective.aggregate != "sum":
        return neighbourhoods(problem, marginal_gain(problem, deadline), limited, backend=backend)
    prices = dual_prices(problem, deadline).prices
    first = price_greedy(problem, prices, deadline)
    return neighbourhoods(problem, first, limited, costs=problem.configurations.costs(prices), backend=backend)


def by_dual(search: Search, context: RunContext) -> Search:
    """Bound a heuristic's plan: by prices where the objective is a sum, by the LP relaxation elsewhere."""
    if search.problem.objective.aggregate != "sum" or search.plan is None:  # which may prove that there is none
        return by_relaxation(search, context)
    from optsched.search.prices import dual_prices, named

    began = time.monotonic()
    found = dual_prices(search.problem, context.limits.deadline)
    search = replace(search, solve_s=search.solve_s + time.monotonic() - began, prices=named(search.problem, found))
    return bounded(search, found.bound, 1.0, "prices")


def nothing_to_decide(search: Search) -> Search:
    """Return the empty plan, where no job has a configuration."""
    search = search.offered(Plan(rows_of(search.problem, np.empty(0, dtype=np.int64))), "the empty plan")
    if search.incumbent is None:
        return search
    return replace(search, bound=search.value, stopped="gap").noting("no job can run: nothing to decide")


def by_marginal_gain(search: Search, context: RunContext) -> Search:
    """Find a plan by marginal gain, if there is no incumbent."""
    if search.plan is not None:
        return search
    return search.offered(Plan(marginal_gain(search.problem, context.limits.deadline)), "marginal gain")


def by_prices(search: Search, context: RunContext, gap: float, share: float) -> Search:
    """Find a plan and a bound by prices, in a share of the time left."""
    from optsched.search.prices import named, numbered, price

    began, problem = time.monotonic(), search.problem
    deadline = None if context.limits.deadline is None else began + share * context.limits.left()
    start, move = (None, 0.0) if search.known is None else numbered(problem, search.known)
    found = price(problem, deadline=deadline, gap=gap, start=start, start_move=move, executor=search.executor)
    stopped = "time_limit" if context.limits.left() <= 0 else "gap" if found.gap <= gap else "heuristic"
    search = replace(search, solve_s=time.monotonic() - began, stopped=stopped, prices=named(problem, found))
    for note in found.notes:
        search = search.noting(f"prices: {note}")
    if found.rows is not None and search.problem.instance.decides == "counts":
        search = search.offered(Plan(found.rows), "prices")
    elif found.rows is None and found.bound == -np.inf:
        return replace(search, infeasible=True, stopped="infeasible")
    return bounded(search, found.bound, 1.0, "prices")


def by_levels(search: Search, context: RunContext, gap: float, share: float) -> Search:
    """Find the highest level that all jobs reach, in a share of the time left."""
    began = time.monotonic()
    deadline = None if context.limits.deadline is None else began + share * context.limits.left()
    found = highest_level(
        search.problem, deadline=deadline, gap=gap, tell=lambda value, bound: context.progress("levels", value, bound)
    )
    search = replace(search, solve_s=time.monotonic() - began, stopped=_stopped(context))
    search = search.noting(f"levels: asked {found.subproblems} times whether all jobs can reach a level")
    if found.rows is not None:
        search = search.offered(Plan(found.rows), "levels")
    search = bounded(search, found.bound, 1.0, "levels")
    return replace(search, partial=search.problem.objective.aggregate == "lexmin")


def _stopped(context: RunContext) -> str:
    return "time_limit" if context.limits.left() <= 0 else "gap"


def in_order(search: Search, context: RunContext) -> Search:
    """Go on from the least value to the next, in lexicographic order."""
    problem, began, deadline = search.problem, time.monotonic(), context.limits.deadline
    if search.plan is None:  # any plan is a start
        start = feasible_at_level(problem, problem.party >= 0, 0.0, problem.configurations.jobs, deadline=deadline)
        if start.rows is None:
            gone = start.most < 0
            return replace(search, infeasible=gone, stopped="infeasible" if gone else _stopped(context))
        search = search.offered(Plan(start.rows), "levels")
        if search.plan is None:
            return search
    found = lexicographic(problem, search.plan.rows, deadline=deadline)
    search = replace(search, solve_s=search.solve_s + time.monotonic() - began, stopped=_stopped(context))
    accepted = search.offered(plan := Plan(found.rows), "levels", slack=np.inf)
    if accepted.plan is not plan:
        return accepted
    proven = f"{len(found.levels)} of {int((problem.party >= 0).sum())} levels are proven"
    if found.levels:
        accepted = bounded(accepted, found.levels[0], 1.0, "levels")
    return replace(accepted, partial=not found.whole).noting(f"levels: {proven}")


def by_relaxation(search: Search, context: RunContext) -> Search:
    """Bound a heuristic's plan by the LP relaxation of the configuration formulation."""
    from optsched.solvers import highs

    began = time.monotonic()
    built = formulation("configuration").forms["linear"](search.problem, DEFAULT)
    build_s = time.monotonic() - began
    outcome = highs.solve(built.model, context, relaxed=True)
    search = replace(search, build_s=build_s, solve_s=search.solve_s + outcome.solve_s)
    if outcome.status == "infeasible" and search.plan is None:
        return replace(search, infeasible=True, stopped="infeasible")
    return bounded(search, outcome.bound if outcome.status == "optimal" else None, 1.0, "the LP relaxation")


def fill_idle_gpus(search: Search, deadline: float | None) -> Search:
    """Allocate the GPUs that a plan for a minimum leaves idle, without reducing any job's value."""
    from optsched.search.heuristics.fill_idle import fill_idle

    problem = search.problem
    if search.plan is None or problem.objective.aggregate == "sum" or problem.instance.max_moves is not None:
        return search  # a sum leaves no GPU idle that a job could use; a step may be a reallocation
    if problem.instance.decides != "counts":
        from optsched.search.placement.fill_servers import fill_servers

        plan = fill_servers(problem, search.plan, deadline)
        return search if plan is search.plan else search.offered(plan, "filling", slack=0.0)
    rows = fill_idle(problem, search.plan.rows, deadline)
    return search if np.array_equal(rows, search.plan.rows) else search.offered(Plan(rows), "filling", slack=0.0)
