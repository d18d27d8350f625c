"""The facade: pose, find a first plan, formulate, solve, check, and say what was proven."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optsched import __version__
from optsched.backends import BACKENDS, Limits, Outcome, Progress, Watch, form_of
from optsched.checker import check
from optsched.curves import IntArray
from optsched.errors import InputError, SolverError, shown
from optsched.formulation import Formulated, Formulation, formulation, formulations
from optsched.heuristics.marginal import improve, marginal_gain
from optsched.infeasible import impossible, why_infeasible
from optsched.instance import Instance, ObjectiveSpec, fingerprint
from optsched.levels import tightened
from optsched.problem import Problem, allocate, pose
from optsched.result import Result
from optsched.solution import Waiting, allocations_hash

__all__ = ["HEURISTICS", "solve"]

HEURISTICS = {"marginal-gain": "GPUs step by step to the job that gains most by them (Optimus, EuroSys'18)"}
"""What can stand in place of a formulation: no model, but the bound of the LP relaxation beside it."""


@dataclass(frozen=True)
class _Search:
    """What a search has found so far, all of it checked.

    rows
        Best plan, shape ``(jobs,)``; None where there is none.
    value, bound
        Its objective on the true curves, and a proven bound on any plan's.
    """

    problem: Problem
    rows: IntArray | None = None
    value: float = -np.inf
    bound: float | None = None
    stopped: str = "heuristic"
    infeasible: bool = False
    build_s: float = 0.0
    solve_s: float = 0.0
    notes: tuple[str, ...] = ()

    def noting(self, note: str) -> _Search:
        return replace(self, notes=(*self.notes, note))

    def offered(self, rows: IntArray, source: str) -> _Search:
        """Return the search with a plan taken up, if the checker finds it feasible, and it is better."""
        problem = self.problem
        report = check(problem.instance, allocate(problem, rows), _spec(problem), claimed=problem.total(rows))
        if not report.ok:
            return self.noting(f"the plan of {source} was dropped: {report.violations[0]}")
        return replace(self, rows=rows, value=report.value) if report.value > self.value else self


def solve(
    instance: Instance,
    *,
    objective: str | ObjectiveSpec | None = None,
    formulation: str = "auto",
    backend: str = "auto",
    time_limit: float | None = None,
    gap: float = 1e-4,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Decide who gets what.

    Parameters
    ----------
    objective
        In place of the instance's own: a name, or a name with parameters.
    formulation
        Name of an installed formulation or of a heuristic; ``auto`` chooses by size, and says so.
    backend
        ``highs``, ``cpsat``, ``pyomo`` or ``pyomo:SOLVER``; ``auto`` takes HiGHS.
    time_limit
        Seconds from the call; None: until the gap is proven.
    gap
        Relative gap that is good enough, >= 0; the linearization may use up half of it.
    seed, threads
        Equal input, seed and version give an equal answer on one thread, unless a time limit ends the search.
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
    deadline = None if time_limit is None else began + time_limit
    limits = Limits(deadline, gap / 2, seed, threads)
    spec = ObjectiveSpec(name=objective) if isinstance(objective, str) else objective
    problem = pose(instance, spec, error=gap / 2)
    watch = Watch(limits, report=progress, started=began)
    search = _Search(problem)
    form, backend = _form(backend)
    chosen, note = _chosen(problem, formulation, form, backend)
    search = search.noting(note) if note else search
    name = formulation if chosen is None else chosen.name
    if reason := impossible(problem):
        search = replace(search, infeasible=True, stopped="infeasible")
        return _result(search, name, backend, gap, seed, began, reason)
    search = search.offered(marginal_gain(problem, deadline), "marginal gain")
    if search.rows is not None:
        watch.progress("marginal gain", search.value, None)
    if len(problem.configurations) == 0:
        nothing = replace(search, bound=search.value, stopped="gap").noting("no job can run: nothing to decide")
        return _result(nothing, name, backend, gap, seed, began)
    if chosen is None:
        return _result(_relaxed(search, watch), name, "highs", gap, seed, began)
    try:
        search = _exact(search, chosen, form, backend, watch)
    except KeyboardInterrupt:  # while the model was built: the first plan is the best so far
        search = replace(search, stopped="interrupted")
    if search.rows is not None:
        search = _filled(search, deadline)
    reason = why_infeasible(problem, replace(limits, gap=0.0)) if search.infeasible else ""
    return _result(search, name, backend, gap, seed, began, reason)


def _spec(problem: Problem) -> ObjectiveSpec:
    return ObjectiveSpec(name=problem.objective.name, parameters=problem.objective.parameters)


def _form(backend: str) -> tuple[str, str]:
    """Return the form of model that a backend takes, and the backend."""
    backend = "highs" if backend == "auto" else backend
    form = form_of(backend)
    if form is None:
        raise InputError(f"one of {', '.join(BACKENDS)} or pyomo:SOLVER", path="backend", value=shown(backend))
    return form, backend


def _chosen(problem: Problem, wanted: str, form: str, backend: str) -> tuple[Formulation | None, str]:
    """Return the formulation, None for a heuristic, and why, if that was left to us."""
    if wanted in HEURISTICS:
        return None, ""
    if wanted == "auto":
        rows = len(problem.configurations)
        name = (
            "configuration" if rows <= 200_000 or not formulation("allocation").supports(problem).ok else "allocation"
        )
        note = f"formulation {name}: {rows} configurations, of which 200000 are few enough to be listed"
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


def _run(form: str, backend: str, built: Formulated, watch: Watch, start: IntArray | None) -> Outcome:
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


def _exact(search: _Search, chosen: Formulation, form: str, backend: str, watch: Watch) -> _Search:
    """Formulate, solve and take up what the checker confirms."""
    began = time.monotonic()
    problem = search.problem
    if problem.objective.aggregate == "min":
        problem, level = tightened(problem, watch)
        search = _bounded(search, level, 1.0, "the LP relaxation")
    built = chosen.forms[form](problem)
    build_s = time.monotonic() - began
    if watch.limits.left() <= 0:
        return replace(search, stopped="time_limit", build_s=build_s)
    watch.scale = built.scale
    outcome = _run(form, backend, built, watch, search.rows)
    search = replace(search, stopped=outcome.stopped, build_s=build_s, solve_s=outcome.solve_s)
    if outcome.message:
        search = search.noting(f"{backend}: {outcome.message}")
    if outcome.values is not None:
        search = search.offered(built.read(outcome.values), f"{chosen.name} on {backend}")
    if outcome.status == "infeasible":
        if search.rows is None:
            return replace(search, infeasible=True)
        return search.noting(f"{backend} calls the instance infeasible, and a feasible plan is known: not believed")
    return _bounded(search, outcome.bound, built.scale, backend)


def _bounded(search: _Search, bound: float | None, scale: float, source: str) -> _Search:
    """Return the search with a bound, unless a known plan refutes it."""
    if bound is None or not np.isfinite(bound):
        return search
    true = bound * scale
    if true < search.value - 1e-6 * max(1e-9, abs(search.value)):
        return search.noting(
            f"{source} claims the bound {true:.9g}, and a plan of {search.value:.9g} is known: not believed"
        )
    known = true if search.bound is None else min(true, search.bound)
    return replace(search, bound=max(known, search.value))


def _relaxed(search: _Search, watch: Watch) -> _Search:
    """Bound a heuristic's plan by the LP relaxation of the configuration formulation."""
    from optsched.backends import highs

    began = time.monotonic()
    built = formulation("configuration").forms["linear"](search.problem)
    build_s = time.monotonic() - began
    outcome = highs.solve(built.model, watch, relaxed=True)
    search = replace(search, build_s=build_s, solve_s=outcome.solve_s)
    if outcome.status == "infeasible" and search.rows is None:
        return replace(search, infeasible=True, stopped="infeasible")
    return _bounded(search, outcome.objective if outcome.status == "optimal" else None, 1.0, "the LP relaxation")


