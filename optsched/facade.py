"""The facade: pose, find a first plan, formulate, solve, check, and say what was proven."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from optsched import __version__
from optsched.backends import BACKENDS, Limits, Outcome, Progress, Watch, form_of, worker
from optsched.checker import check
from optsched.curves import FloatArray, IntArray
from optsched.errors import InputError, SolverError, shown
from optsched.formulation import DEFAULT, Choices, Formulated, Formulation, formulation, formulations
from optsched.guard import watched
from optsched.heuristics.marginal import improve, marginal_gain
from optsched.infeasible import impossible, proven_infeasible, why_infeasible
from optsched.instance import Instance, ObjectiveSpec, fingerprint
from optsched.least import highest_level, lexicographic, reach, tightened
from optsched.objectives import objective as objective_of
from optsched.opening import Draft, nobody, pieces
from optsched.problem import Plan, Problem, allocate, pose, rows_of
from optsched.result import Result
from optsched.solution import Allocation, Waiting, allocations_hash

if TYPE_CHECKING:
    from optsched.placing import Worth

__all__ = ["HEURISTICS", "solve"]

HEURISTICS = {
    "marginal-gain": "GPUs step by step to the job that gains most by them (Optimus, EuroSys'18)",
    "one-by-one": "GPUs, then places on servers, then network rates: one decision after the other",
    "prices": "a plan from one price for each resource, for sums over up to a million jobs",
    "levels": "the highest level that all jobs reach, or all their levels in lexicographic order, by prices",
}
"""What can stand in place of a formulation: no model, but a proven bound beside the plan."""

_SMALL = 600
"""Rows below which a model of all places is solved as fast as neighbourhoods of a plan."""
_AROUND = 120.0
"""Most seconds for neighbourhoods of a plan."""
_LISTABLE = 200_000
"""Most configurations that are listed one by one where the formulation is left to us."""


@dataclass(frozen=True)
class _Search:
    """What a search has found so far, all of it checked.

    plan
        The best; None where there is none.
    value, bound
        Its objective on the true curves, and a proven bound on any plan's; to be maximized.
    partial
        Whether more is asked for than the bound says: levels beyond the least.
    name, backend
        What the result calls the last stage.
    allocations
        What the plan means.
    worth
        Of rows at the prices of racks and links, where places are decided and the objective is a sum.
    check_s
        The longest time that checking a plan took.
    """

    problem: Problem
    board: Board
    executor: Executor | None = None
    name: str = ""
    backend: str = ""
    allocations: tuple[Allocation, ...] = ()
    check_s: float = 0.0
    plan: Plan | None = None
    worth: Worth | None = None
    value: float = -np.inf
    bound: float | None = None
    stopped: str = "heuristic"
    infeasible: bool = False
    partial: bool = False
    build_s: float = 0.0
    solve_s: float = 0.0
    notes: tuple[str, ...] = ()

    def noting(self, note: str) -> _Search:
        return replace(self, notes=(*self.notes, note))

    def proven(self, gap: float) -> bool:
        """Tell whether the plan is within a relative gap of the bound."""
        if self.plan is None or self.bound is None:
            return False
        return self.bound - self.value <= gap * max(1e-12, abs(self.value))

    def tell(self, watch: Watch, stage: str) -> None:
        """Report how far the search has come."""
        watch.progress(stage, None if self.plan is None else self.value, self.bound)

    def offered(self, plan: Plan, source: str) -> _Search:
        """Return the search with a plan taken up, if the checker finds it feasible, and it is better."""
        began = time.monotonic()
        problem, sign = self.problem, self.problem.objective.sign
        allocations = allocate(problem, plan)
        report = check(problem.instance, allocations, _spec(problem), claimed=sign * problem.total(plan))
        search = replace(self, check_s=max(self.check_s, time.monotonic() - began))
        if not report.ok:
            return search.noting(f"the plan of {source} was dropped: {report.violations[0]}")
        return search.taken(plan, allocations, sign * report.value) if sign * report.value > self.value else search

    def taken(self, plan: Plan, allocations: tuple[Allocation, ...], value: float) -> _Search:
        """Return the search with a plan that the checker has confirmed."""
        search = replace(self, plan=plan, allocations=allocations, value=value)
        self.board.search = search
        return search


@dataclass
class Board:
    """The best of a search for whoever cannot wait for its end: plans that the checker confirmed, and the bound.

    opened
        Set once it is known whether nobody may run, and the stamp is there.
    stamp
        The instance's fingerprint, which takes its time where there are many jobs.
    """

    draft: Draft | None = None
    search: _Search | None = None
    stamp: str = ""
    opened: threading.Event = field(default_factory=threading.Event)

    def drafted(self, draft: Draft | None) -> None:
        """Take a first plan up, if it is better, or no worse and of more jobs."""
        mine = self.draft
        if draft is not None and (
            mine is None or (draft.value, len(draft.allocations)) > (mine.value, len(mine.allocations))
        ):
            self.draft = draft


def solve(
    instance: Instance,
    *,
    objective: str | ObjectiveSpec | None = None,
    formulation: str = "auto",
    backend: str = "auto",
    choices: Choices = DEFAULT,
    time_limit: float | None = None,
    gap: float = 1e-4,
    seed: int = 0,
    threads: int = 1,
    memory_gb: float | None = None,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Decide who gets what.

    Parameters
    ----------
    objective
        In place of the instance's own: a name, or a name with parameters.
    formulation
        Name of an installed formulation or of a heuristic. Where no backend is named, ``auto`` tries ``prices``
        where the objective is a sum, and ``levels`` where it is a least value of jobs; where they do not prove
        the gap, a formulation by size.
    backend
        ``highs``, ``cpsat``, ``pyomo`` or ``pyomo:SOLVER``; ``auto`` takes HiGHS.
    choices
        What the formulation's builder is told, for those who compare models.
    time_limit
        Seconds from the call; None: until the gap is proven. The best plan found by then is returned, a quarter of
        a second later at the most, whatever the solvers do.
    gap
        Relative gap that is good enough, >= 0; the linearization may use up half of it.
    seed, threads
        Equal input, seed and version give an equal answer on one thread, unless a time limit ends the search.
    memory_gb
        Most address space of a solver's process; None: no limit.
    executor
        Passes of the price engine run on it; None: in this process. See :mod:`optsched.executor`.
    progress
        Called with every :class:`~optsched.backends.Progress`, from another thread.

    Returns
    -------
    Result
        Checked. Infeasible is a result with a reason; so is an end without any plan.

    Raises
    ------
    InputError
        For an unknown name, or a limit that is no limit.
    SolverError
        For a backend that is not there, or that cannot take the formulation.
    """
    began = time.monotonic()
    if time_limit is not None and not time_limit > 0:
        raise InputError("a time limit > 0 s", path="time_limit", value=shown(time_limit))
    if not 0 <= gap < np.inf:
        raise InputError("a gap >= 0", path="gap", value=shown(gap))
    if memory_gb is not None and not memory_gb > 0:
        raise InputError("a memory limit > 0 GB", path="memory_gb", value=shown(memory_gb))
    deadline = None if time_limit is None else began + time_limit
    limits = Limits(deadline, gap / 2, seed, threads, memory_gb)
    spec = (ObjectiveSpec(name=objective) if isinstance(objective, str) else objective) or instance.objective
    watch, board = Watch(limits, report=progress, started=began), Board()
    run = partial(_searched, instance, spec, formulation, backend, choices, gap, executor, watch, board)
    reason = watched(run, watch, board.opened)
    stopped = "interrupted" if watch.interrupted else "time_limit"
    if reason is None:  # it goes on, and nobody waits for it
        search = board.search
        board = Board(board.draft, None if search is None else replace(search, stopped=stopped), board.stamp)
    return _result(instance, spec, board, stopped, gap, seed, began, reason or "")


