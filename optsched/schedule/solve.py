"""``optsched.schedule.plan``: pose, list, bound, solve on grids of time, check, and say what was proven."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from optsched import __version__
from optsched._util.numeric import relative
from optsched.errors import InputError, shown
from optsched.instance import Instance, admit, fingerprint
from optsched.instance.solution import Waiting
from optsched.instance.unsupported import refuse_rules
from optsched.schedule.checker import check
from optsched.schedule.energy import relaxation
from optsched.schedule.enumeration import enumerated, few
from optsched.schedule.formulation import TimedFormulation, timed_formulation
from optsched.schedule.grid import Grid, exact_tick, gridded
from optsched.schedule.horizon import Horizon, hard
from optsched.schedule.list_scheduling import list_schedules
from optsched.schedule.problem import Plan, Question, build_problem, cheapest, runs, tightened
from optsched.schedule.records import Schedule, runs_hash
from optsched.schedule.sgs import replaced
from optsched.solvers import Limits, Outcome, Progress, RunContext

__all__ = ["plan"]

_DOWN = 0.7
"""Part of the time left for the grid that is rounded down, where the other may be needed, too."""
_ON_SERVERS = (
    "a job keeps its servers from start to end; which ones is decided by a heuristic, and the bound is that of counts"
)
_FINER = (1, 8, 64, 512)
"""Where rounding keeps a gap open, ticks become shorter by these factors."""


@dataclass(frozen=True)
class _Search:
    """What a search has found so far, all of it checked; costs are minimized.

    bound
        Proven least cost of any schedule.
    enumerated
        Whether every schedule was tried.
    """

    question: Question
    plan: Plan | None = None
    cost: float = math.inf
    bound: float | None = None
    stopped: str = "heuristic"
    infeasible: str = ""
    tick: float = 0.0
    enumerated: bool = False
    build_s: float = 0.0
    solve_s: float = 0.0
    notes: tuple[str, ...] = ()

    def noting(self, note: str) -> _Search:
        return replace(self, notes=(*self.notes, note))

    def gap(self) -> float | None:
        """Return the relative gap, 0 for a difference within the solvers' tolerance; None where a side is missing."""
        if self.plan is None or self.bound is None:
            return None
        open_ = self.cost - self.bound
        worth = float(np.sum(np.abs(self.question.weight)))
        return 0.0 if open_ <= 1e-9 * (1 + abs(self.cost) + worth) else relative(open_, self.cost)

    def proven(self, gap: float) -> bool:
        found = self.gap()
        return found is not None and found <= gap + 1e-9

    def offered(self, plan: Plan, source: str) -> _Search:
        """Return the search with a plan taken up, if it is better and the checker finds nothing wrong."""
        question = self.question
        cost = question.cost(plan)
        if not cost < self.cost:
            return self
        report = check(question.instance, question.horizon, runs(question, plan), question.goal.value(cost))
        if not report.ok:
            return self.noting(f"the schedule of {source} was dropped: {report.violations[0]}")
        return replace(self, plan=plan, cost=cost)

    def bounded(self, bound: float, source: str) -> _Search:
        """Return the search with a lower bound of the cost, unless a known schedule refutes it."""
        if not math.isfinite(bound):
            return self
        if (step := self.question.goal.step(self.question.weight)) is not None:
            bound = step * math.ceil(bound / step - 1e-6)
        if bound > self.cost + 1e-6 * max(1e-9, abs(self.cost)):
            value = self.question.goal.value
            return self.noting(
                f"{source} claims the bound {value(bound):.9g}, and a schedule of {value(self.cost):.9g} is known: "
                "not believed"
            )
        known = bound if self.bound is None else max(bound, self.bound)
        return replace(self, bound=min(known, self.cost))


