"""Objectives one after the other: the second is chosen among the best plans of the first, and so on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from optsched._util.numeric import relative
from optsched.checker import check_plan
from optsched.errors import InputError, shown
from optsched.instance import Instance, Limit, ObjectiveSpec, fingerprint, trust
from optsched.instance.objectives import objective
from optsched.instance.priorities import by_class
from optsched.instance.result import Goal, Result

__all__ = ["floor_of", "lexicographic"]


def lexicographic(
    solve: Callable[..., Result],
    instance: Instance,
    objectives: Sequence[ObjectiveSpec],
    *,
    tolerance: float = 1e-6,
    time_limit: float | None = None,
) -> Result:
    """Return the plan of :func:`optsched.search.multiobjective.in_order`.

    Parameters
    ----------
    solve
        Called with an instance, and with ``objective``, ``time_limit`` and ``start``, the plan of the objective before.
    """
    if not objectives:
        raise InputError("at least one objective", path="objective")
    objectives = by_class(instance, objectives)
    if len(objectives) > 1 and instance.decides == "network":
        expected = "counts or placement, where several objectives or classes come one after the other"
        raise InputError(expected, path="$.decides", value=shown(instance.decides))
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
        start = None if best is None else best.allocations
        found = solve(held, objective=spec, time_limit=left, start=start)
        stages.append(found)
        if found.value is None:
            break
        best = found
        held = trust(replace(held, limits=(*held.limits, floor_of(spec, found.value, tolerance))))
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
        value = check_plan(instance, best.allocations, spec).value
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