def _searched(
    instance: Instance, spec: ObjectiveSpec, formulation: str, backend: str, choices: Choices, gap: float,
    executor: Executor | None, watch: Watch, board: Board,
) -> str:  # fmt: skip
    """Search; what is found is on the board at all times. Return why there is no plan, where that is proven."""
    watch.progress("listing configurations", None, None)
    objective_of(spec)  # what is no objective is refused before anything is done for it
    worker.warm("highs" if backend == "auto" or form_of(backend) is None else backend.partition(":")[0])
    board.drafted(nobody(instance, spec))
    board.stamp = fingerprint(instance)
    board.opened.set()
    pieces(instance, spec, watch, board.drafted)
    problem = pose(instance, spec, error=gap / 2)
    outer, watch = watch, replace(watch, scale=problem.objective.sign)
    stages = _stages(problem, formulation, backend, choices, gap, watch)
    search = _Search(problem, board, executor, stages[-1].name, stages[-1].backend)
    if reason := impossible(problem):
        board.search = replace(search, infeasible=True, stopped="infeasible")
        return reason
    for stage in stages if len(problem.configurations) else [_Stage("", "", _idle)]:
        search = replace(search, name=stage.name or search.name, backend=stage.backend)
        search.tell(watch, search.name)
        search = stage.run(search)
        if search.infeasible:
            search = _doubted(search, watch)
        search.tell(watch, search.name)
        board.search = search
        if search.infeasible or watch.stopping() or (search.proven(gap) and not search.partial):
            break
    if search.plan is not None and problem.objective.aggregate != "sum":
        search = _filled(search, watch.limits.deadline)
    board.search = replace(search, stopped="interrupted") if outer.interrupted else search
    return why_infeasible(problem, replace(watch.limits, gap=0.0)) if search.infeasible else ""


