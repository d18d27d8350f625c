"""What one objective costs another: plans of which none is better in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from optsched.errors import InputError, shown
from optsched.instance import Instance, ObjectiveSpec, admit
from optsched.instance.objectives import objective, objectives_of
from optsched.instance.result import Result
from optsched.search.lexicographic import floor_of
from optsched.search.multiobjective.in_order import in_order
from optsched.solvers import Progress

__all__ = ["Frontier", "Point", "pareto"]


@dataclass(frozen=True)
class Point:
    """A plan of the frontier: the values of both objectives, and how far each is proven.

    asked
        What the second objective had to reach; None for the best of the first.
    values
        Of both objectives, in their own units.
    bounds
        On the first objective, of all plans that reach what was asked; and then on the second, of all plans whose
        first is as good.
    result
        The whole result of the plan, checked.
    """

    asked: float | None
    values: tuple[float, float]
    bounds: tuple[float | None, float | None]
    result: Result


@dataclass(frozen=True)
class Frontier:
    """Points from the best of the first objective to the best of the second, and why there are none."""

    objectives: tuple[ObjectiveSpec, ObjectiveSpec]
    points: tuple[Point, ...]
    reason: str = ""


def pareto(
    instance: Instance | Path | str,
    objectives: str | Sequence[ObjectiveSpec],
    *,
    points: int = 9,
    tolerance: float = 1e-6,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Frontier:
    """Trace the efficient plans of two objectives.

    The second objective is held at a grid of values between what it is at the best of the first and its own best,
    and the first is optimized (epsilon constraints: Haimes, Lasdon and Wismer, IEEE Trans. SMC 1 (1971)). The ends
    come from a payoff table by the lexicographic method, and every point is then optimized for the second objective,
    too, which leaves efficient points only: AUGMECON, Mavrotas, Appl. Math. Comput. 213 (2009), sec. 3. That adds the
    second objective at a small weight; here it follows in lexicographic order, which needs no weight.

    Parameters
    ----------
    points
        Of the grid, >= 2; points that are equal to or worse than others are left out.
    tolerance, options
        Of :func:`optsched.search.multiobjective.in_order`; a time limit is that of each point.
    """
    instance = admit(instance)
    if isinstance(objectives, str):
        objectives = objectives_of(objectives)
    if points < 2:
        raise InputError("at least 2 points", path="points", value=shown(points))
    if len(objectives) != 2 or objectives[0] == objectives[1]:
        names = ",".join(spec.name for spec in objectives)
        raise InputError("two different objectives", path="objectives", value=shown(names))
    first, second = objectives = objectives[0], objectives[1]

    def best(one: ObjectiveSpec, other: ObjectiveSpec, within: Instance) -> Result:
        return in_order(within, (one, other), tolerance=tolerance, progress=progress, **options)

    most = best(first, second, instance)
    if most.value is None:
        return Frontier(objectives, (), most.reason)
    found = [_point(None, most, (0, 1))]
    least = best(second, first, instance)
    if least.value is not None:
        low, high = _values(most, (0, 1))[1], _values(least, (1, 0))[1]
        for asked in np.linspace(low, high, points)[1:-1].tolist():
            result = best(
                first, second, replace(instance, limits=(*instance.limits, floor_of(second, asked, tolerance)))
            )
            if result.value is not None:
                found.append(_point(asked, result, (0, 1)))
        found.append(_point(high, least, (1, 0)))
    return Frontier(objectives, tuple(_efficient(found, objectives)))


def _values(result: Result, order: tuple[int, int]) -> tuple[float, float]:
    goals = result.goals
    return goals[order[0]].value, goals[order[1]].value


def _point(asked: float | None, result: Result, order: tuple[int, int]) -> Point:
    """Return a point; ``order``: where the first and the second objective stand in the result's goals."""
    goals = [result.goals[k] for k in order if k < len(result.goals)]
    bounds = tuple(goal.bound for goal in goals)
    return Point(asked, _values(result, order), (bounds[0], bounds[1]), result)


def _efficient(found: list[Point], objectives: tuple[ObjectiveSpec, ObjectiveSpec]) -> list[Point]:
    """Return the points that no other one is as good as in both objectives, by the first; of equal ones the first."""
    signs = [objective(spec).sign for spec in objectives]

    def close(a: float, b: float) -> bool:
        return abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b))

    def beats(a: Point, b: Point, earlier: bool) -> bool:
        better = [sign * (x - y) for sign, x, y in zip(signs, a.values, b.values, strict=True)]
        same = [close(x, y) for x, y in zip(a.values, b.values, strict=True)]
        if all(same):
            return earlier
        return all(gain > 0 or equal for gain, equal in zip(better, same, strict=True))

    kept = [
        one
        for k, one in enumerate(found)
        if not any(beats(other, one, n < k) for n, other in enumerate(found) if n != k)
    ]
    return sorted(kept, key=lambda point: -signs[0] * point.values[0])
