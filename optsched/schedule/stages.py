"""The stages of the search for a schedule: each takes what was found so far and improves the plan or the bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from optsched.errors import InputError
from optsched.schedule.energy import relaxation
from optsched.schedule.enumeration import enumerated, few
from optsched.schedule.formulation import TimedFormulation
from optsched.schedule.grid import Grid, exact_tick, gridded
from optsched.schedule.list_scheduling import list_schedules
from optsched.schedule.problem import Question
from optsched.schedule.search import Search
from optsched.schedule.sgs import replaced
from optsched.solvers import Outcome, Progress, RunContext

__all__ = ["by_energy", "by_enumeration", "by_lists", "on_grids", "refuse_impossible"]

_DOWN = 0.7
"""Part of the time left for the grid that is rounded down, where the other may be needed, too."""
_FINER = (1, 8, 64, 512)
"""Where rounding keeps a gap open, ticks become shorter by these factors."""


def refuse_impossible(search: Search) -> Search:
    """Say so where a job that has to run cannot."""
    question = search.question
    names = [job.id for job in question.instance.jobs]
    cannot = [f"{names[j]}: {why}" for j, why in sorted(question.reasons.items()) if question.must[j]]
    return replace(search, infeasible="; ".join(cannot[:5]), stopped="infeasible") if cannot else search


def _tell(search: Search, context: RunContext, stage: str) -> None:
    value = search.question.goal.value
    found = None if search.plan is None else value(search.cost)
    replace(context, scale=1.0).progress(stage, found, None if search.bound is None else value(search.bound))


def by_lists(search: Search, context: RunContext, seed: int) -> Search:
    """Find a first schedule by lists, in a tenth of the time or until ``Ctrl-C``."""
    limits = context.limits
    deadline = None if limits.deadline is None else time.monotonic() + 0.1 * limits.left()
    best = None
    try:
        for plan in list_schedules(search.question, seed, deadline):
            best = plan
    except KeyboardInterrupt:
        if best is None:
            raise
        context.interrupted = True
    if best is not None:
        search = search.offered(best, "list scheduling")
    _tell(search, context, "list scheduling")
    return search


def by_energy(search: Search, question: Question, context: RunContext) -> Search:
    """Bound the cost by the energy relaxation, in a tenth of the time."""
    if len(question) == 0:
        return search.bounded(0.0, "nothing to decide")
    began = time.monotonic()
    from optsched.solvers import highs

    model = relaxation(question, search.plan)
    built = time.monotonic()
    within = _part(context, 0.1)
    outcome = highs.solve(model, within, relaxed=True)
    context.interrupted = within.interrupted
    search = replace(search, build_s=search.build_s + built - began, solve_s=search.solve_s + time.monotonic() - built)
    if outcome.status == "optimal" and outcome.bound is not None:
        search = search.bounded(_lowered(-outcome.bound), "the energy relaxation")
    if outcome.status == "infeasible" and search.plan is None:
        why = "the jobs that have to run need more GPU time (or another resource) by their deadlines than there is"
        return replace(search, infeasible=why, stopped="infeasible")
    _tell(search, context, "energy")
    return search


def by_enumeration(search: Search, context: RunContext) -> Search:
    """Try all schedules where there are few."""
    if len(search.question) == 0 or not few(search.question):
        return search
    began = time.monotonic()
    try:
        best, every = enumerated(search.question, search.plan, context.stopping, context.limits.deadline)
    except KeyboardInterrupt:
        context.interrupted = True
        return search
    search = replace(search, solve_s=search.solve_s + time.monotonic() - began)
    if best is not None and best is not search.plan:
        search = search.offered(best, "enumeration")
    if not every:
        return search
    if best is None:
        return replace(search, infeasible=_pressed(search.question), stopped="infeasible", enumerated=True)
    search = search.bounded(search.question.cost(best), "enumeration")
    _tell(search, context, "enumeration")
    return replace(search, stopped="gap", enumerated=True).noting("every order of the jobs was tried")


def _lowered(bound: float) -> float:
    """Return a bound less the solver's tolerance."""
    return bound - 1e-9 * max(1.0, abs(bound))


