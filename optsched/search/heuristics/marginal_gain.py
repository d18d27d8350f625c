"""Marginal gain: give the next GPUs to the job that gains most by them.

Peng et al., "Optimus" (EuroSys'18, sec. 4.1, algorithm 1), for any number of resources: each step
looks at all better configurations of a job, in every pool, and takes the one of the largest gain
per share of the cluster, so that a dip of the curve at a node boundary is stepped over.
"""

from __future__ import annotations

import heapq
import time

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, stretches
from optsched.problem.problem import Problem

__all__ = ["current_allocation", "improve", "improving_rows", "marginal_gain", "take", "used"]

_CLOSE = 1e-9
"""Part of a capacity by which a step may miss what is free and still be looked at."""


def marginal_gain(problem: Problem, deadline: float | None = None) -> IntArray:
    """Return the chosen row of each job, shape ``(jobs,)``, -1 for none.

    The plan keeps all capacities and the limit on moves. Required jobs come first, those with the
    fewest configurations before the others; one that finds no room is left out, so that the plan
    may miss it.

    Parameters
    ----------
    deadline
        On the clock of ``time.monotonic``: the plan as it is then is returned.
    """
    table = problem.configurations
    rows, free = current_allocation(problem)
    frozen = rows >= 0
    required = np.flatnonzero(problem.required & (rows < 0))
    for job in required[np.argsort(np.diff(table.first)[required], kind="stable")].tolist():
        own = improving_rows(problem, job, rows, free)
        if len(own):
            row = int(own[np.argmin(_shares(problem, own))])
            take(problem, row, free)
            rows[job] = row
    return improve(problem, rows, deadline, frozen=frozen)


def current_allocation(problem: Problem) -> tuple[IntArray, FloatArray]:
    """Return the row of each job, -1 for none, and what is free, where only those run who may not move.

    Where moves are limited, what is held stays: the only moves are then those of jobs that cannot keep what they hold.
    """
    table = problem.configurations
    rows, free = np.full(table.jobs, -1, dtype=np.int64), table.capacity.copy()
    if problem.instance.max_moves is not None:
        for row in np.flatnonzero(table.kept).tolist():
            if _fits(problem, row, free):
                take(problem, row, free)
                rows[table.job[row]] = row
    return rows, free


def improve(
    problem: Problem,
    rows: IntArray,
    deadline: float | None = None,
    *,
    frozen: NDArray[np.bool_] | None = None,
) -> IntArray:
    """Return a plan in which no job can gain from what is left, starting from a feasible one.

    No job loses. For a sum, the job of the largest gain per share of the cluster steps first; for a
    minimum, the job of the least value steps first, by the smallest share.
    """
    table = problem.configurations
    least = problem.objective.aggregate != "sum"
    rows = rows.copy()
    free = table.capacity - used(problem, rows)
    queue: list[tuple[float, int, int]] = []

    def push(job: int) -> None:
        step = _step(problem, job, rows, free, least)
        if step is not None:
            heapq.heappush(queue, (step[0], job, step[1]))

    hopeful = _hopeful(problem, rows, free)
    for number, job in enumerate(np.flatnonzero(hopeful if frozen is None else hopeful & ~frozen).tolist()):
        push(job)
        if deadline is not None and number % 256 == 0 and time.monotonic() > deadline:
            break
    while queue and (deadline is None or time.monotonic() <= deadline):
        key, job, _ = heapq.heappop(queue)
        step = _step(problem, job, rows, free, least)  # what is free may have changed since it was queued
        if step is None:
            continue
        if step[0] > key and queue and step[0] > queue[0][0]:
            heapq.heappush(queue, (step[0], job, step[1]))
            continue
        if rows[job] >= 0:
            take(problem, int(rows[job]), free, -1.0)
        take(problem, step[1], free)
        rows[job] = step[1]
        push(job)
    return rows


def _hopeful(problem: Problem, rows: IntArray, free: FloatArray) -> NDArray[np.bool_]:
    """Return which jobs may have a better row, all that have one among them, shape ``(jobs,)``."""
    from scipy.sparse import csr_array

    table = problem.configurations
    now = rows[table.job]
    useful = (now < 0) | (problem.value > problem.value[now])
    row, resource, amount = table.used
    taken = csr_array((amount, (row, resource)), shape=(len(table), len(free)))
    held = csr_array((len(table), len(free)))
    if (runs := np.flatnonzero(now >= 0)).size:
        held = csr_array((np.ones(len(runs)), (runs, now[runs])), shape=(len(table), len(table))) @ taken
    more = (taken - held).tocoo()
    at, of = more.coords
    short = (more.data > free[of] + _CLOSE * table.capacity[of]) & (free[of] >= 0)
    useful[at[short]] = False
    return np.bincount(table.job[useful], minlength=table.jobs) > 0