def _doubted(search: _Search, watch: Watch) -> _Search:
    """Return the search after a solver said that there is no plan, which is believed if something else says so, too.

    That is the proof by duals, or another solver; a known plan refutes it.
    """
    problem, word = search.problem, replace(search, infeasible=False, stopped="failed")
    draft = search.board.draft
    if search.plan is not None or draft is not None:
        return word.noting("a solver calls the instance infeasible, and a feasible plan is known: not believed")
    if proven_infeasible(problem, watch.limits):
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
    outcome = _run(form, other, built, replace(watch, scale=watch.scale * built.scale), None)
    if outcome.status == "infeasible":
        return search.noting(f"two solvers call the instance infeasible; the second is {other}")
    if outcome.values is not None:
        with contextlib.suppress(SolverError):
            word = word.offered(_read(built, outcome.values), f"{name} on {other}")
        if word.plan is not None:
            note = f"a solver calls the instance infeasible, and {other} found a feasible plan: not believed"
            return _bounded(word.noting(note), outcome.bound, built.scale, other)
    return word.noting("a solver calls the instance infeasible, and nothing else says so: not believed")


@dataclass(frozen=True)
class _Stage:
    """One step of a search: it may better the plan, the bound, or both. ``name``: what the result calls it."""

    name: str
    backend: str
    run: Callable[[_Search], _Search]


def _stages(problem: Problem, wanted: str, backend: str, choices: Choices, gap: float, watch: Watch) -> list[_Stage]:
    """Return what is tried in turn until the gap is proven; raise InputError for what does not exist."""
    solver = "highs" if backend == "auto" else backend
    form = form_of(solver)
    if form is None:
        raise InputError(f"one of {', '.join(BACKENDS)} or pyomo:SOLVER", path="backend", value=shown(backend))
    summed = problem.objective.aggregate == "sum"
    priced = _Stage("prices", "", partial(_priced, watch=watch, gap=gap, share=0.5 if wanted == "auto" else 1.0))
    first = _Stage("marginal-gain", "", partial(_first, watch=watch))
    if wanted == "marginal-gain":
        return [first, _Stage("marginal-gain", "highs", partial(_relaxed, watch=watch))]
    if wanted == "prices":
        if not summed:
            expected = f"another formulation than prices, which serve sums over jobs: {problem.objective.name} is none"
            raise InputError(expected, path="formulation", value=shown(wanted))
        return [priced]
    ordered, counts = problem.objective.aggregate == "lexmin", problem.instance.decides == "counts"
    if not counts and wanted != "levels":
        return _placed_stages(problem, wanted, solver, form, choices, priced, watch)
    levelled = _Stage("levels", "", partial(_levelled, watch=watch, gap=gap, share=0.5 if wanted == "auto" else 1.0))
    if wanted == "levels" or (ordered and wanted == "auto"):
        if summed or problem.objective.party != "jobs" or not counts:
            expected = "another formulation than levels, which serve least values of jobs, where counts are decided"
            raise InputError(expected, path="formulation", value=shown(wanted))
        rest = [_Stage("levels", "", partial(_ordered, watch=watch))] if ordered else []
        return [levelled, first, *rest]
    chosen, note = _chosen(problem, wanted, form, solver)
    run = partial(_exact, chosen=chosen, choices=choices, form=form, backend=solver, watch=watch, note=note)
    if backend == "auto" and "cpsat" in chosen.forms:
        run = partial(_in_turn, first=run, then=partial(run, form="cpsat", backend="cpsat", note=""), watch=watch)
    exact = _Stage(chosen.name, solver, run)
    if (wanted, backend) != ("auto", "auto"):
        return [first, exact]
    if problem.objective.party == "jobs" and counts and not summed:
        return [levelled, first, exact]
    return [priced, first, exact] if summed else [first, exact]