def _filled(search: _Search, deadline: float | None) -> _Search:
    """Hand out what a plan left over, where nobody loses by it.

    A minimum says nothing of the jobs above it, so its optima may leave GPUs idle: every job steps
    up by the gain in its own value.
    """
    problem = search.problem
    assert search.rows is not None
    if problem.instance.max_moves is not None:
        return search  # a step may be a move
    summed = replace(problem, objective=replace(problem.objective, aggregate="sum"))
    rows = improve(summed, search.rows, deadline)
    if np.array_equal(rows, search.rows):
        return search
    report = check(problem.instance, allocate(problem, rows), _spec(problem))
    return replace(search, rows=rows, value=report.value) if report.ok and report.value >= search.value else search


def _result(search: _Search, name: str, backend: str, gap: float, seed: int, began: float, reason: str = "") -> Result:
    """Say what was found and no more than was proven."""
    problem = search.problem
    found: dict[str, Any] = {}
    status = "infeasible" if search.infeasible else "unknown"
    if search.rows is not None:
        allocations = allocate(problem, search.rows)
        proven = None if search.bound is None else max(0.0, search.bound - search.value)
        # differences far below what any job is worth are the solver's own tolerance, and none of the plan's
        noise = 1e-6 * float(problem.value.max(initial=0.0)) + 1e-11
        nothing = proven is not None and abs(search.value) <= noise and proven <= noise
        relative = 0.0 if nothing else None if proven is None else proven / max(1e-12, abs(search.value))
        status = "optimal" if relative is not None and relative <= gap + 1e-9 else "feasible"
        found = {
            "value": search.value, "bound": search.bound, "gap": relative, "allocations": allocations,
            "hash": allocations_hash(allocations), "waiting": _waiting(problem, search.rows),
        }  # fmt: skip
    elif not search.infeasible:
        reason = "no plan was found in the time given"
    return Result(
        format="optsched-result/1", instance=fingerprint(problem.instance), version=__version__,
        objective=_spec(problem),
        status=status, stopped=search.stopped, reason=reason, formulation=name, backend=backend, seed=seed,  # type: ignore[arg-type]
        build_s=search.build_s, solve_s=search.solve_s, total_s=time.monotonic() - began, notes=search.notes, **found,
    )  # fmt: skip


def _waiting(problem: Problem, rows: IntArray) -> tuple[Waiting, ...]:
    """Return the jobs that get nothing, with the reason where it is the job's own."""
    reasons = problem.configurations.reasons
    jobs = problem.instance.jobs
    return tuple(Waiting(job=jobs[j].id, reason=reasons.get(j, "")) for j in np.flatnonzero(rows < 0).tolist())
