"""From an instance to a result, the way down: warm start, build the problem, run the stages, report what is proven.

A reader who follows an instance opens, in this order: ``instance.load``, this module, ``problem.build``,
``search.strategies.pipeline``, the module of a stage (``search.strategies.heuristic``, ``exact`` or ``placement``), its
engine (``search.prices.engine`` or a formulation), ``problem.incumbent`` and ``checker``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from optsched import __version__
from optsched._util.numeric import relative
from optsched.errors import InputError, shown
from optsched.instance import Instance, ObjectiveSpec, admit, admit_all, fingerprint
from optsched.instance.labels import labelled
from optsched.instance.objectives import objective as objective_of
from optsched.instance.objectives import objectives_of
from optsched.instance.priorities import by_class
from optsched.instance.result import Result
from optsched.instance.solution import Allocation, Waiting, allocations_hash
from optsched.instance.spelling import similar_ids
from optsched.problem.build import build_problem
from optsched.problem.configurations.build import SLOWEST
from optsched.problem.formulation import DEFAULT, ModelOptions, renamed
from optsched.problem.incumbent import Incumbent, verify
from optsched.problem.infeasibility import impossible, why_infeasible
from optsched.problem.problem import Problem
from optsched.search.lexicographic import lexicographic
from optsched.search.strategies import HEURISTICS, IncumbentStore, Search, run_stages
from optsched.search.warm_start import empty_plan, warm_starts
from optsched.solvers import Limits, Progress, RunContext, form_of
from optsched.solvers.subprocess import pool as processes
from optsched.solvers.watchdog import watched

__all__ = ["HEURISTICS", "solve"]

_WRITING = 1e-6
"""Seconds a job that the result takes: the list of waiting jobs, and the hash of the allocations."""


@dataclass(frozen=True)
class _Request:
    """What ``solve`` was asked for."""

    instance: Instance
    spec: ObjectiveSpec
    formulation: str
    backend: str
    options: ModelOptions
    gap: float
    seed: int
    prices: Mapping[str, float] | None
    start: Sequence[Allocation]
    executor: Executor | None
    began: float


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
    start: Sequence[Allocation] | None = None,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
    choices: ModelOptions | None = None,
) -> Result:
    """Decide which jobs run, and on which GPUs, servers and network capacity.

    Parameters
    ----------
    instance
        An instance, or the path of its file.
    objective
        Replaces the instance's own, as text: ``progress``, ``alpha-fair:alpha=2``, or several by decreasing importance:
        ``max-min,progress``. See :func:`optsched.search.multiobjective.in_order`.
    formulation
        Name of an installed formulation or of a heuristic. ``auto`` without a named backend tries ``prices`` for
        objectives that are sums and ``levels`` for the minimum over jobs; if these do not prove the gap, it chooses a
        formulation by size.
    backend
        ``highs``, ``cpsat``, ``pyomo`` or ``pyomo:SOLVER``; ``auto`` takes HiGHS.
    options
        The encoding, and what to leave out of the model, to compare models; ``choices=`` is the deprecated keyword.
    time_limit
        Seconds from the call; None: until the gap is proven. The best plan found by then is returned, at most a quarter
        of a second later, whatever the solvers do.
    gap
        Relative gap that is accepted, >= 0; the linearization may use half of it.
    seed, threads
        On one thread, equal input, seed and version give an equal answer, unless a time limit ends the search.
    memory_gb
        Limit on the address space of a solver's process; None: no limit.
    prices
        Shadow prices of the last round (``Result.prices``): the price engine starts from them, and needs a fraction of
        its time if little has changed. Resources that they do not name start anew.
    start
        A plan to do no worse than, e.g. that of the last round; one that breaks a rule is left out.
    executor
        Runs the passes of the price engine; None: this process does. See :mod:`optsched._util.executors`.
    progress
        Called with every :class:`~optsched.solvers.Progress`, from another thread.

    Returns
    -------
    Result
        Recomputed by the checker. An infeasible instance gives a result with a reason, and so does a search that ends
        without a plan.

    Raises
    ------
    InputError
        For a wrong instance (see :func:`optsched.instance.admit`), an unknown name, or a limit out of range.
    SolverError
        For a backend that is not installed, or that cannot take the formulation.
    """
    began = time.monotonic()
    instance = admit(instance)
    options = renamed(options, choices)
    limits = Limits.asked(began, time_limit, gap, seed, threads, memory_gb)
    if prices is not None and not all(0 <= price < np.inf for price in prices.values()):
        raise InputError("prices >= 0", path="prices", value=shown(dict(prices)))
    wanted = by_class(instance, _wanted(instance, objective))
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
    objective_of(spec)  # an unknown objective is refused before any work is done for it
    given = () if start is None else admit_all(start, Allocation, "start")
    request = _Request(instance, spec, formulation, backend, options, gap, seed, prices, given, executor, began)
    context, store = RunContext(replace(limits, gap=gap / 2), report=progress, started=began), IncumbentStore()
    run = partial(_search, request, context, store)
    reason = watched(run, context, store.ready, spare=_WRITING * len(instance.jobs))
    warm, search = store.snapshot()
    stopped = "interrupted" if context.interrupted else "time_limit"
    if search is not None and (reason is None or context.interrupted):  # abandoned, or interrupted at its very end
        search = replace(search, stopped=stopped)
    return _result(request, store.fingerprint, warm, search, stopped, reason or "")


def _wanted(instance: Instance, objective: str | ObjectiveSpec | None) -> tuple[ObjectiveSpec, ...]:
    """Return the objectives that are asked for: those of the instance, unless others are named."""
    return objectives_of(objective, instance.objective) + (instance.then if objective is None else ())


def _search(request: _Request, context: RunContext, store: IncumbentStore) -> str:
    """Search, and publish what is found in the store; return why there is no plan, if that is proven."""
    instance, spec, backend = request.instance, request.spec, request.backend
    context.progress("listing configurations", None, None)
    processes.warm("highs" if backend == "auto" or form_of(backend) is None else backend.partition(":")[0])
    store.offer(empty_plan(instance, spec))
    store.fingerprint = fingerprint(instance)
    store.ready.set()
    known = verify(instance, spec, request.start, "the plan to start from").incumbent if request.start else None
    for plan in warm_starts(instance, spec, context) if known is None else [known]:
        store.offer(plan)
    problem = build_problem(instance, spec, error=request.gap / 2)
    search = Search(problem, store, request.executor, known=request.prices)
    search = run_stages(search, request.formulation, backend, request.options, request.gap, context, request.start)
    store.publish(search)
    if not search.infeasible:
        return ""
    return impossible(problem) or why_infeasible(problem, replace(context.limits, gap=0.0))


def _result(
    request: _Request,
    stamp: str,
    warm: Incumbent | None,
    search: Search | None,
    stopped: str,
    reason: str,
) -> Result:
    """Return the better of warm start and incumbent, with the status that is proven for it."""
    instance, spec, gap = request.instance, request.spec, request.gap
    best, bound, notes = None, None, ()  # type: tuple[Incumbent | None, float | None, tuple[str, ...]]
    if search is not None:
        best, bound, notes, stopped = search.incumbent, search.bound, search.notes, search.stopped
    if warm is not None and (best is None or warm.value > best.value):
        best, notes = warm, (*notes, warm.source)
        bound = None if bound is None else max(bound, warm.value)
    found: dict[str, Any] = {}
    status = "infeasible" if search is not None and search.infeasible else "unknown"
    if best is not None:
        if bound is not None:
            bound = _sharpened(best.value, bound, None if search is None else search.problem)
        left = None if bound is None else relative(max(0.0, bound - best.value), best.value)
        close = left is not None and left <= gap + 1e-9 and not (search is not None and search.partial)
        status = "optimal" if close else "feasible"
        sign = objective_of(spec).sign  # adding 0.0 turns -0.0 to 0.0
        reasons = {} if search is None else search.problem.configurations.reasons
        found = {
            "value": sign * best.value + 0.0,
            "bound": None if bound is None else sign * bound + 0.0,
            "gap": left,
            "allocations": (allocations := labelled({job.id: job for job in instance.jobs}, best.allocations)),
            "hash": allocations_hash(allocations),
            "waiting": _waiting(instance, best.allocations, reasons),
        }
    elif status == "unknown":
        reason = "no plan was found in the time given"
    return Result(
        format="optsched-result/1",
        instance=stamp or fingerprint(instance),
        version=__version__,
        objective=spec,
        status=status,  # type: ignore[arg-type]
        stopped=stopped,
        reason=reason,
        seed=request.seed,
        formulation="" if search is None else search.name,
        backend="" if search is None else search.backend,
        build_s=0.0 if search is None else search.build_s,
        solve_s=0.0 if search is None else search.solve_s,
        total_s=time.monotonic() - request.began,
        notes=(*notes, *similar_ids(request.instance)),
        prices={} if search is None else dict(search.prices),
        **found,
    )


def _sharpened(value: float, bound: float, problem: Problem | None) -> float:
    """Return the bound, or the value of a plan that is worth nothing where no better plan can be worth so little.

    Where no value is negative, a sum or a least value is 0 or at least the least positive value of any row, of which a
    hundredth is left at the slowest network rate. A bound that is surely below that proves that 0 is the most.
    """
    if value != 0.0 or problem is None or problem.value.min(initial=0.0) < 0.0:
        return bound
    least = float(problem.value[problem.value > 0].min(initial=np.inf))
    least /= 1.0 if problem.instance.decides != "network" else SLOWEST
    return value if bound < 0.9 * least else bound


def _waiting(instance: Instance, allocations: tuple[Allocation, ...], reasons: dict[int, str]) -> tuple[Waiting, ...]:
    """Return the jobs that get nothing, with a reason where a job can run nowhere."""
    runs = {a.job for a in allocations}
    return tuple(
        Waiting(job=job.id, reason=reasons.get(j, "")) for j, job in enumerate(instance.jobs) if job.id not in runs
    )