def _placed_stages(
    problem: Problem, wanted: str, solver: str, form: str, choices: Choices, priced: _Stage, watch: Watch
) -> list[_Stage]:
    """Return the stages for plans with places: bounds, a first plan, equal servers merged, and each for itself."""
    first = _Stage("one-by-one", "", partial(_one_by_one, watch=watch))
    if wanted == "one-by-one":
        return [first, _Stage("one-by-one", "highs", partial(_relaxed, watch=watch))]
    if choices == DEFAULT:
        return _joint_stages(problem, wanted, solver, form, first, watch)
    chosen, note = _chosen(problem, problem.instance.decides if wanted == "auto" else wanted, form, solver)
    run = partial(_exact, chosen=chosen, form=form, backend=solver, watch=watch, note=note)
    apart = replace(choices, without=choices.without | {"merge"})
    stages = [priced] if problem.objective.aggregate == "sum" and wanted == "auto" else []
    stages.append(first)
    if "merge" not in choices.without:
        stages.append(_Stage(chosen.name, solver, partial(run, choices=choices, share=0.6)))
    return [*stages, _Stage(chosen.name, solver, partial(run, choices=apart))]


def _joint_stages(problem: Problem, wanted: str, solver: str, form: str, first: _Stage, watch: Watch) -> list[_Stage]:
    """Return the stages where no choices are made: rows without need or hope are left out before models are built."""
    chosen, note = _chosen(problem, problem.instance.decides if wanted == "auto" else wanted, form, solver)
    run = partial(_exact, chosen=chosen, form=form, backend=solver, watch=watch)
    apart = replace(DEFAULT, without=frozenset({"merge"}))
    bounds = partial(_placed_prices, watch=watch)
    around = [_Stage("neighbourhoods", "", partial(_neighbourhoods, watch=watch, share=share)) for share in (0.35, 0.3)]
    merged = _Stage(chosen.name, solver, partial(run, choices=DEFAULT, note=note, share=0.5))
    exact = _Stage(chosen.name, solver, partial(run, choices=apart, note=""))
    return [_Stage("prices", "", bounds), first, around[0], merged, around[1], exact]


def _placed_prices(search: _Search, watch: Watch) -> _Search:
    """Leave out what other rows make needless, and bound what is left by prices, where the objective is a sum."""
    from optsched.placing import needed, part_of, worth_of

    keep = needed(search.problem)
    problem, _ = part_of(search.problem, keep)
    search = replace(search, problem=problem).noting(f"{len(keep) - keep.sum()} of {len(keep)} rows are needless")
    if problem.objective.aggregate != "sum" or problem.instance.max_moves is not None:
        return search
    began = time.monotonic()
    worth = worth_of(problem, None if watch.limits.deadline is None else began + watch.limits.left() / 4)
    return _bounded(replace(search, worth=worth), worth.bound, 1.0, "prices of racks and links")


def _neighbourhoods(search: _Search, watch: Watch, share: float) -> _Search:
    """Better the plan around itself, where a model of everything would be large."""
    from optsched.placing import improved

    problem = search.problem
    if search.plan is None or search.worth is None or len(problem.configurations) < _SMALL:
        return search
    deadline = time.monotonic() + min(share * watch.limits.left(), _AROUND)
    limited = replace(watch, limits=replace(watch.limits, deadline=deadline))
    plan = improved(problem, search.plan, search.worth.net, limited)
    return search.offered(plan, "neighbourhoods")


def _hopeful(search: _Search) -> tuple[Problem, IntArray | None]:
    """Return the problem without the rows that no better plan can use, and the numbers of those that stay."""
    from optsched.placing import part_of

    problem, plan = search.problem, search.plan
    if plan is None or search.worth is None:
        return problem, None
    return part_of(problem, search.worth.promising(problem, search.value, plan.rows))


