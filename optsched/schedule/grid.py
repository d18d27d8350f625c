"""Time in whole ticks: one grid whose schedules are true ones, and one whose best is a bound.

Let D be the tick. Rounded **up**, a row of p seconds takes ceil(p / D) ticks, jobs arrive at ceil, and a reservation
[a, b) covers the ticks [floor(a / D), ceil(b / D)): every schedule on this grid is a true one, whose jobs end no later.

Rounded **down**, it takes floor(p / D) ticks, jobs arrive at floor, and the reservation covers the ticks [floor(a /
D), floor(b / D)). Every true schedule is one on this grid when each start s becomes floor(s / D): a job that runs on
the grid in tick t has floor(s / D) <= t and t + 1 <= floor(s / D) + floor(p / D) <= (s + p) / D, so that it truly
runs just before time (t + 1) D; so do all jobs and reservations of that tick, and the capacities hold there. No cost
is rounded but by the start: a job that starts in tick t costs what it costs to end at t D + p, which is no more than
its true cost. So the least cost on this grid bounds that of every true schedule.

On both, the last start that keeps a deadline d is floor((d - p) / D): s <= d - p implies floor(s / D) <= (d - p) / D.
Where all times are whole ticks the two grids are one, and nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, positions
from optsched.schedule.objectives import SLACK
from optsched.schedule.problem import Plan, Question

__all__ = ["Grid", "exact_tick", "gridded"]

_EPS = 1e-6
"""Part of a tick that counts as nothing."""


@dataclass(frozen=True)
class Grid:
    """A question in ticks; ``n`` rows, those that can start at all.

    tick
        Seconds.
    up
        Which way times are rounded.
    exact
        Whether nothing was rounded.
    row
        The question's row of each row here, shape ``(n,)``.
    size, first, last
        Ticks that it takes, its first and its last start, shape ``(n,)``.
    slots
        Ticks of the horizon.
    reserved
        (resource, amount, first tick, tick after the last).
    """

    question: Question
    tick: float
    up: bool
    exact: bool
    row: IntArray
    size: IntArray
    first: IntArray
    last: IntArray
    slots: int
    reserved: tuple[tuple[int, float, int, int], ...]

    @property
    def job(self) -> IntArray:
        """The job of each row."""
        return self.question.job[self.row]

    @property
    def duration(self) -> FloatArray:
        """True seconds of each row."""
        return self.question.duration[self.row]

    def costs(self, rows: IntArray, start: IntArray) -> FloatArray:
        """Return what it costs to start rows in ticks; arrays of one shape."""
        return self.question.costs(self.job[rows], start * self.tick + self.duration[rows])

    def plan(self, rows: IntArray, start: IntArray) -> Plan:
        """Return the question's plan that starts rows of the grid in ticks."""
        chosen = np.full(self.question.jobs, -1, dtype=np.int64)
        begin = np.full(self.question.jobs, np.nan)
        chosen[self.job[rows]] = self.row[rows]
        begin[self.job[rows]] = start * self.tick
        return self.question.plan(chosen, begin)

    def start_of(self, plan: Plan) -> tuple[IntArray, IntArray]:
        """Return rows and start ticks of a plan, those of its jobs that fit the grid.

        On a grid that is rounded down a true schedule stays feasible.
        """
        ran = np.flatnonzero(plan.row >= 0)
        rows = positions(self.row, len(self.question))[plan.row[ran]]
        ticks = np.floor(plan.start[ran] / self.tick + _EPS).astype(np.int64)
        fits = (rows >= 0) & (ticks >= self.first[rows]) & (ticks <= self.last[rows])
        return rows[fits], ticks[fits]


def exact_tick(question: Question, most: int) -> float | None:
    """Return the largest tick of which all times are multiples, if no more than ``most`` fit the horizon.

    Of whole multiples of 1, 0.1 and 0.01 s; None where there is none.
    """
    known = question.due[np.isfinite(question.due)]
    edges = [t for _, _, start, end in question.reserved for t in (start, end)]
    times = np.concatenate([question.duration, question.earliest, known, np.array(edges, dtype=np.float64)])
    for unit in (1.0, 0.1, 0.01):
        whole = np.rint(times / unit)
        if np.all(np.abs(times / unit - whole) <= 1e-7):
            common = int(np.gcd.reduce(np.abs(whole).astype(np.int64))) if len(whole) else 1
            tick = max(1, common) * unit
            return tick if question.length / tick <= most else None
    return None


def gridded(question: Question, tick: float, *, up: bool) -> Grid:
    """Return the question in ticks, rounded up or down."""

    def floor(x: FloatArray) -> IntArray:
        return np.floor(x / tick + _EPS).astype(np.int64)

    def ceil(x: FloatArray) -> IntArray:
        return np.ceil(x / tick - _EPS).astype(np.int64)

    first = (ceil if up else floor)(question.earliest)
    last = np.floor((question.latest + SLACK) / tick + _EPS).astype(np.int64)
    size = (ceil if up else floor)(question.duration)
    row = np.flatnonzero(first <= last)
    reserved = []
    for resource, amount, start, end in question.reserved:
        a, b = int(floor(np.array(start))), int((ceil if up else floor)(np.array(end)))
        if b > a:
            reserved.append((resource, amount, a, b))
    times = np.concatenate(
        [question.duration, question.earliest, np.array([t for r in question.reserved for t in r[2:]])]
    )
    exact = bool(np.all(np.abs(times / tick - np.rint(times / tick)) <= _EPS))
    slots = int(max(0, (last[row] + size[row]).max(initial=0)))
    return Grid(question, tick, up, exact, row, size[row], first[row], last[row], slots, tuple(reserved))
