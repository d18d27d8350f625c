"""Objectives one after the other: the second is chosen among the best plans of the first, and so on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from optsched._util.numeric import relative
from optsched.checker import check
from optsched.errors import InputError, shown
from optsched.instance import Instance, Limit, ObjectiveSpec, fingerprint
from optsched.instance.objectives import objective
from optsched.instance.result import Goal, Result
from optsched.search.solve import solve
from optsched.solvers import Progress

__all__ = ["floor_of", "in_order"]


def in_order(
    instance: Instance,
    objectives: Sequence[ObjectiveSpec],
    *,
    tolerance: float = 1e-6,
    time_limit: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Result:
    """Decide by the first objective, among its best plans by the second, and so on.

    Each objective becomes a limit for those that follow, at the value that was reached less a tolerance (the
    lexicographic method; Miettinen, Nonlinear Multiobjective Optimization (1999), sec. 4.2). So an objective that
    follows can never cost an earlier one more than that.

    Parameters
    ----------
    objectives
        At least one, the most important first; one whose levels are compared in lexicographic order is the last.
    tolerance
        Relative loss that each objective leaves to those after it, >= 0.
    time_limit
        Seconds in all, of which each objective has an equal part of what is left.
    options
        Of :func:`optsched.solve`.

    Returns
    -------
    Result
        With the value, bound and gap of the first objective, and those of each in ``goals``: bounds hold among the
        plans that keep the limits of the objectives before. Optimal where every one of them is.
    """
    if not objectives:
        raise InputError("at least one objective", path="objective")
    if not tolerance >= 0:
        raise InputError("a tolerance >= 0", path="tolerance", value=shown(tolerance))
    for spec in objectives[:-1]:
        if objective(spec).aggregate == "lexmin":
            expected = "an objective that compares levels in lexicographic order to be the last"
            raise InputError(expected, path="objective", value=shown(spec.name))
    began = time.monotonic()
    held, best = instance, None
    stages: list[Result] = []
    for number, spec in enumerate(objectives):
        left = None
        if time_limit is not None:
            left = min(time_limit, max(0.01, (time_limit - (time.monotonic() - began)) / (len(objectives) - number)))
        found = solve(held, objective=spec, time_limit=left, progress=progress, **options)
        stages.append(found)
        if found.value is None:
            break
        best = found
        held = replace(held, limits=(*held.limits, floor_of(spec, found.value, tolerance)))
    if best is None or len(objectives) == 1:
        return stages[0]
    return _joined(instance, objectives, stages, best, time.monotonic() - began)


def floor_of(spec: ObjectiveSpec, value: float, tolerance: float) -> Limit:
    """Return the limit that keeps an objective at a value, less a relative tolerance."""
    slack = tolerance * abs(value)
    if objective(spec).sign < 0:
        return Limit(objective=spec, at_most=value + slack)
    return Limit(objective=spec, at_least=value - slack)


def _joined(
    instance: Instance, objectives: Sequence[ObjectiveSpec], stages: list[Result], best: Result, seconds: float
) -> Result:
    """Return one result of the last plan found, each objective recomputed for it."""
    goals = []
    for spec, stage in zip(objectives, stages, strict=False):
        value = check(instance, best.allocations, spec).value
        gap = None if stage.bound is None else relative(abs(stage.bound - value), value)
        goals.append(Goal(objective=spec, value=value, bound=stage.bound, gap=0.0 if value == stage.bound else gap))
    every = len(stages) == len(objectives) and all(stage.status == "optimal" for stage in stages)
    notes = tuple(f"{stage.objective.name}: {note}" for stage in stages for note in stage.notes)
    if stages[-1].value is None:
        notes = (
            *notes,
            f"{stages[-1].objective.name}: no plan in the time given; the plan is that of {best.objective.name}",
        )
    return replace(
        best,
        instance=fingerprint(instance),
        objective=objectives[0],
        value=goals[0].value,
        bound=goals[0].bound,
        gap=goals[0].gap,
        goals=tuple(goals),
        status="optimal" if every else "feasible",
        stopped=stages[-1].stopped,
        build_s=sum(stage.build_s for stage in stages),
        solve_s=sum(stage.solve_s for stage in stages),
        total_s=seconds,
        notes=notes,
    )
