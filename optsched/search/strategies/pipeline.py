"""What is tried in turn, by what is asked for and what the problem is."""

from __future__ import annotations

from functools import partial

from optsched.errors import InputError, shown
from optsched.problem.formulation import ModelOptions
from optsched.problem.problem import Problem
from optsched.search.strategies.exact import exactly, formulation_for, in_turn
from optsched.search.strategies.heuristic import (
    HEURISTICS,
    by_dual,
    by_heuristic,
    by_levels,
    by_marginal_gain,
    by_prices,
    in_order,
)
from optsched.search.strategies.placement import placed_stages
from optsched.search.strategies.state import Stage
from optsched.solvers import BACKENDS, RunContext, form_of

__all__ = ["stages_of"]


def stages_of(
    problem: Problem, wanted: str, backend: str, options: ModelOptions, gap: float, context: RunContext
) -> list[Stage]:
    """Return what is tried in turn until the gap is proven; raise InputError for what does not exist."""
    solver = "highs" if backend == "auto" else backend
    form = form_of(solver)
    if form is None:
        raise InputError(f"one of {', '.join(BACKENDS)} or pyomo:SOLVER", path="backend", value=shown(backend))
    summed, decides = problem.objective.aggregate == "sum", problem.instance.decides
    if decides != "counts":
        if wanted in HEURISTICS and wanted != "one-by-one":
            expected = f"another formulation than {wanted}, which knows no places: the instance decides on {decides}"
            raise InputError(expected, path="formulation", value=shown(wanted))
        return placed_stages(problem, wanted, solver, form, options, context)
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
    run = partial(exactly, chosen=chosen, options=options, form=form, backend=solver, context=context, note=note)
    if backend == "auto" and "cpsat" in chosen.forms:
        run = partial(in_turn, first=run, then=partial(run, form="cpsat", backend="cpsat", note=""), context=context)
    exact = Stage(chosen.name, solver, run)
    if (wanted, backend) != ("auto", "auto"):
        return [first, exact]
    if problem.objective.party == "jobs" and not summed:
        return [levelled, first, exact]
    return [priced, first, exact] if summed else [first, exact]