def _one_by_one(search: _Search, watch: Watch) -> _Search:
    """Find a plan with places and rates, one decision after the other."""
    from optsched.placing import first_plan

    for worth in (None,) if search.worth is None else (None, search.worth):
        plan = first_plan(search.problem, watch, worth)
        if plan is not None:
            search = search.offered(plan, "one decision after the other")
    return search


def _idle(search: _Search) -> _Search:
    """Decide nothing, where no job can run."""
    rows = rows_of(search.problem, np.empty(0, dtype=np.int64))
    return replace(search, plan=Plan(rows), value=0.0, bound=0.0, stopped="gap").noting(
        "no job can run: nothing to decide"
    )


def _read(built: Formulated, values: FloatArray) -> Plan:
    """Return the plan that a point of the model means; raise SolverError where it means none."""
    try:
        return built.read(values)
    except Exception as error:  # whatever it stumbles over: a solver's point may be anything
        raise SolverError(f"a point that means no plan ({type(error).__name__}: {error})") from error


def _first(search: _Search, watch: Watch) -> _Search:
    """Find a plan in little time, if none is known."""
    if search.plan is not None:
        return search
    return search.offered(Plan(marginal_gain(search.problem, watch.limits.deadline)), "marginal gain")


def _spec(problem: Problem) -> ObjectiveSpec:
    return ObjectiveSpec(name=problem.objective.name, parameters=problem.objective.parameters)


def _chosen(problem: Problem, wanted: str, form: str, backend: str) -> tuple[Formulation, str]:
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
    support = chosen.supports(problem)
    if not support.ok:
        raise InputError(f"another formulation than {name}: {support.reason}", path="formulation", value=shown(name))
    if form not in chosen.forms:
        raise SolverError(f"formulation {name} has no form for {backend}; it has {', '.join(chosen.forms)}")
    return chosen, note


def _run(form: str, backend: str, built: Formulated, watch: Watch, start: Plan | None) -> Outcome:
    """Run a backend; it is imported no sooner than here."""
    if form == "linear":
        from optsched.backends import highs

        point = None if start is None or built.start is None else built.start(start)
        return highs.solve(built.model, watch, start=point)
    if form == "cpsat":
        from optsched.backends import cpsat

        return cpsat.solve(built.model, watch)
    from optsched.backends import pyomo

    return pyomo.solve(built.model, watch, backend.partition(":")[2])


def _exact(
    search: _Search, chosen: Formulation, choices: Choices, form: str, backend: str, watch: Watch, note: str,
    share: float = 1.0,
) -> _Search:  # fmt: skip
    """Formulate, solve and take up what the checker confirms, in a share of the time left."""
    began = time.monotonic()
    if watch.limits.deadline is not None:
        # what it finds must be read and checked, too
        left = max(0.0, share * watch.limits.left() - 2 * search.check_s)
        watch = replace(watch, limits=replace(watch.limits, deadline=began + left))
    search = search.noting(note) if note else search
    problem = search.problem
    if problem.objective.aggregate == "min":
        problem, level = tightened(problem, watch)
        search = _bounded(search, level, 1.0, "the LP relaxation")
    number = None
    if problem.instance.decides != "counts" and problem is search.problem:
        problem, number = _hopeful(search)
    start = search.plan
    if number is not None and start is not None:
        start = replace(start, rows=np.where(start.rows >= 0, np.searchsorted(number, start.rows), -1))
    built = chosen.forms[form](problem, choices)
    build_s = time.monotonic() - began
    if watch.limits.left() <= 0:
        return replace(search, stopped="time_limit", build_s=build_s)
    # only the solver speaks in the model's units
    outcome = _run(form, backend, built, replace(watch, scale=watch.scale * built.scale), start)
    build_s += outcome.handover_s
    search = replace(search, stopped=outcome.stopped, build_s=build_s, solve_s=outcome.solve_s)
    if outcome.message:
        search = search.noting(f"{backend}: {outcome.message}")
    for said in built.notes:
        search = search.noting(said)
    if outcome.values is not None:
        before = search.notes
        try:
            plan = _read(built, outcome.values)
            if number is not None:
                plan = replace(plan, rows=np.where(plan.rows >= 0, number[plan.rows], -1))
            search = search.offered(plan, f"{chosen.name} on {backend}")
        except SolverError as error:
            search = search.noting(f"{backend} answers with {error}")
        if search.notes != before:
            return replace(search, stopped="failed").noting(f"nothing else that {backend} says is believed")
    if outcome.status == "infeasible":
        return replace(search, infeasible=True)
    return _bounded(search, outcome.bound, built.scale, backend)


