"""What a schedule is good for: each objective is a nondecreasing cost of the times when jobs end.

The three-field names are those of Graham, Lawler, Lenstra and Rinnooy Kan, "Optimization and approximation
in deterministic sequencing and scheduling: a survey", Annals of Discrete Mathematics 5 (1979), sec. 2. A cost that
does not fall as jobs end later is called *regular* (Conway, Maxwell and Miller, Theory of Scheduling, 1967):
shifting jobs to the left never hurts, which all methods here rely on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown

__all__ = ["GOALS", "SLACK", "Goal", "common_unit", "goal"]

SLACK = 1e-6
"""Seconds by which a time may miss another and count as equal."""

Shape = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Goal:
    """An objective: minimize the sum (or the most) of ``weight * shape(end, arrival, due)`` over jobs.

    sense
        Of the value that is reported; for ``max`` it is the negative cost.
    weigh
        ``own`` weights, ``one`` for everybody, or the ``mean`` over jobs.
    rejects
        Whether optional jobs may be left out; then a job that runs meets its deadline.
    shape
        From seconds since now, inf for no due date; all arrays of one shape.
    """

    name: str
    meaning: str
    shape: Shape
    sense: Literal["min", "max"] = "min"
    aggregate: Literal["sum", "max"] = "sum"
    weigh: Literal["own", "one", "mean"] = "own"
    rejects: bool = False

    def weights(self, own: FloatArray, able: NDArray[np.bool_]) -> FloatArray:
        """Return the weight of each job; 0 for one that is not ``able`` to run, which no mean counts."""
        if self.weigh == "own":
            return np.where(able, own, 0.0)
        return np.where(able, 1.0 if self.weigh == "one" else 1.0 / max(1, int(able.sum())), 0.0)

    def cost(self, weight: FloatArray, end: FloatArray, arrival: FloatArray, due: FloatArray) -> FloatArray:
        """Return the cost of each job that runs and ends then."""
        return weight * self.shape(end, arrival, due)

    def total(self, costs: FloatArray) -> float:
        """Return the cost of a schedule from those of the jobs that run."""
        return float(costs.sum() if self.aggregate == "sum" else costs.max(initial=0.0))

    def step(self, weights: FloatArray) -> float | None:
        """Return a number of which every cost is a whole multiple, where costs count jobs; None where they grow."""
        return common_unit(weights) if self.shape in (_late, _accepted) else None

    def value(self, cost: float) -> float:
        """Return what is reported for a cost, and the other way round."""
        return cost if self.sense == "min" else 0.0 - cost


def _makespan(end: FloatArray, arrival: FloatArray, due: FloatArray) -> FloatArray:
    """C_max: the end of the last job (McNaughton, Management Science 6, 1959; Graham 1966)."""
    return end


def _completion(end: FloatArray, arrival: FloatArray, due: FloatArray) -> FloatArray:
    """C_j - r_j, from arrival to end; for one machine Smith's rule (Naval Research Logistics Quarterly 3, 1956)."""
    return end - arrival


def _tardiness(end: FloatArray, arrival: FloatArray, due: FloatArray) -> FloatArray:
    """T_j = max(0, C_j - d_j) (Lawler, Annals of Discrete Mathematics 1, 1977)."""
    return np.maximum(0.0, end - due)


def _late(end: FloatArray, arrival: FloatArray, due: FloatArray) -> FloatArray:
    """U_j = 1 if C_j > d_j (Moore, Management Science 15, 1968; with weights: Lawler and Moore 1969)."""
    return (end > due + SLACK).astype(np.float64)


def _accepted(end: FloatArray, arrival: FloatArray, due: FloatArray) -> FloatArray:
    """-1 for a job that is accepted, and then in time (Slotnick, EJOR 212, 2011, sec. 1: order acceptance)."""
    return np.full(len(end), -1.0)


GOALS = {
    goal.name: goal
    for goal in (
        Goal("makespan", "the end of the last job (s from now)", _makespan, aggregate="max", weigh="one"),
        Goal("average-completion", "mean seconds from arrival to end", _completion, weigh="mean"),
        Goal("weighted-completion", "sum of weight x seconds from arrival to end", _completion),
        Goal("weighted-tardiness", "sum of weight x seconds after the deadline", _tardiness),
        Goal("late-jobs", "weight of the jobs that end after their deadlines", _late),
        Goal("on-time", "weight of the accepted jobs, all of which end in time", _accepted, sense="max", rejects=True),
    )
}
"""All but ``on-time`` run every job; the deadlines of ``required`` jobs are hard for all of them."""


def common_unit(weights: FloatArray) -> float | None:
    """Return a number of which all weights are whole multiples; None where no small part of the least is one."""
    positive = weights[weights > 0]
    for part in range(1, 101 if len(positive) else 1):
        unit = float(positive.min()) / part
        if np.all(np.abs(weights / unit - np.rint(weights / unit)) < 1e-9 * np.maximum(1.0, weights / unit)):
            return unit
    return None


def goal(name: str) -> Goal:
    """Return an objective by name; raise InputError for an unknown one."""
    if name not in GOALS:
        raise InputError(f"one of {', '.join(GOALS)}", path="objective", value=shown(name))
    return GOALS[name]
