"""Stages that decide placement on servers and network rates."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from optsched.problem.formulation import DEFAULT, ModelOptions
from optsched.problem.problem import Problem
from optsched.search.placement.rate_levels import CHOICES, ENDS, HALF
from optsched.search.strategies.exact import formulation_for, refine_near_rates, solve_model
from optsched.search.strategies.heuristic import by_relaxation
from optsched.search.strategies.max_min_placement import by_fair_sums
from optsched.search.strategies.state import Search, Stage, bounded
from optsched.solvers import RunContext
from optsched.solvers.watchdog import beside

__all__ = ["placement_stages"]

_SMALL = 100_000
"""Rows that a better plan may use, times servers, below which a search for the optimum pays."""
_MANY = 100_000
"""Rows from which on prices of pools come first, which leave few of them."""
_AROUND = 120.0
"""Most seconds for a kernel and the neighbourhoods searched with it."""
_ROUNDS = 8
"""Most times that a model is solved with values that are known better and better."""
_WORTHWHILE = 0.1
"""Part of what is open that a round must close for another."""
_ROUGH = 10.0
"""Error of values at network rates before the first round, over the gap that a model leaves open."""
_KERNELS = {2: 1e-3, 4: 3e-4}
"""Rows a job of the kernels that are tried in turn, and the error of values at rates in the prices after each."""


def placement_stages(
    problem: Problem, wanted: str, solver: str, form: str, options: ModelOptions, context: RunContext
) -> list[Stage]:
    """Return the stages for plans with places.

    A least value of jobs is looked for by sums first. Prices bound all plans and say which rows matter; a first plan
    is bettered by kernels of these rows and around itself, and by a model in which equal servers are merged, which is
    searched for its optimum where rows are few; a model in which each stands for itself decides. Those who
    compare models by options get these alone, after a first plan.
    """
    first = Stage("one-by-one", "", partial(one_by_one, context=context))
    if wanted == "one-by-one":
        return [first, Stage("one-by-one", "highs", partial(by_relaxation, context=context))]
    chosen, note = formulation_for(problem, problem.instance.decides if wanted == "auto" else wanted, form, solver)
    run = partial(solve_model, chosen=chosen, form=form, context=context)
    whole = partial(run, options=options, backend=solver, note=note, ends=ENDS, share=0.5)
    apart = replace(options, exclude=options.exclude | {"merge"})
    alone = partial(run, options=apart, backend=solver, note="", ends=HALF)
    split = partial(run, options=CHOICES, backend="branch_and_bound", note=note, share=0.8)
    merged = Stage(chosen.name, solver, whole)
    exact = Stage(chosen.name, solver, partial(in_rounds, run=alone, context=context))
    if options != DEFAULT:
        return [first, exact] if "merge" in options.exclude else [first, merged, exact]
    sums = (by_rack_prices, one_by_one, by_kernels)
    fair = Stage("alpha-fair", "", partial(by_fair_sums, stages=sums, context=context))
    bounds = Stage("prices", "", partial(by_rack_prices, context=context))
    kernels = Stage("kernels", "highs", partial(by_kernels, context=context))
    pooled = Stage("prices", "", partial(by_pool_prices, context=context))
    if problem.instance.decides == "network" and form == "linear":
        merged = Stage(chosen.name, solver, partial(with_equal, run=whole, split=split, context=context))
    return [fair, pooled, bounds, first, kernels, merged, exact]


def _small(search: Search) -> bool:
    """Tell whether few rows are left that a better plan may use, for the servers that there are."""
    problem, plan = search.problem, search.plan
    if plan is None or search.priced is None:
        return False
    servers = sum(group.count for group in problem.instance.cluster.servers)
    return int(search.priced.promising(problem, search.value, plan.rows).sum()) * servers < _SMALL


def with_equal(
    search: Search, run: Callable[[Search], Search], split: Callable[[Search], Search], context: RunContext
) -> Search:
    """Solve a model in which equal servers are merged; a small one by what jobs get, and which of them meet."""
    return in_rounds(search, split, context) if _small(search) else run(search)


def in_rounds(search: Search, run: Callable[[Search], Search], context: RunContext) -> Search:
    """Solve a model, and as long as that helps again, with values that are known better near the rates that it chose.

    The pieces of a curve lie above it; where a model's optimum makes use of that, the next one's does less. They are
    rough at first, and finer from round to round.
    """
    for _ in range(_ROUNDS):
        before, rough = search.bound, search.problem.error
        search = run(search)
        if search.stopped != "gap" or search.infeasible or search.bound is None or search.problem.near is None:
            break
        left, won = search.bound - search.value, np.inf if before is None else before - search.bound
        fine = rough <= context.limits.gap
        if search.proven(2 * context.limits.gap) or (fine and won < _WORTHWHILE * left) or context.limits.left() <= 0:
            break
        search = replace(search, problem=replace(search.problem, error=max(context.limits.gap, rough / 4)))
    return search


def one_by_one(search: Search, context: RunContext) -> Search:
    """Find a plan with places and rates, one decision after the other."""
    from optsched.search.placement.sequential import sequential_plan

    for priced in (None,) if search.priced is None else (search.priced, None):
        if search.proven(2 * context.limits.gap):
            break
        plan = sequential_plan(search.problem, context, priced)
        if plan is not None:
            search = search.offered(plan, "one decision after the other")
    return search


def by_pool_prices(search: Search, context: RunContext) -> Search:
    """Plan for many rows by prices of pools alone, packed on servers, and leave out what no better plan uses.

    Where rates are decided, prices without a network say too little: those of racks and links come first.
    """
    from optsched.search.placement.prices import price_pools
    from optsched.search.placement.sequential import sequential_plan

    problem = search.problem
    summed = problem.objective.aggregate == "sum" and problem.instance.max_moves is None
    if not summed or len(problem.configurations) < _MANY or problem.instance.decides == "network":
        return search
    deadline = None if context.limits.deadline is None else time.monotonic() + context.limits.left() / 3
    priced = price_pools(problem, deadline, context.limits.gap)
    search = bounded(search, priced.dual, 1.0, "prices of pools")
    plan = sequential_plan(problem, context, priced)
    if plan is None:
        return search
    search = search.offered(plan, "prices of pools, packed on servers")
    if search.plan is None:
        return search
    return _with_rows(search, priced.promising(problem, search.value, search.plan.rows), "too dear")


def _with_rows(search: Search, keep: NDArray[np.bool_], what: str) -> Search:
    """Return the search on some of its rows, ``keep`` of shape ``(rows,)``, and those of its plan."""
    from optsched.problem.placement.incumbents import part_of

    if (plan := search.plan) is not None:
        keep[plan.rows[plan.rows >= 0]] = True
    problem, number = part_of(search.problem, keep)
    if search.incumbent is not None and plan is not None:
        plan = replace(plan, rows=np.where(plan.rows >= 0, np.searchsorted(number, plan.rows), -1))
        search = replace(search, incumbent=replace(search.incumbent, plan=plan))
    note = f"{len(keep) - len(number)} of {len(keep)} rows are {what}"
    return replace(search, problem=problem).noting(note)


def by_rack_prices(search: Search, context: RunContext) -> Search:
    """Filter dominated rows, and bound the rest by prices of racks and links if the objective is a sum.

    Of many rows, prices leave few at a fraction of the time.
    """
    from optsched.search.placement.dominance import non_dominated
    from optsched.search.placement.prices import price_domains

    if len(search.problem.configurations) < _MANY:
        search = _with_rows(search, non_dominated(search.problem), "dominated")
    problem = search.problem
    if problem.objective.aggregate != "sum" or problem.instance.max_moves is not None:
        return search
    began = time.monotonic()
    priced = price_domains(problem, None if context.limits.deadline is None else began + context.limits.left() / 2)
    if problem.instance.decides == "network":
        problem = replace(
            refine_near_rates(problem, priced.rate), error=max(problem.error, _ROUGH * context.limits.gap)
        )
    return bounded(replace(search, problem=problem, priced=priced), priced.dual, 1.0, "prices of racks and links")


def by_kernels(search: Search, context: RunContext) -> Search:
    """Solve a model of the rows that are worth most at the prices, during a search around the plan; then of more.

    Between two of them, what is too dear for a better plan than the one that is known is left out, and the rest is
    priced anew, with values at rates that are known better.
    """
    from optsched.search.placement.lns import improve_placement
    from optsched.search.placement.rate_levels import kernel_plan

    for times, error in _KERNELS.items():
        problem, priced = search.problem, search.priced
        if priced is None or search.bound is None or context.stopping() or search.proven(2 * context.limits.gap):
            break
        count, loss = times * problem.configurations.jobs, priced.loss(problem)
        deadline = time.monotonic() + min(0.5 * context.limits.left(), _AROUND)
        limited = replace(context, limits=replace(context.limits, deadline=deadline))
        if search.plan is None:
            plan = kernel_plan(problem, loss, count, None, _kernel_watch(limited))
        else:
            enough = search.bound - 2 * context.limits.gap * abs(search.value)
            with beside(partial(kernel_plan, problem, loss, count, search.plan), _kernel_watch(limited)) as news:
                if _small(search):
                    wait([news])  # so that the answer does not depend on who is faster
                plan = improve_placement(problem, search.plan, priced.reduced, limited, enough, news)
        if plan is not None:
            search = search.offered(plan, f"{times} rows a job, and neighbourhoods")
            search.tell(context, "kernels")
        if count >= len(loss) or _small(search):
            break
        if not search.proven(2 * context.limits.gap):
            search = _repriced(search, context, error)
            search.tell(context, "kernels")
    return search


def _kernel_watch(context: RunContext) -> RunContext:
    """Return a watch for a kernel, which is not solved to the last digit, and leaves time to deal out what it finds."""
    deadline = time.monotonic() + 0.9 * context.limits.left()
    return replace(
        context, limits=replace(context.limits, deadline=deadline, gap=max(context.limits.gap, 5e-4)), report=None
    )


def _repriced(search: Search, context: RunContext, error: float) -> Search:
    """Leave out what is too dear for a better plan, and price the rest with values at rates to an error."""
    from optsched.search.placement.prices import price_domains

    assert search.priced is not None
    if search.plan is None:
        return search
    search = _with_rows(search, search.priced.promising(search.problem, search.value, search.plan.rows), "too dear")
    priced = price_domains(replace(search.problem, near=None), context.limits.deadline, error)
    return bounded(replace(search, priced=priced), priced.dual, 1.0, "prices of racks and links")