def _in_turn(
    search: _Search, first: Callable[[_Search], _Search], then: Callable[[_Search], _Search], watch: Watch
) -> _Search:
    """Ask a second solver where the first one failed."""
    search = first(search)
    if search.stopped != "failed" or watch.limits.left() <= 0 or watch.stopping():
        return search
    return then(replace(search, backend="cpsat").noting("another solver is asked: CP-SAT"))


def _bounded(search: _Search, bound: float | None, scale: float, source: str) -> _Search:
    """Return the search with a bound, unless a known plan refutes it."""
    if bound is None or not np.isfinite(bound):
        return search
    true = bound * scale
    if true < search.value - 1e-6 * max(1e-9, abs(search.value)):
        return replace(search, stopped="failed").noting(
            f"{source} claims the bound {true:.9g}, and a plan of {search.value:.9g} is known: not believed"
        )
    known = true if search.bound is None else min(true, search.bound)
    return replace(search, bound=max(known, search.value))


def _priced(search: _Search, watch: Watch, gap: float, share: float) -> _Search:
    """Find a plan and a bound by prices, in a share of the time left."""
    from optsched.prices import price

    began = time.monotonic()
    deadline = None if watch.limits.deadline is None else began + share * watch.limits.left()
    found = price(search.problem, deadline=deadline, gap=gap, executor=search.executor)
    stopped = "time_limit" if watch.limits.left() <= 0 else "gap" if found.gap <= gap else "heuristic"
    search = replace(search, solve_s=time.monotonic() - began, stopped=stopped)
    for note in found.notes:
        search = search.noting(f"prices: {note}")
    if found.rows is not None and search.problem.instance.decides == "counts":
        search = search.offered(Plan(found.rows), "prices")
    elif found.rows is None and found.bound == -np.inf:
        return replace(search, infeasible=True, stopped="infeasible")
    return _bounded(search, found.bound, 1.0, "prices")


def _levelled(search: _Search, watch: Watch, gap: float, share: float) -> _Search:
    """Find the highest level that all jobs reach, in a share of the time left."""
    began = time.monotonic()
    deadline = None if watch.limits.deadline is None else began + share * watch.limits.left()
    found = highest_level(
        search.problem, deadline=deadline, gap=gap, tell=lambda value, bound: watch.progress("levels", value, bound)
    )
    search = replace(search, solve_s=time.monotonic() - began, stopped=_stopped(watch))
    search = search.noting(f"levels: asked {found.questions} times whether all jobs can reach a level")
    if found.rows is not None:
        search = search.offered(Plan(found.rows), "levels")
    search = _bounded(search, found.bound, 1.0, "levels")
    return replace(search, partial=search.problem.objective.aggregate == "lexmin")


def _stopped(watch: Watch) -> str:
    return "time_limit" if watch.limits.left() <= 0 else "gap"


def _ordered(search: _Search, watch: Watch) -> _Search:
    """Go on from the least value to the next, in lexicographic order."""
    problem, began, deadline = search.problem, time.monotonic(), watch.limits.deadline
    if search.plan is None:  # any plan is a start
        start = reach(problem, problem.party >= 0, 0.0, problem.configurations.jobs, deadline=deadline)
        if start.rows is None:
            gone = start.most < 0
            return replace(search, infeasible=gone, stopped="infeasible" if gone else _stopped(watch))
        search = search.offered(Plan(start.rows), "levels")
        if search.plan is None:
            return search
    found = lexicographic(problem, search.plan.rows, deadline=deadline)
    search = replace(search, solve_s=search.solve_s + time.monotonic() - began, stopped=_stopped(watch))
    plan, sign = Plan(found.rows), problem.objective.sign
    allocations = allocate(problem, plan)
    report = check(problem.instance, allocations, _spec(problem), claimed=sign * problem.total(plan))
    if not report.ok:
        return search.noting(f"the plan of levels was dropped: {report.violations[0]}")
    proven = f"{len(found.levels)} of {int((problem.party >= 0).sum())} levels are proven"
    if found.levels:
        search = _bounded(search, found.levels[0], 1.0, "levels")
    search = replace(search, partial=not found.whole).noting(f"levels: {proven}")
    return search.taken(plan, allocations, sign * report.value)