def plan(
    instance: Instance | Path | str,
    horizon: Horizon | None = None,
    *,
    objective: str | None = None,
    formulation: str = "auto",
    ticks: int | None = None,
    time_limit: float | None = None,
    gap: float = 1e-4,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[Progress], None] | None = None,
) -> Schedule:
    """Decide which job runs when, in which configuration.

    Parameters
    ----------
    horizon
        How far to look, reservations and further resources; None: the default of :class:`Horizon`.
    objective
        Instead of the horizon's own: a key of :data:`~optsched.schedule.objectives.GOALS`.
    formulation
        ``intervals`` (CP-SAT), ``time-indexed`` (HiGHS), any other that is installed, or ``lists`` for list
        scheduling with the energy bound alone; ``auto`` takes ``intervals``.
    ticks
        Into how many the horizon is cut at most; None: as the formulation likes, and where all times are multiples of
        one tick, that one.
    time_limit
        Seconds from the call; None: until the gap is proven. The first list schedule is always finished.
    gap
        Relative gap that is good enough, >= 0.
    seed, threads
        Equal input, seed and version give an equal answer on one thread, unless a time limit ends the search.
    progress
        Called with every :class:`~optsched.solvers.Progress`; values and bounds are the objective's.

    Returns
    -------
    Schedule
        Checked. Infeasible is a result with a reason; so is an end without any schedule.

    Raises
    ------
    InputError
        For a horizon that does not fit the instance, an unknown name, or a limit that is none.
    """
    began = time.monotonic()
    instance = admit(instance)
    refuse_rules(instance, "a schedule")
    limits = Limits.asked(began, time_limit, gap, seed, threads)
    if ticks is not None and ticks < 1:
        raise InputError("at least 1 tick", path="ticks", value=shown(ticks))
    wanted = horizon or Horizon()
    if objective is not None:
        wanted = msgspec.structs.replace(wanted, objective=objective)
    chosen = (
        None if formulation == "lists" else timed_formulation("intervals" if formulation == "auto" else formulation)
    )
    context = RunContext(limits, report=progress, started=began)
    question = build_problem(instance, wanted)
    search = _impossible(_Search(question, bound=cheapest(question)))
    if not search.infeasible:
        search = _listed(search, context, seed)
        narrow = tightened(question, search.cost)
        if not context.interrupted:
            search = _by_energy(search, narrow, context)
        if formulation == "auto" and ticks is None and not (context.interrupted or search.proven(gap)):
            search = _enumerated(search, context)
        if chosen is not None and not context.interrupted and not search.enumerated:
            search = _on_grids(search, narrow, chosen, ticks, context, gap)
    if question.servers is not None:
        search = search.noting(_ON_SERVERS)
    if search.proven(gap):
        search = replace(search, stopped="gap")
    elif question.servers is not None and search.stopped == "gap":
        search = replace(search, stopped="placement")
    elif context.interrupted:
        search = replace(search, stopped="interrupted")
    name, backend = "lists", ""
    if search.enumerated:
        name = "enumeration"
    elif chosen is not None:
        name, backend = chosen.name, {"cpsat": "cpsat", "linear": "highs"}[chosen.form]
    return _result(search, name, backend, gap, seed, began)


def _impossible(search: _Search) -> _Search:
    """Say so where a job that has to run cannot."""
    question = search.question
    names = [job.id for job in question.instance.jobs]
    cannot = [f"{names[j]}: {why}" for j, why in sorted(question.reasons.items()) if question.must[j]]
    return replace(search, infeasible="; ".join(cannot[:5]), stopped="infeasible") if cannot else search


def _tell(search: _Search, context: RunContext, stage: str) -> None:
    value = search.question.goal.value
    found = None if search.plan is None else value(search.cost)
    replace(context, scale=1.0).progress(stage, found, None if search.bound is None else value(search.bound))


def _listed(search: _Search, context: RunContext, seed: int) -> _Search:
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


def _by_energy(search: _Search, question: Question, context: RunContext) -> _Search:
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


def _enumerated(search: _Search, context: RunContext) -> _Search:
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


def _on_grids(
    search: _Search, question: Question, chosen: TimedFormulation, ticks: int | None, context: RunContext, gap: float
) -> _Search:
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


def _solved(search: _Search, chosen: TimedFormulation, grid: Grid, context: RunContext, gap: float) -> _Search:
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


def _result(search: _Search, name: str, backend: str, gap: float, seed: int, began: float) -> Schedule:
    """Say what was found and no more than was proven."""
    question = search.question
    value = question.goal.value
    found: dict[str, Any] = {}
    status, reason = ("infeasible", search.infeasible) if search.infeasible else ("unknown", "")
    if search.plan is not None:
        made = runs(question, search.plan)
        closed = search.gap() == 0
        found = {
            "value": value(search.cost),
            "bound": value(search.cost) if closed else None if search.bound is None else value(search.bound),
            "gap": search.gap(),
            "runs": made,
            "hash": runs_hash(made),
            "rejected": _rejected(question, search.plan),
        }
        status = "optimal" if search.proven(gap) else "feasible"
    elif not search.infeasible:
        reason = _reason(question)
    return Schedule(
        format="optsched-schedule/1",
        instance=fingerprint(question.instance),
        version=__version__,
        horizon=question.horizon,
        status=status,  # type: ignore[arg-type]
        stopped=search.stopped,
        reason=reason,
        formulation=name,
        backend=backend,
        tick_s=search.tick,
        seed=seed,
        build_s=search.build_s,
        solve_s=search.solve_s,
        total_s=time.monotonic() - began,
        notes=search.notes,
        **found,
    )


def _reason(question: Question) -> str:
    """Say that no schedule was found, and of which limits."""
    due = any(hard(job, question.goal.rejects) for job in question.instance.jobs)
    return f"no schedule{' that keeps all hard deadlines' if due else ''} was found in the time given"


def _rejected(question: Question, chosen: Plan) -> tuple[Waiting, ...]:
    """Return the jobs that do not run, with the reason where it is their own."""
    jobs = question.instance.jobs
    return tuple(
        Waiting(job=jobs[j].id, reason=question.reasons.get(j, "")) for j in np.flatnonzero(chosen.row < 0).tolist()
    )
