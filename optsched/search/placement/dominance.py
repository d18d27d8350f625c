"""Rows that others make needless: what fits inside their pieces and is worth as much at every network rate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, even_split
from optsched.problem.configurations import rising, sampled
from optsched.problem.problem import Problem

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
    columns = table.columns
    rated = np.flatnonzero(~np.isnan(table.slowest))
    # between two rates, what is known to rise is worth what it is at either of them, and other curves may do anything
    above = np.repeat(problem.value[:, None], _RATES - 1, axis=1)
    below = above.copy()
    if len(rated) == 0:  # values know no rates
        above, below = above[:, :1], below[:, :1]
    else:
        _, throughput, _ = sampled(problem.instance, table, rated, _RATES)
        value = problem.valued(rated, throughput)
        rises = rising(problem.instance, table, rated)[:, None]
        below[rated] = np.where(rises, value[:, :-1], -np.inf)
        above[rated] = np.where(rises, value[:, 1:], problem.value[rated, None])
    keep = np.ones(len(table), dtype=bool)
    known: dict[bytes, Pairs] = {}  # most jobs have the same counts in a pool
    for job, owner in enumerate(problem.instance.jobs):
        if owner.deadline_s is not None or owner.budget is not None or owner.configurations:
            continue
        own = np.arange(table.first[job], table.first[job + 1])
        own = own[(columns.servers[own] == 0) & ~table.kept[own]]
        for rows in np.split(own, np.flatnonzero(np.diff(columns.pool[own])) + 1):
            shape = np.concatenate([columns.gpus[rows], columns.nodes[rows]]).tobytes()
            if shape not in known:
                known[shape] = _inside(columns.gpus[rows], columns.nodes[rows])
            keep[rows[_needless(known[shape], below[rows], above[rows])]] = False
    return keep


class Pairs(NamedTuple):
    """Rows, and others whose pieces stand inside theirs; ``later``: equal ones, of which the other comes later."""

    row: IntArray
    other: IntArray
    later: NDArray[np.bool_]


def _inside(gpus: IntArray, nodes: IntArray) -> Pairs:
    """Return the pairs of different rows of which the other's k-th largest piece is never larger."""
    size, count = even_split(gpus, nodes)
    place = np.arange(int(nodes.max(initial=1)))
    piece = np.where(place < nodes[:, None], np.where(place < count[:, :1], size[:, :1], size[:, 1:]), 0)
    inside = np.ones((len(gpus), len(gpus)), dtype=bool)
    for k in place.tolist():
        inside &= piece[None, :, k] <= piece[:, None, k]
    equal = inside & inside.T
    np.fill_diagonal(inside, False)
    row, other = np.nonzero(inside)
    return Pairs(row, other, equal[row, other] & (other > row))


def _needless(pairs: Pairs, below: FloatArray, above: FloatArray) -> IntArray:
    """Return the rows of one job in one pool that others make needless, from their values, shape ``(n, rates)``."""
    row, other, later = pairs
    for rate in range(below.shape[1]):
        worth = below[other, rate] >= above[row, rate]
        row, other, later = row[worth], other[worth], later[worth]
    # of two that make each other needless, the first stays
    mutual = later & (below[row] >= above[other]).all(axis=1)
    return row[~mutual]
