"""What an objective is: a value for each job that runs, and how the values of all jobs come together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optsched.curves import FloatArray

__all__ = ["Objective", "Rates"]


@dataclass(frozen=True)
class Rates:
    """How fast jobs run; every field has shape ``(n,)``.

    weight
        Of the job.
    reference
        The goodput that progress 1.0 means for the job.
    throughput, goodput
        Examples/s, and reference-batch examples/s, net of what a restart loses of the round.
    """

    weight: FloatArray
    reference: FloatArray
    throughput: FloatArray
    goodput: FloatArray


@dataclass(frozen=True)
class Objective:
    """A separable objective, to be maximized; a job that does not run has value 0.

    name, meaning, source
        For people.
    unit
        Of the total.
    value
        Value of each running job, >= 0 and non-decreasing in its rates; :class:`Rates` -> shape ``(n,)``.
    aggregate
        Whether the total is the sum of all jobs' values or the least of those with a positive weight.
    parameters
        As the instance gave them.
    """

    name: str
    meaning: str
    source: str
    unit: str
    value: Callable[[Rates], FloatArray]
    aggregate: Literal["sum", "min"] = "sum"
    parameters: dict[str, Any] = field(default_factory=dict)

    def total(self, values: FloatArray, weights: FloatArray) -> float:
        """Return the objective of a plan from the values and weights of *all* jobs, shape ``(jobs,)`` each."""
        if self.aggregate == "sum":
            return float(values.sum())
        counted = values[weights > 0]
        return float(counted.min()) if len(counted) else 0.0

    def counted(self, weights: FloatArray) -> NDArray[np.bool_]:
        """Return which jobs the total depends on, shape ``(jobs,)`` of bool."""
        return np.ones(len(weights), dtype=bool) if self.aggregate == "sum" else weights > 0
