"""Place jobs one after another, each as early as what is left allows: the serial schedule generation scheme.

Kolisch, "Serial and parallel resource-constrained project scheduling methods revisited", EJOR 90 (1996), sec. 2: for
regular objectives some order of the jobs yields a best schedule. Times are true seconds, on no grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.schedule.objectives import SLACK
from optsched.schedule.problem import Plan, Question

__all__ = ["Choice", "Profile", "placed", "replaced"]

Choice = Callable[[int, IntArray, FloatArray], int]
"""From a job, its rows that can start in time, and their ends to the index of the row to take; -1 to reject it."""


class Profile:
    """What is free of each resource over time; ``free[i]`` holds from ``time[i]`` to ``time[i + 1]``."""

    def __init__(self, question: Question) -> None:
        self.time = np.zeros(1)
        self.free = question.capacity[None].copy()
        self.tolerance = 1e-9 * np.maximum(1.0, question.capacity)
        for resource, amount, start, end in question.reserved:
            need = np.zeros(len(question.capacity))
            need[resource] = amount
            self.take(start, end, need)

    def copy(self) -> Profile:
        """Return a profile of its own."""
        other = copy(self)
        other.time, other.free = self.time.copy(), self.free.copy()
        return other

    def _cut(self, at: float) -> int:
        """Return the number of the piece that begins at a time, cutting one in two if need be."""
        k = int(np.searchsorted(self.time, at))
        if k == len(self.time) or self.time[k] != at:
            self.time = np.insert(self.time, k, at)
            self.free = np.insert(self.free, k, self.free[k - 1], axis=0)
        return k

    def take(self, start: float, end: float, need: FloatArray) -> None:
        """Use something up from start to end."""
        if end > start:
            a = self._cut(start)
            b = self._cut(end)
            self.free[a:b] -= need

    def earliest(self, need: FloatArray, duration: float, release: float) -> float:
        """Return the first start from ``release`` on at which the need is free throughout."""
        k = int(np.searchsorted(self.time, release, side="right")) - 1
        short = np.any(self.free[k:] < need - self.tolerance, axis=1)
        bad = np.flatnonzero(short)
        if len(bad) == 0:
            return release
        begins = np.concatenate([[release], self.time[k + bad + 1]])  # the last piece is always free
        ends = np.concatenate([self.time[k + bad], [np.inf]])
        return float(begins[np.argmax(ends - begins >= duration - SLACK / 10)])


def placed(
    question: Question, order: Iterable[int], choice: Choice, rows: Mapping[int, IntArray] | None = None
) -> Plan:
    """Return the plan that places jobs in an order; jobs for which no row is left, or none is chosen, do not run.

    Parameters
    ----------
    rows
        For each job, the rows to choose from; None: all.
    """
    profile = Profile(question)
    row = np.full(question.jobs, -1, dtype=np.int64)
    start = np.full(question.jobs, np.nan)
    for j in order:
        own = np.arange(question.first[j], question.first[j + 1]) if rows is None else rows[j]
        begins = np.array(
            [profile.earliest(question.need[r], float(question.duration[r]), float(question.earliest[r])) for r in own]
        )
        in_time = np.flatnonzero(begins <= question.latest[own]) if len(own) else own
        if len(in_time) == 0:
            continue
        able, begins = own[in_time], begins[in_time]
        chosen = choice(j, able, begins + question.duration[able])
        if chosen >= 0:
            row[j], start[j] = able[chosen], begins[chosen]
            profile.take(start[j], start[j] + question.duration[row[j]], question.need[row[j]])
    return question.plan(row, start)


def replaced(question: Question, row: IntArray, start: FloatArray) -> Plan:
    """Return the plan with the same rows in the order of their starts, each placed as early as it can be.

    Every feasible schedule becomes one whose jobs end no later; one that is off by the rounding of times is mended.
    Jobs that do not run come last, in any way that ends first.
    """
    order = np.argsort(np.where(row >= 0, start, np.inf), kind="stable").tolist()
    all_rows = np.arange(len(question))
    rows = [row[j : j + 1] if row[j] >= 0 else all_rows[question.first[j] : question.first[j + 1]] for j in order]
    by_job = dict(zip(order, rows, strict=True))
    return placed(question, order, lambda j, able, ends: int(np.argmin(ends)), by_job)
