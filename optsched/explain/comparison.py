"""Why a job waits, job by job: who holds what it would need, and what each of them adds to the objective.

Arithmetic on one plan: no solver is asked, no gap enters, and it is as quick for thousands of jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.instance.solution import Allocation
from optsched.problem.problem import Problem

__all__ = ["Comparison"]

_TOLERANCE = 1e-9
_NAMED = 3
"""Most jobs that are named."""


@dataclass(frozen=True)
class Comparison:
    """A plan of counts for a sum over jobs, as resources that its jobs hold and values that they add."""

    problem: Problem
    allocations: Sequence[Allocation]

    @cached_property
    def row(self) -> IntArray:
        """The row of each job in the plan, -1 for one that waits, shape ``(jobs,)``."""
        table, columns = self.problem.configurations, self.problem.configurations.columns
        number = {job.id: j for j, job in enumerate(self.problem.instance.jobs)}
        pool = {(p.site, p.gpu_type): k for k, p in enumerate(table.pools)}
        found = np.full(table.jobs, -1)
        for a in self.allocations:
            j = number[a.job]
            own = np.arange(table.first[j], table.first[j + 1])
            same = (
                (columns.pool[own] == pool[a.site, a.gpu_type])
                & (columns.gpus[own] == a.gpus)
                & (columns.servers[own] == a.servers)
            )
            if same.any():
                found[j] = own[same][np.argmin(np.abs(columns.throughput[own[same]] - a.throughput))]
        return found

    @cached_property
    def use(self) -> FloatArray:
        """What each row takes of each resource, shape ``(n, resources)``."""
        table = self.problem.configurations
        row, resource, amount = table.used
        use = np.zeros((len(table), len(table.capacity)))
        np.add.at(use, (row, resource), amount)
        return use

    @cached_property
    def held(self) -> FloatArray:
        """What each job holds of each resource, shape ``(jobs, resources)``."""
        return np.where(self.row[:, None] >= 0, self.use[self.row], 0.0)

    @cached_property
    def value(self) -> FloatArray:
        """What each job adds to the objective, shape ``(jobs,)``."""
        return np.where(self.row >= 0, self.problem.value[self.row], 0.0)

    @cached_property
    def free(self) -> FloatArray:
        """What the plan leaves of each resource, shape ``(resources,)``."""
        left: FloatArray = self.problem.configurations.capacity - self.held.sum(axis=0)
        return left

    def text(self, number: int) -> str | None:
        """Return who would have to give way for a job to run, or to run faster; None where that cannot be said."""
        problem, table = self.problem, self.problem.configurations
        job, goal = problem.instance.jobs[number].id, problem.objective.name
        if problem.objective.aggregate != "sum" or problem.instance.decides != "counts":
            return None
        rows = np.arange(table.first[number], table.first[number + 1])
        gains = problem.value[rows] - self.value[number]
        rows, gains = rows[gains > 0], gains[gains > 0]
        if not len(rows):
            return f"no configuration of it would add to {goal}" if self.row[number] < 0 else None
        best: tuple[float, float, float, list[int]] | None = None
        for row, gain in zip(rows.tolist(), gains.tolist(), strict=True):
            short = self.use[row] - self.free - self.held[number]
            givers = self._givers(short, number)
            if givers is None:
                continue
            lost = float(self.value[givers].sum())
            if best is None or gain - lost > best[0]:
                best = gain - lost, gain, lost, givers
        if best is None:
            return None
        _, gain, lost, givers = best
        if not givers:
            return f"what the others leave is enough for it: it would add {gain:.4g} to {goal}"
        names = [problem.instance.jobs[k].id for k in givers[:_NAMED]]
        more = f" and {len(givers) - _NAMED} more" if len(givers) > _NAMED else ""
        adds, hold = ("adds", "holds") if len(givers) == 1 else ("add", "hold")
        return (
            f"job by job: {', '.join(names)}{more} {hold} what it needs and {adds} {lost:.4g} to {goal}; "
            f"{job} would add {gain:.4g}"
        )

    def _givers(self, short: FloatArray, number: int) -> list[int] | None:
        """Return the cheapest running job that holds all that is short, else several; None if none do."""
        missing = short > _TOLERANCE * np.maximum(1.0, self.problem.configurations.capacity)
        if not missing.any():
            return []
        others = np.flatnonzero((self.row >= 0) & (np.arange(len(self.row)) != number))
        others = others[~self.problem.required[others]]
        held, short = self.held[others][:, missing], short[missing]
        whole = np.flatnonzero((held >= short * (1 - _TOLERANCE)).all(axis=1))
        if len(whole):
            return [int(others[whole[np.argmin(self.value[others[whole]])]])]
        part = np.minimum(held / short, 1.0).sum(axis=1)
        able = np.flatnonzero(part > 0)
        chosen: list[int] = []
        for k in able[np.argsort(self.value[others[able]] / part[able], kind="stable")].tolist():
            chosen.append(int(others[k]))
            short = short - held[k]
            if (short <= _TOLERANCE).all():
                return chosen
        return None