def _relaxed(search: _Search, watch: Watch) -> _Search:
    """Bound a heuristic's plan by the LP relaxation of the configuration formulation."""
    from optsched.backends import highs

    began = time.monotonic()
    built = formulation("configuration").forms["linear"](search.problem, DEFAULT)
    build_s = time.monotonic() - began
    outcome = highs.solve(built.model, watch, relaxed=True)
    search = replace(search, build_s=build_s, solve_s=outcome.solve_s)
    if outcome.status == "infeasible" and search.plan is None:
        return replace(search, infeasible=True, stopped="infeasible")
    return _bounded(search, outcome.bound if outcome.status == "optimal" else None, 1.0, "the LP relaxation")


def _filled(search: _Search, deadline: float | None) -> _Search:
    """Hand out what a plan left over, where nobody loses by it.

    A minimum says nothing of the jobs above it, so its optima may leave GPUs idle: every job steps
    up by the gain in its own value.
    """
    problem = search.problem
    assert search.plan is not None
    if problem.instance.max_moves is not None:
        return search  # a step may be a move
    summed = replace(problem, objective=replace(problem.objective, aggregate="sum"))
    rows = improve(summed, search.plan.rows, deadline)
    if np.array_equal(rows, search.plan.rows):
        return search
    plan = Plan(rows)
    allocations = allocate(problem, plan)
    report = check(problem.instance, allocations, _spec(problem))
    value = problem.objective.sign * report.value
    return search.taken(plan, allocations, value) if report.ok and value >= search.value else search


def _result(
    instance: Instance,
    spec: ObjectiveSpec,
    board: Board,
    stopped: str,
    gap: float,
    seed: int,
    began: float,
    reason: str,
) -> Result:
    """Say what was found and no more than was proven."""
    search, draft = board.search, board.draft
    value, bound, allocations, notes = -np.inf, None, (), ()  # type: tuple[Any, Any, Any, Any]
    reasons: dict[int, str] = {}
    nothing = 0.0  # differences that are far below what any job is worth
    if search is not None:
        bound, notes, stopped = search.bound, search.notes, search.stopped
        reasons = search.problem.configurations.reasons
        nothing = 1e-6 * float(search.problem.value.max(initial=0.0)) + 1e-11
        if search.plan is not None:
            value, allocations = search.value, search.allocations
    if draft is not None and draft.value > value:
        value, allocations, notes = draft.value, draft.allocations, (*notes, draft.source)
        bound = None if bound is None else max(bound, value)
    found: dict[str, Any] = {}
    status = "infeasible" if search is not None and search.infeasible else "unknown"
    if value > -np.inf:
        proven = None if bound is None else max(0.0, bound - value)
        # the solver's own tolerance, and none of the plan's
        small = proven is not None and abs(value) <= nothing and proven <= nothing
        relative = 0.0 if small else None if proven is None else proven / max(1e-12, abs(value))
        close = relative is not None and relative <= gap + 1e-9 and not (search is not None and search.partial)
        status = "optimal" if close else "feasible"
        sign = objective_of(spec).sign  # and no -0.0
        found = {
            "value": sign * value + 0.0, "bound": None if bound is None else sign * bound + 0.0, "gap": relative,
            "allocations": allocations, "hash": allocations_hash(allocations),
            "waiting": _waiting(instance, allocations, reasons),
        }  # fmt: skip
    elif status == "unknown":
        reason = "no plan was found in the time given"
    return Result(
        format="optsched-result/1", instance=board.stamp or fingerprint(instance), version=__version__, objective=spec,
        status=status, stopped=stopped, reason=reason, seed=seed,  # type: ignore[arg-type]
        formulation="" if search is None else search.name, backend="" if search is None else search.backend,
        build_s=0.0 if search is None else search.build_s, solve_s=0.0 if search is None else search.solve_s,
        total_s=time.monotonic() - began, notes=notes, **found,
    )  # fmt: skip


def _waiting(instance: Instance, allocations: tuple[Allocation, ...], reasons: dict[int, str]) -> tuple[Waiting, ...]:
    """Return the jobs that get nothing, with the reason where it is the job's own."""
    runs = {a.job for a in allocations}
    return tuple(
        Waiting(job=job.id, reason=reasons.get(j, "")) for j, job in enumerate(instance.jobs) if job.id not in runs
    )
