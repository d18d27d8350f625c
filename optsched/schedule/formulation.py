"""What a formulation over time offers, and where such formulations are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from optsched._util.arrays import FloatArray, IntArray
from optsched._util.registry import Registry
from optsched.problem.formulation import Support
from optsched.schedule.grid import Grid
from optsched.schedule.problem import Plan

__all__ = ["TIMED_FORMULATIONS", "Timed", "TimedFormulation", "timed_formulation"]


@dataclass(frozen=True)
class Timed:
    """A grid as a model in one backend's form; all maximize, so that cost = -scale x objective.

    read
        From the values of the model's variables to the grid's rows that run, and their start ticks.
    start
        A feasible point for backends that take one with the model.
    """

    model: Any
    read: Callable[[FloatArray], tuple[IntArray, IntArray]]
    scale: float = 1.0
    start: FloatArray | None = None


@dataclass(frozen=True)
class TimedFormulation:
    """A mathematical model of a schedule.

    form
        What it is handed over as: ``cpsat`` or ``linear``.
    ticks
        Into how many the horizon is cut, by default.
    build
        From a grid, a plan to begin from, and a lower bound of the cost, to the model.
    """

    name: str
    decides: str
    form: Literal["cpsat", "linear"]
    ticks: int
    supports: Callable[[Grid], Support]
    build: Callable[[Grid, Plan | None, float | None], Timed]


TIMED_FORMULATIONS = Registry[TimedFormulation](
    "optsched.schedules", TimedFormulation, "formulation", others=("auto", "lists")
)
"""The formulations over time of all installed packages: an entry point of the group adds one."""


def timed_formulation(name: str) -> TimedFormulation:
    """Return an installed formulation over time; raise InputError for an unknown name."""
    return TIMED_FORMULATIONS.get(name, path="formulation")