def _step(problem: Problem, job: int, rows: IntArray, free: FloatArray, least: bool) -> tuple[float, int] | None:
    """Return the priority (small first) and the row of a job's best step; None where it has none."""
    own = improving_rows(problem, job, rows, free)
    if len(own) == 0:
        return None
    now = rows[job]
    value, share = (problem.value[now], float(_shares(problem, rows[job : job + 1])[0])) if now >= 0 else (0.0, 0.0)
    more = np.maximum(_shares(problem, own) - share, 1e-12)
    if least:
        return float(value), int(own[np.argmin(more)])
    gain = (problem.value[own] - value) / more
    best = int(np.argmax(gain))
    return -float(gain[best]), int(own[best])


def improving_rows(problem: Problem, job: int, rows: IntArray, free: FloatArray) -> IntArray:
    """Return the rows of a job that are worth more than what it has and that fit what is free."""
    table = problem.configurations
    begin, end = table.first[job], table.first[job + 1]
    now = rows[job]
    room = free
    if now >= 0:
        room = free.copy()
        take(problem, int(now), room, -1.0)
    value = problem.value[begin:end]
    known = float(problem.value[now]) if now >= 0 else -np.inf if problem.required[job] else 0.0
    useful = value > (known + 1e-12 * abs(known) if now >= 0 else known)
    start, resource, amount = table.used_by_row
    span = slice(start[begin], start[end])
    local = np.repeat(np.arange(end - begin), np.diff(start[begin : end + 1]))
    short = (amount[span] > room[resource[span]] * (1 + 1e-12)) & (room[resource[span]] >= 0)
    if short.any():
        useful &= np.bincount(local, weights=short, minlength=end - begin) == 0
    for floor in np.flatnonzero(room < 0).tolist():
        # what is below a floor may stay so, and no step leads further down
        mine = resource[span] == floor
        taken = np.bincount(local[mine], weights=amount[span][mine], minlength=end - begin)
        before = taken[now - begin] if now >= 0 else 0.0
        useful &= taken <= np.maximum(room[floor] + 1e-12 * abs(room[floor]), before)
    return np.arange(begin, end)[useful]


def _shares(problem: Problem, rows: IntArray) -> FloatArray:
    """Return the part of the cluster that rows take: the sum over resources of what they use over the capacity."""
    table = problem.configurations
    start, resource, amount = table.used_by_row
    sizes = start[rows + 1] - start[rows]
    entry = stretches(start[rows], sizes)
    # what a floor counts takes nothing of the cluster
    parts = np.maximum(amount[entry], 0.0) / np.maximum(table.capacity[resource[entry]], 1e-9)
    return np.asarray(
        np.bincount(np.repeat(np.arange(len(rows)), sizes), weights=parts, minlength=len(rows)), dtype=np.float64
    )


def used(problem: Problem, rows: IntArray) -> FloatArray:
    """Return what a plan uses of each resource."""
    start, resource, amount = problem.configurations.used_by_row
    chosen = rows[rows >= 0]
    entry = stretches(start[chosen], start[chosen + 1] - start[chosen])
    taken = np.bincount(resource[entry], weights=amount[entry], minlength=len(problem.configurations.capacity))
    return np.asarray(taken, dtype=np.float64)


def _fits(problem: Problem, row: int, free: FloatArray) -> bool:
    start, resource, amount = problem.configurations.used_by_row
    span = slice(start[row], start[row + 1])
    room = free[resource[span]]
    return bool(np.all((amount[span] <= room * (1 + 1e-12)) | (amount[span] < 0)))


def take(problem: Problem, row: int, free: FloatArray, sign: float = 1.0) -> None:
    """Take what a row uses from what is free (or give it back), in place."""
    start, resource, amount = problem.configurations.used_by_row
    span = slice(start[row], start[row + 1])
    np.subtract.at(free, resource[span], sign * amount[span])