def _part(context: RunContext, part: float, gap: float | None = None, scale: float = 1.0) -> RunContext:
    """Return a context over a part of the time left."""
    limits = context.limits
    deadline = None if limits.deadline is None else time.monotonic() + part * limits.left()
    limits = replace(limits, deadline=deadline, gap=limits.gap if gap is None else gap)
    return RunContext(limits, report=context.report, scale=scale, started=context.started, stop=threading.Event())


def on_grids(
    search: Search, question: Question, chosen: TimedFormulation, ticks: int | None, context: RunContext, gap: float
) -> Search:
    """Solve on the grid that is rounded down, and if rounding keeps the gap open, on the one rounded up, and finer."""
    exact = exact_tick(question, ticks or chosen.ticks)
    for finer in (1,) if exact is not None or ticks is not None else _FINER:
        tick = question.length / ((ticks or chosen.ticks) * finer) if exact is None else exact
        down = gridded(question, tick, up=False)
        if not (support := chosen.supports(down)).ok:
            if finer > 1:
                break
            raise InputError(f"another formulation than {chosen.name}: {support.reason}", path="formulation")
        search = replace(search, tick=tick)
        for grid in (down,) if down.exact else (down, gridded(question, tick, up=True)):
            if search.proven(gap) or search.infeasible or context.interrupted:
                return search
            if context.limits.left() <= 0:
                return replace(search, stopped="time_limit")
            search = _solved(search, chosen, grid, context, gap)
        if down.exact or search.stopped != "gap":
            break
    rounded = not down.exact and search.stopped == "gap" and not search.proven(gap)
    return replace(search, stopped="rounding") if rounded else search


def _solved(search: Search, chosen: TimedFormulation, grid: Grid, context: RunContext, gap: float) -> Search:
    """Solve on one grid; take up what the checker confirms, and the bound where the grid gives one."""
    began = time.monotonic()
    part = 1.0 if grid.exact or grid.up else _DOWN
    built = chosen.build(grid, search.plan, search.bound)
    build_s = time.monotonic() - began
    sign = -1.0 if search.question.goal.sense == "min" else 1.0
    within = _part(context, part, gap / 2, built.scale * sign)
    within.report = _true_parts(context.report, grid)
    outcome = _run(chosen.form, built.model, within, built.start)
    context.interrupted = within.interrupted
    search = replace(
        search,
        build_s=search.build_s + build_s + outcome.handover_s,
        solve_s=search.solve_s + outcome.solve_s,
        stopped=outcome.stopped,
    )
    if outcome.message:
        search = search.noting(f"{chosen.name}: {outcome.message}")
    if outcome.values is not None:
        rough = grid.plan(*built.read(outcome.values))
        search = search.offered(replaced(search.question, rough.row, rough.start), chosen.name)
    if grid.up and not grid.exact:  # where it is infeasible, only shorter ticks could hold a better schedule
        return replace(search, stopped="gap") if outcome.status == "infeasible" else search
    if outcome.status == "infeasible":
        if search.plan is None:
            why = f"{chosen.name} on {'CP-SAT' if chosen.form == 'cpsat' else 'HiGHS'} proved that there is none"
            return replace(search, infeasible=f"{why}: {_pressed(search.question)}", stopped="infeasible")
        search = replace(search, stopped="failed")
        return search.noting(f"{chosen.name} calls the problem infeasible, and a schedule is known: not believed")
    if outcome.bound is not None:
        search = search.bounded(_lowered(-outcome.bound * built.scale), chosen.name)
    return search


def _true_parts(report: Callable[[Progress], None] | None, grid: Grid) -> Callable[[Progress], None] | None:
    """Return what hears of a run as far as it is true: bounds of the grid rounded down, values of the other."""
    if report is None or grid.exact:
        return report
    unknown = {"bound": None} if grid.up else {"value": None}
    return lambda progress: report(replace(progress, **unknown))  # type: ignore[arg-type]


def _pressed(question: Question) -> str:
    """Name the jobs that have to run by a time."""
    names = [job.id for j, job in enumerate(question.instance.jobs) if question.must[j]]
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{listed} cannot all end by their hard deadlines, or within {question.length:g} s"


def _run(form: str, model: Any, context: RunContext, start: Any) -> Outcome:
    """Run a backend; it is imported no sooner than here."""
    if form == "linear":
        from optsched.solvers import highs

        return highs.solve(model, context, start=start)
    from optsched.solvers import cpsat

    return cpsat.solve(model, context)
