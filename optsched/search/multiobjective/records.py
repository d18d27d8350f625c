"""The file of a frontier."""

from __future__ import annotations

from typing import Literal

from optsched._util.numeric import relative
from optsched.instance import Instance, Limit, ObjectiveSpec, fingerprint
from optsched.instance.result import Goal
from optsched.instance.solution import Record
from optsched.search.multiobjective.pareto import Frontier

__all__ = ["FrontierFile", "FrontierPoint", "frontier_file"]


class FrontierPoint(Record, frozen=True, kw_only=True):
    """A plan of the frontier: what it reaches, what was proven, and the hash of its allocations."""

    goals: tuple[Goal, ...]
    status: str
    jobs: int
    hash: str


class FrontierFile(Record, frozen=True, kw_only=True):
    """What one objective costs another on an instance, under its limits and those that were asked for."""

    format: Literal["optsched-pareto/1"]
    instance: str
    objectives: tuple[ObjectiveSpec, ...]
    limits: tuple[Limit, ...]
    points: tuple[FrontierPoint, ...]


def frontier_file(instance: Instance, limits: tuple[Limit, ...], frontier: Frontier) -> FrontierFile:
    """Return a frontier as it is written; ``limits``: all that its plans keep."""
    points = tuple(
        FrontierPoint(
            goals=tuple(
                Goal(objective=spec, value=value, bound=bound, gap=_gap(value, bound))
                for spec, value, bound in zip(frontier.objectives, point.values, point.bounds, strict=True)
            ),
            status=point.result.status,
            jobs=len(point.result.allocations),
            hash=point.result.hash,
        )
        for point in frontier.points
    )
    return FrontierFile(
        format="optsched-pareto/1",
        instance=fingerprint(instance),
        objectives=frontier.objectives,
        limits=limits,
        points=points,
    )


def _gap(value: float, bound: float | None) -> float | None:
    if bound is None:
        return None
    return 0.0 if value == bound else relative(abs(bound - value), value)
