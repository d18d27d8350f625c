"""Rows that others make needless: what fits inside their pieces and is worth as much at every network rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optsched.problem import Problem

__all__ = ["needed"]

_RATES = 17


def needed(problem: Problem) -> NDArray[np.bool_]:
    """Return which rows some best plan may need, shape ``(n,)``.

    A row is needless if another of its job, in the same pool and without parameter servers, has no more pieces, of
    which the k-th largest is no larger than its own k-th largest, and is worth as much at every rate: wherever the
    first stands, the second can stand in its place, takes no more of anything and crosses no more links. What
    is held now stays, and so does a row of a job with deadline or budget, whose slowest rates differ.
    """
    table = problem.configurations
    ways = table.ways
    rated = np.flatnonzero(~np.isnan(table.slowest))
    # from below: the true values at some rates; from above: those that lie nowhere below, between them, too
    above = np.repeat(problem.value[:, None], _RATES, axis=1)
    below = above.copy()
    if len(rated):
        gbps, value = problem.over_rates(rated, _RATES)
        above[rated] = value
        true = problem.values(rated.repeat(_RATES), gbps.ravel()).reshape(gbps.shape)
        # between two rates a value is at least the less of both if it only rises or only falls
        below[rated] = np.minimum(true, np.column_stack([true[:, :1], true[:, :-1]]))
        above[rated, :-1] = np.maximum(value[:, :-1], value[:, 1:])
    keep = np.ones(len(table), dtype=bool)
    for job in range(table.jobs):
        own = np.arange(table.first[job], table.first[job + 1])
        timed = problem.instance.jobs[job].deadline_s is not None or problem.instance.jobs[job].budget is not None
        own = own[(ways.servers[own] == 0) & ~table.kept[own]]
        if timed or problem.instance.jobs[job].configurations:
            continue
        for pool in np.unique(ways.pool[own]).tolist():
            rows = own[ways.pool[own] == pool]
            keep[rows] = ~_needless(ways.gpus[rows], ways.nodes[rows], below[rows], above[rows])
    return keep


def _needless(gpus: NDArray[np.int64], nodes: NDArray[np.int64], below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return which of one job's rows in one pool are needless, shape ``(n,)``."""
    whole, more = np.divmod(gpus, nodes)
    place = np.arange(int(nodes.max(initial=1)))
    piece = np.where(place < nodes[:, None], whole[:, None] + (place < more[:, None]), 0)
    # [row, other]: the other stands inside the row, and is worth as much at every rate
    other: NDArray[np.bool_] = np.ones((len(gpus), len(gpus)), dtype=bool)
    for k in range(piece.shape[1]):
        other &= piece[None, :, k] <= piece[:, None, k]
    for k in range(below.shape[1]):
        other &= below[None, :, k] >= above[:, None, k]
    np.fill_diagonal(other, False)
    equal = other & other.T
    first = np.arange(len(gpus))
    other &= ~(equal & (first[None, :] > first[:, None]))
    return np.asarray(other.any(axis=1))
