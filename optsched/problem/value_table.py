"""What sums over jobs are decided by: the value of each way to run each job, and what it takes.

The price engine reads this and nothing else, whether it was tabulated from an instance or given as arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.problem import Problem

__all__ = ["ValueTable", "values_of"]


@dataclass(frozen=True)
class ValueTable:
    """Rows ``first[j]:first[j + 1]`` are the ways to run job ``j``, at most one of which is chosen.

    value
        Of each row, to be maximized in sum, shape ``(n,)``.
    first
        Shape ``(jobs + 1,)``.
    used
        What each row takes of each resource, as coordinates: (row, resource, amount) arrays.
    capacity
        Of each resource, shape ``(resources,)``; ``inf`` for one without a limit.
    required
        Whether each job must run, shape ``(jobs,)``.
    kept
        Whether each row is what its job holds now, shape ``(n,)``.
    fewest_kept
        Fewest jobs that keep what they hold; None: any number.
    """

    value: FloatArray
    first: IntArray
    used: tuple[IntArray, IntArray, FloatArray]
    capacity: FloatArray
    required: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    fewest_kept: int | None = None

    def __len__(self) -> int:
        return len(self.value)

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return len(self.first) - 1

    @cached_property
    def job(self) -> IntArray:
        """The job of each row, shape ``(n,)``."""
        return np.repeat(np.arange(self.jobs), np.diff(self.first))

    def total(self, rows: IntArray) -> float:
        """Return the sum of the values of the chosen row of each job, -1 for none."""
        return float(self.value[rows[rows >= 0]].sum())


def values_of(problem: Problem | ValueTable) -> ValueTable:
    """Return the value table of a problem, which shares its arrays; a value table is returned as it is."""
    if isinstance(problem, ValueTable):
        return problem
    table = problem.configurations
    values = ValueTable(
        value=np.ascontiguousarray(problem.value, dtype=np.float64),
        first=table.first,
        used=table.used,
        capacity=table.capacity,
        required=problem.required,
        kept=table.kept,
        fewest_kept=problem.instance.fewest_kept,
    )
    values.__dict__["job"] = table.job  # known already
    return values
