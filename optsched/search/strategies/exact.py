"""Stages that build a model, solve it by a backend, and accept the plans that the checker confirms."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError, SolverError, shown
from optsched.problem.formulation import DEFAULT, Formulated, Formulation, ModelOptions, formulation, formulations
from optsched.problem.infeasibility import proven_infeasible
from optsched.problem.problem import Plan, Problem
from optsched.search.max_min import tightened
from optsched.search.placement.rate_levels import narrowed, widened
from optsched.search.strategies.heuristic import HEURISTICS
from optsched.search.strategies.state import Search, bounded
from optsched.solvers import Outcome, RunContext, form_of

__all__ = ["formulation_for", "refine_near_rates", "solve_model", "verify_infeasibility", "with_fallback"]

_FEW = 1_000
"""Most rows that are priced anew before a model, and may be split by intervals of network rates."""
_ENOUGH = 0.9
"""Part of the gap that is left open above a plan that is known."""
_LISTABLE = 200_000
"""Most configurations that are listed one by one where the formulation is left to us."""


def formulation_for(problem: Problem, wanted: str, form: str, backend: str) -> tuple[Formulation, str]:
    """Return the formulation, and why, if that was left to us."""
    if wanted == "auto":
        rows = len(problem.configurations)
        listed = rows <= _LISTABLE or not formulation("allocation").supports(problem).ok
        name = "configuration" if listed else "allocation"
        note = f"formulation {name}: {rows} configurations, of which {_LISTABLE} are few enough to be listed"
    elif wanted in (known := formulations()):
        name, note = wanted, ""
    else:
        raise InputError(f"auto or one of {', '.join([*known, *HEURISTICS])}", path="formulation", value=shown(wanted))
    chosen = formulation(name)
    support = chosen.supported(problem)
    if not support.ok:
        raise InputError(f"another formulation than {name}: {support.reason}", path="formulation", value=shown(name))
    if form not in chosen.forms:
        raise SolverError(f"formulation {name} has no form for {backend}; it has {', '.join(chosen.forms)}")
    return chosen, note


def solve_model(
    search: Search,
    chosen: Formulation,
    options: ModelOptions,
    form: str,
    backend: str,
    context: RunContext,
    note: str,
    share: float = 1.0,
    ends: Sequence[float] = (),
) -> Search:
    """Build a model and solve it in a share of the time left; accept the plan if the checker confirms it.

    Where rows are few, those of several network rates become rows in intervals of rates, which end at ``ends``.
    """
    began = time.monotonic()
    if context.limits.deadline is not None:
        # what it finds must be read and checked, too
        left = max(0.0, share * context.limits.left() - 2 * search.check_s)
        context = replace(context, limits=replace(context.limits, deadline=began + left))
    search = search.noting(note) if note else search
    problem = search.problem
    if problem.objective.aggregate == "min":
        problem, level = tightened(problem, context)
        search = bounded(search, level, 1.0, "the LP relaxation")
    number = None
    if problem.instance.decides != "counts" and problem is search.problem:
        problem, number = promising_problem(search, context, ends)
    start = search.plan
    if number is not None and start is not None:
        start = narrowed(problem, number, start)
    built = chosen.built(form, problem, options)
    build_s = time.monotonic() - began
    if context.limits.left() <= 0:
        return replace(search, stopped="time_limit", build_s=build_s)
    # only the solver speaks in the model's units
    told = replace(context, scale=context.scale * built.scale)
    enough = -np.inf if start is None else search.value + _ENOUGH * context.limits.gap * abs(search.value)
    outcome = run_backend(form, backend, built, told, start, enough / built.scale)
    build_s += outcome.handover_s
    search = replace(search, stopped=outcome.stopped, build_s=build_s, solve_s=outcome.solve_s)
    if outcome.message:
        search = search.noting(f"{backend}: {outcome.message}")
    for said in built.notes:
        search = search.noting(said) if said not in search.notes else search
    if outcome.values is not None:
        if built.rates is not None:
            search = replace(search, problem=refine_near_rates(search.problem, built.rates(outcome.values), number))
        before = search.notes
        try:
            plan = read_plan(built, outcome.values)
            if number is not None:
                plan = widened(search.problem, number, plan)
            search = search.offered(plan, f"{chosen.name} on {backend}")
        except SolverError as error:
            search = search.noting(f"{backend} answers with {error}")
        if search.notes != before:
            return replace(search, stopped="failed").noting(f"nothing else that {backend} says is believed")
    if outcome.status == "infeasible":
        return replace(search, infeasible=True)
    return bounded(search, outcome.bound, built.scale, backend)


def with_fallback(
    search: Search, first: Callable[[Search], Search], then: Callable[[Search], Search], context: RunContext
) -> Search:
    """Run a second solver if the first one failed."""
    search = first(search)
    if search.stopped != "failed" or context.limits.left() <= 0 or context.stopping():
        return search
    try:
        return then(replace(search, backend="cpsat").noting("another solver is asked: CP-SAT"))
    except InputError as error:  # e.g. amounts of more decimals than CP-SAT takes
        return search.noting(f"CP-SAT, the other solver, cannot be asked: {error}")


def promising_problem(search: Search, context: RunContext, ends: Sequence[float]) -> tuple[Problem, IntArray | None]:
    """Return the problem without the rows that no better plan can use, and the numbers of those that stay."""
    from optsched.problem.placement.incumbents import part_of
    from optsched.search.placement.prices import price_domains
    from optsched.search.placement.rate_levels import in_intervals

    problem, plan = search.problem, search.plan
    if plan is None or search.priced is None:
        return problem, None
    part, number = part_of(problem, search.priced.promising(problem, search.value, plan.rows))
    if problem.instance.decides != "network" or len(part.configurations) > _FEW:
        return part, number
    if ends:
        part, of = in_intervals(part, ends)
        number = number[of]
    # of few rows, prices that are better known leave fewer
    priced = price_domains(replace(part, near=None), context.limits.deadline, max(problem.error, 3e-4))
    part, of = part_of(part, priced.promising(part, search.value, narrowed(part, number, plan).rows))
    return part, number[of]


def refine_near_rates(problem: Problem, gbps: FloatArray, number: IntArray | None = None) -> Problem:
    """Return the problem with one more network rate of each row near which values are to be known best.

    Parameters
    ----------
    gbps
        Of each row, or of each of those in ``number``; nan for none.
    """
    near = np.full((len(problem.configurations), 1), np.nan)
    known = ~np.isnan(gbps)
    near[np.flatnonzero(known) if number is None else number[known], 0] = gbps[known]
    if problem.near is not None:  # where there is nothing new, the first is as good as any
        near = np.where(np.isnan(near), problem.near[:, :1], near)
        near = np.column_stack([problem.near, near])
    return replace(problem, near=near)


def read_plan(built: Formulated, values: FloatArray) -> Plan:
    """Return the plan that a point of the model means; raise SolverError where it means none."""
    try:
        return built.read(values)
    except Exception as error:  # whatever it stumbles over: a solver's point may be anything
        raise SolverError(f"a point that means no plan ({type(error).__name__}: {error})") from error


def run_backend(
    form: str, backend: str, built: Formulated, context: RunContext, start: Plan | None, enough: float = -np.inf
) -> Outcome:
    """Run a backend, imported no sooner than here; branch and bound searches down to the bound ``enough``."""
    if backend == "branch_and_bound":
        from optsched.solvers import branch_and_bound

        assert built.disjunctions is not None
        return branch_and_bound.solve(built.model, built.disjunctions(), context, enough)
    if form == "linear":
        from optsched.solvers import highs

        point = None if start is None or built.start is None else built.start(start)
        return highs.solve(built.model, context, start=point)
    if form == "cpsat":
        from optsched.solvers import cpsat

        return cpsat.solve(built.model, context)
    from optsched.solvers import pyomo

    return pyomo.solve(built.model, context, backend.partition(":")[2])


def verify_infeasibility(search: Search, context: RunContext) -> Search:
    """Verify a solver's claim that there is no plan, by a dual certificate or by a second solver.

    A known plan refutes the claim. Where nothing confirms it, the search has failed instead.
    """
    problem, word = search.problem, replace(search, infeasible=False, stopped="failed")
    if search.incumbent is not None or search.store.warm_start is not None:
        return word.noting("a solver calls the instance infeasible, and a feasible plan is known: not believed")
    if proven_infeasible(problem, context.limits):
        return search
    other = "highs" if search.backend.partition(":")[0] == "cpsat" else "cpsat"
    name = problem.instance.decides if problem.instance.decides != "counts" else "configuration"
    chosen, form = formulation(name), str(form_of(other))
    if form not in chosen.forms or not chosen.supports(problem).ok:
        return search.noting("infeasible on the word of one solver: no other could be asked")
    try:
        built = chosen.forms[form](problem, DEFAULT)
    except InputError as error:  # e.g. amounts of more decimals than CP-SAT takes
        return search.noting(f"infeasible on the word of one solver, since {other} cannot be asked: {error}")
    outcome = run_backend(form, other, built, replace(context, scale=context.scale * built.scale), None)
    if outcome.status == "infeasible":
        return search.noting(f"two solvers call the instance infeasible; the second is {other}")
    if outcome.values is not None:
        with contextlib.suppress(SolverError):
            word = word.offered(read_plan(built, outcome.values), f"{name} on {other}")
        if word.incumbent is not None:
            note = f"a solver calls the instance infeasible, and {other} found a feasible plan: not believed"
            return bounded(word.noting(note), outcome.bound, built.scale, other)
    return word.noting("a solver calls the instance infeasible, and nothing else says so: not believed")
