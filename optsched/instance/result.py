"""A result: the solution, what was proven of it, why the search stopped, and how long it took."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from optsched._util.files import read, write_json
from optsched.instance import Limit, ObjectiveSpec
from optsched.instance.solution import Allocation, Record, Waiting

__all__ = ["Goal", "Result", "Trace", "load_result", "save_result"]

Trace = tuple[tuple[float, float | None, float | None], ...]
"""Seconds, best value, and bound, as the search reported them."""


class Goal(Record, frozen=True, kw_only=True):
    """One of several objectives that were taken one after the other.

    value, bound, gap
        As in a result; the bound holds for all plans in which the goals before are as good.
    """

    objective: ObjectiveSpec
    value: float
    bound: float | None = None
    gap: float | None = None


class Result(Record, frozen=True, kw_only=True):
    """The solution file: what was decided, what is claimed of it, and how it was found.

    instance
        Fingerprint of the instance that it is for.
    status
        ``optimal``: within the gap asked for, proven; ``feasible``: checked, not proven so good;
        ``infeasible``: proven that there is none; ``unknown``: none was found.
    stopped
        Why the search ended; says nothing of what was found.
    value, bound, gap
        Objective on the true curves; a proven bound on any plan's; |bound - value| / |value|.
    goals
        Where there are several objectives, each of them; the first is ``objective``.
    limits
        Limits that were asked for in addition to those of the instance.
    prices
        What one more unit of each resource is worth, by its name, where prices were found: by how much the objective
        would get better, at the margin. The ``prices`` to begin the next round from.
    reason
        Why there is no plan, where there is none.
    trace
        How value and bound went on over time, where that was recorded; `optsched solve` does for one objective.
    hash
        Of the allocations: the same answer has the same hash.
    """

    format: Literal["optsched-result/1"]
    instance: str
    version: str
    objective: ObjectiveSpec
    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    stopped: str
    value: float | None = None
    bound: float | None = None
    gap: float | None = None
    goals: tuple[Goal, ...] = ()
    limits: tuple[Limit, ...] = ()
    prices: dict[str, float] = msgspec.field(default_factory=dict)
    reason: str = ""
    allocations: tuple[Allocation, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    hash: str = ""
    formulation: str = ""
    backend: str = ""
    seed: int = 0
    build_s: float = 0.0
    solve_s: float = 0.0
    total_s: float = 0.0
    trace: Trace = ()
    notes: tuple[str, ...] = ()


def load_result(path: Path | str) -> Result:
    """Read a result file; raise InputError where it is wrong."""
    return read(path, Result)


def save_result(result: Result, path: Path | str) -> None:
    """Write a result file, whole or not at all."""
    write_json(path, result)
