"""The facade: pose, find a first plan, formulate, solve, check, and say what was proven."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from optsched import __version__
from optsched._util.numeric import relative
from optsched.errors import InputError, shown
from optsched.instance import Instance, ObjectiveSpec, admit, fingerprint
from optsched.instance.objectives import objective as objective_of
from optsched.instance.objectives import objectives_of
from optsched.instance.result import Result
from optsched.instance.solution import Allocation, Waiting, allocations_hash
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, ModelOptions, renamed
from optsched.problem.infeasibility import impossible, why_infeasible
from optsched.search.lexicographic import lexicographic
from optsched.search.strategies import HEURISTICS, Board, Search, Stage, doubted, filled, idle, stages_of, water_filled
from optsched.search.warm_start import nobody, pieces
from optsched.solvers import Limits, Progress, RunContext, form_of
from optsched.solvers.subprocess import pool as processes
from optsched.solvers.watchdog import watched

__all__ = ["HEURISTICS", "solve"]

_WRITING = 1e-6
"""Seconds a job that the result takes: who gets nothing, and the hash of what the others get."""


def solve(
    instance: Instance | Path | str,
    *,
    objective: str | ObjectiveSpec | None = None,
    formulation: str = "auto",
    backend: str = "auto",
    options: ModelOptions = DEFAULT,
    time_limit: float | None = None,
    gap: float = 1e-4,
    seed: int = 0,
    threads: int = 1,
    memory_gb: float | None = None,
    prices: Mapping[str, float] | None = None,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
    choices: ModelOptions | None = None,
) -> Result:
    """Decide who gets what.

    Parameters
    ----------
    instance
        An instance, or the path of its file.
    objective
        Instead of the instance's own, as text: ``progress``, ``alpha-fair:alpha=2``, or several, the most important
        first: ``max-min,progress``. See :func:`optsched.search.multiobjective.in_order`.
    formulation
        Name of an installed formulation or of a heuristic. Where no backend is named, ``auto`` tries ``prices``
        where the objective is a sum, and ``levels`` where it is a least value of jobs; where they do not prove
        the gap, a formulation by size.
    backend
        ``highs``, ``cpsat``, ``pyomo`` or ``pyomo:SOLVER``; ``auto`` takes HiGHS.
    options
        The encoding, and what to leave out of the model, to compare models; ``choices=`` is the deprecated keyword.
    time_limit
        Seconds from the call; None: until the gap is proven. The best plan found by then is returned, a quarter of
        a second later at the most, whatever the solvers do.
    gap
        Relative gap that is good enough, >= 0; the linearization may use up half of it.
    seed, threads
        Equal input, seed and version give an equal answer on one thread, unless a time limit ends the search.
    memory_gb
        Most address space of a solver's process; None: no limit.
    prices
        Of the last round, as its result has them (``Result.prices``): the price engine begins from them, and needs a
        fraction of its time if little has changed. Resources that they do not name begin anew.
    executor
        Passes of the price engine run on it; None: in this process. See :mod:`optsched._util.executors`.
    progress
        Called with every :class:`~optsched.solvers.Progress`, from another thread.

    Returns
    -------
    Result
        Checked. Infeasible is a result with a reason; so is an end without any plan.

    Raises
    ------
    InputError
        For an instance that is wrong (see :func:`optsched.instance.admit`), an unknown name, or a limit that is none.
    SolverError
        For a backend that is not there, or that cannot take the formulation.
    """
    began = time.monotonic()
    instance = admit(instance)
    options = renamed(options, choices)
    limits = Limits.asked(began, time_limit, gap, seed, threads, memory_gb)
    if prices is not None and not all(0 <= worth < np.inf for worth in prices.values()):
        raise InputError("prices >= 0", path="prices", value=shown(dict(prices)))
    wanted = objectives_of(objective, instance.objective)
    if len(wanted) > 1:
        each = partial(
            solve,
            formulation=formulation,
            backend=backend,
            options=options,
            gap=gap,
            seed=seed,
            threads=threads,
            memory_gb=memory_gb,
            prices=prices,
            executor=executor,
            progress=progress,
        )
        return lexicographic(each, instance, wanted, time_limit=time_limit)
    spec = wanted[0]
    context, board = RunContext(replace(limits, gap=gap / 2), report=progress, started=began), Board()
    run = partial(_searched, instance, spec, formulation, backend, options, gap, prices, executor, context, board)
    reason = watched(run, context, board.opened, spare=_WRITING * len(instance.jobs))
    stopped = "interrupted" if context.interrupted else "time_limit"
    if reason is None or context.interrupted:  # it goes on and nobody waits for it, or ended just when it was to
        search = board.search
        board = Board(board.draft, None if search is None else replace(search, stopped=stopped), board.stamp)
    return _result(instance, spec, board, stopped, gap, seed, began, reason or "")


def _searched(
    instance: Instance,
    spec: ObjectiveSpec,
    formulation: str,
    backend: str,
    options: ModelOptions,
    gap: float,
    prices: Mapping[str, float] | None,
    executor: Executor | None,
    context: RunContext,
    board: Board,
) -> str:
    """Search; what is found is on the board at all times. Return why there is no plan, where that is proven."""
    context.progress("listing configurations", None, None)
    objective_of(spec)  # what is no objective is refused before anything is done for it
    processes.warm("highs" if backend == "auto" or form_of(backend) is None else backend.partition(":")[0])
    board.drafted(nobody(instance, spec))
    board.stamp = fingerprint(instance)
    board.opened.set()
    pieces(instance, spec, context, board.drafted)
    problem = build_problem(instance, spec, error=gap / 2)
    outer, context = context, replace(context, scale=problem.objective.sign)
    stages = stages_of(problem, formulation, backend, options, gap, context)
    search = Search(problem, board, executor, stages[-1].name, stages[-1].backend, known=prices)
    if reason := impossible(problem):
        board.search = replace(search, infeasible=True, stopped="infeasible")
        return reason
    for stage in stages if len(problem.configurations) else [Stage("", "", idle)]:
        search = replace(search, name=stage.name or search.name, backend=stage.backend)
        search.tell(context, search.name)
        search = stage.run(search)
        if search.infeasible:
            search = doubted(search, context)
        search.tell(context, search.name)
        board.search = search
        if search.infeasible or context.stopping() or (search.proven(gap) and not search.partial):
            break
    if search.plan is not None and formulation not in HEURISTICS:
        search = water_filled(search, context)
    if search.plan is not None and problem.objective.aggregate != "sum":
        search = filled(search, context.limits.deadline)
    if outer.interrupted:
        search = replace(search, stopped="interrupted")
    elif search.stopped == "interrupted":  # a solver that we asked to stop, for lack of time
        search = replace(search, stopped="time_limit")
    board.search = search
    return why_infeasible(problem, replace(context.limits, gap=0.0)) if search.infeasible else ""


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
        left = 0.0 if small else None if proven is None else relative(proven, value)
        close = left is not None and left <= gap + 1e-9 and not (search is not None and search.partial)
        status = "optimal" if close else "feasible"
        sign = objective_of(spec).sign  # and no -0.0
        found = {
            "value": sign * value + 0.0,
            "bound": None if bound is None else sign * bound + 0.0,
            "gap": left,
            "allocations": allocations,
            "hash": allocations_hash(allocations),
            "waiting": _waiting(instance, allocations, reasons),
        }
    elif status == "unknown":
        reason = "no plan was found in the time given"
    return Result(
        format="optsched-result/1",
        instance=board.stamp or fingerprint(instance),
        version=__version__,
        objective=spec,
        status=status,  # type: ignore[arg-type]
        stopped=stopped,
        reason=reason,
        seed=seed,
        formulation="" if search is None else search.name,
        backend="" if search is None else search.backend,
        build_s=0.0 if search is None else search.build_s,
        solve_s=0.0 if search is None else search.solve_s,
        total_s=time.monotonic() - began,
        notes=notes,
        prices={} if search is None else dict(search.prices),
        **found,
    )


def _waiting(instance: Instance, allocations: tuple[Allocation, ...], reasons: dict[int, str]) -> tuple[Waiting, ...]:
    """Return the jobs that get nothing, with the reason where it is the job's own."""
    runs = {a.job for a in allocations}
    return tuple(
        Waiting(job=job.id, reason=reasons.get(j, "")) for j, job in enumerate(instance.jobs) if job.id not in runs
    )
