"""Speed-up: the next GPUs go to the job that they speed up most, relative to what it has.

The class of greedy schedulers by speed-up per added node (after Lin et al., MASCOTS'18): they know how jobs scale, and
neither weights nor the objective. A job that waits comes first, in the order of the file, on its fewest GPUs.
"""

from __future__ import annotations

import heapq
import time

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.problem import Problem
from optsched.search.heuristics.marginal_gain import current_allocation, improving_rows, take

__all__ = ["speed_up"]


def speed_up(problem: Problem, deadline: float | None = None) -> IntArray:
    """Return the chosen row of each job, shape ``(jobs,)``, -1 for none.

    A step goes to more GPUs of the same pool: that of the largest ``(rate' / rate - 1)`` by added GPU, so that a
    dip at a server's boundary is stepped over. Rates are goodputs, net of what a restart takes.
    """
    table = problem.configurations
    rows, free = current_allocation(problem)
    frozen = rows >= 0
    goodput, gpus, pool = table.columns.goodput * table.share, table.columns.gpus, table.columns.pool
    for job in np.argsort(~problem.required, kind="stable").tolist():
        own = improving_rows(problem, job, rows, free) if rows[job] < 0 else ()
        if len(own):
            first = int(own[np.lexsort((-goodput[own], gpus[own]))[0]])
            take(problem, first, free)
            rows[job] = first

    def step(job: int) -> tuple[float, int] | None:
        now = int(rows[job])
        begin, end = table.first[job], table.first[job + 1]
        own = np.arange(begin, end)
        own = own[(pool[own] == pool[now]) & (gpus[own] > gpus[now]) & (goodput[own] > goodput[now])]
        own = own[_room(problem, now, own, free)]
        if len(own) == 0:
            return None
        gain = (goodput[own] / goodput[now] - 1) / (gpus[own] - gpus[now])
        return -float(gain.max()), int(own[np.argmax(gain)])

    queue = [(found[0], job) for job in np.flatnonzero((rows >= 0) & ~frozen).tolist() if (found := step(job))]
    heapq.heapify(queue)
    while queue and (deadline is None or time.monotonic() <= deadline):
        key, job = heapq.heappop(queue)
        found = step(job)  # what is free may have changed since it was queued
        if found is None:
            continue
        if found[0] > key and queue and found[0] > queue[0][0]:
            heapq.heappush(queue, (found[0], job))
            continue
        take(problem, int(rows[job]), free, -1.0)
        take(problem, found[1], free)
        rows[job] = found[1]
        if again := step(job):
            heapq.heappush(queue, (again[0], job))
    return rows


def _room(problem: Problem, now: int, rows: IntArray, free: FloatArray) -> np.typing.NDArray[np.bool_]:
    """Return which rows fit what is free once a row is given back, shape of ``rows``."""
    start, resource, amount = problem.configurations.used_by_row
    room = free.copy()
    take(problem, now, room, -1.0)
    fits = [
        bool(np.all(amount[start[row] : start[row + 1]] <= room[resource[start[row] : start[row + 1]]] * (1 + 1e-12)))
        for row in rows.tolist()
    ]
    return np.array(fits, dtype=bool)
