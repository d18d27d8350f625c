"""Choose the stages of a search by problem, formulation and backend, and run them until the gap is proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from optsched.errors import InputError, shown
from optsched.instance.solution import Allocation
from optsched.problem.formulation import ModelOptions
from optsched.problem.infeasibility import impossible
from optsched.problem.problem import Problem
from optsched.search.strategies.continuation import go_on
from optsched.search.strategies.exact import formulation_for, solve_model, verify_infeasibility, with_fallback
from optsched.search.strategies.heuristic import (
    HEURISTICS,
    by_dual,
    by_heuristic,
    by_levels,
    by_marginal_gain,
    by_prices,
    by_relaxation,
    fill_idle_gpus,
    in_order,
    nothing_to_decide,
)
from optsched.search.strategies.placement import placement_stages
from optsched.search.strategies.state import Search, Stage
from optsched.search.strategies.tenants import raise_tenants
from optsched.solvers import BACKENDS, RunContext, form_of

__all__ = ["choose_stages", "run_stages"]


def run_stages(
    search: Search,
    formulation: str,
    backend: str,
    options: ModelOptions,
    gap: float,
    context: RunContext,
    start: Sequence[Allocation] = (),
) -> Search:
    """Return the search after its stages, each of which starts from what the ones before it found.

    Parameters
    ----------
    formulation, backend, options, gap, start
        As of :func:`optsched.solve`.
    """
    problem, outer = search.problem, context
    context = replace(context, scale=problem.objective.sign)
    stages = choose_stages(problem, formulation, backend, options, gap, context)
    search = replace(search, name=stages[-1].name, backend=stages[-1].backend)
    if impossible(problem):
        return replace(search, infeasible=True, stopped="infeasible")
    if start and len(problem.configurations):
        search = go_on(search, start, context, gap)
    for stage in stages if len(problem.configurations) else [Stage("", "", nothing_to_decide)]:
        search = replace(search, name=stage.name or search.name, backend=stage.backend)
        search.tell(context, search.name)
        search = stage.run(search)
        if search.infeasible:
            search = verify_infeasibility(search, context)
        search.tell(context, search.name)
        search.store.publish(search)
        if search.infeasible or context.stopping() or (search.proven(gap) and not search.partial):
            break
    if formulation not in HEURISTICS:
        search = raise_tenants(search, context)
    search = fill_idle_gpus(search, context.limits.deadline)
    if outer.interrupted:
        return replace(search, stopped="interrupted")
    if search.stopped == "interrupted":  # a solver that was stopped for lack of time
        return replace(search, stopped="time_limit")
    return search


def choose_stages(
    problem: Problem, wanted: str, backend: str, options: ModelOptions, gap: float, context: RunContext
) -> list[Stage]:
    """Return the stages in the order in which they run; raise InputError for a name that does not exist."""
    solver = "highs" if backend == "auto" else backend
    form = form_of(solver)
    if form is None:
        raise InputError(f"one of {', '.join(BACKENDS)} or pyomo:SOLVER", path="backend", value=shown(backend))
    summed, decides = problem.objective.aggregate == "sum", problem.instance.decides
    if decides != "counts":
        if wanted in HEURISTICS and wanted != "one-by-one":
            expected = f"another formulation than {wanted}, which knows no places: the instance decides on {decides}"
            raise InputError(expected, path="formulation", value=shown(wanted))
        return placement_stages(problem, wanted, solver, form, options, context)
    if wanted == "one-by-one":
        expected = "another formulation than one-by-one, which is for plans with places: the instance decides on counts"
        raise InputError(expected, path="formulation", value=shown(wanted))
    priced = Stage("prices", "", partial(by_prices, context=context, gap=gap, share=0.5 if wanted == "auto" else 1.0))
    first = Stage("marginal-gain", "", partial(by_marginal_gain, context=context))
    if wanted in ("prices", "price-greedy") and not summed:
        expected = f"another formulation than {wanted}, which serves sums over jobs: {problem.objective.name} is none"
        raise InputError(expected, path="formulation", value=shown(wanted))
    if wanted == "prices":
        return [priced]
    if wanted == "neighbourhoods" and solver not in ("highs", "cpsat"):
        raise InputError("highs or cpsat, which neighbourhoods ask", path="backend", value=shown(backend))
    if wanted in HEURISTICS and wanted != "levels":
        planned = Stage(wanted, "", partial(by_heuristic, context=context, name=wanted, gap=gap, backend=solver))
        return [planned, Stage(wanted, "" if summed else "highs", partial(by_dual, context=context))]
    ordered = problem.objective.aggregate == "lexmin"
    levelled = Stage("levels", "", partial(by_levels, context=context, gap=gap, share=0.5 if wanted == "auto" else 1.0))
    if wanted == "levels" or (ordered and wanted == "auto"):
        if summed or problem.objective.party != "jobs":
            expected = "another formulation than levels, which serve least values of jobs"
            raise InputError(expected, path="formulation", value=shown(wanted))
        rest = [Stage("levels", "", partial(in_order, context=context))] if ordered else []
        return [levelled, first, *rest]
    chosen, note = formulation_for(problem, wanted, form, solver)
    run = partial(solve_model, chosen=chosen, options=options, form=form, backend=solver, context=context, note=note)
    if backend == "auto" and "cpsat" in chosen.forms:
        run = partial(
            with_fallback, first=run, then=partial(run, form="cpsat", backend="cpsat", note=""), context=context
        )
    exact = Stage(chosen.name, solver, run)
    if (wanted, backend) != ("auto", "auto"):
        return [first, exact]
    if problem.objective.party == "jobs" and not summed:
        return [levelled, first, exact]
    if summed and np.any(problem.configurations.capacity < 0):  # floors, which few plans at prices keep
        relaxed = Stage("configuration", "highs", partial(by_relaxation, context=context))
        return [first, relaxed, exact]
    return [priced, first, exact] if summed else [first, exact]
