"""``optsched.schedule.plan``: build the problem, run the stages of the search, and return what was proven."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from optsched import __version__
from optsched.errors import InputError, shown
from optsched.instance import Instance, admit, fingerprint
from optsched.instance.solution import Waiting
from optsched.instance.unsupported import refuse_rules
from optsched.schedule.formulation import timed_formulation
from optsched.schedule.horizon import Horizon, hard
from optsched.schedule.problem import Plan, Question, build_problem, cheapest, runs, tightened
from optsched.schedule.records import Schedule, runs_hash
from optsched.schedule.search import Search
from optsched.schedule.stages import by_energy, by_enumeration, by_lists, on_grids, refuse_impossible
from optsched.solvers import Limits, Progress, RunContext

__all__ = ["plan"]

_ON_SERVERS = (
    "a job keeps its servers from start to end; which ones is decided by a heuristic, and the bound is that of counts"
)


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
    search = refuse_impossible(Search(question, bound=cheapest(question)))
    if not search.infeasible:
        search = by_lists(search, context, seed)
        narrow = tightened(question, search.cost)
        if not context.interrupted:
            search = by_energy(search, narrow, context)
        if formulation == "auto" and ticks is None and not (context.interrupted or search.proven(gap)):
            search = by_enumeration(search, context)
        if chosen is not None and not context.interrupted and not search.enumerated:
            search = on_grids(search, narrow, chosen, ticks, context, gap)
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


def _result(search: Search, name: str, backend: str, gap: float, seed: int, began: float) -> Schedule:
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
