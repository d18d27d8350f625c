"""Dominance: rows that another row of the job replaces without loss, wherever they are placed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, even_split
from optsched.problem.configurations import rising, sampled
from optsched.problem.problem import Problem

__all__ = ["non_dominated"]

_RATES = 17


def non_dominated(problem: Problem) -> NDArray[np.bool_]:
    """Return which rows are not dominated, shape ``(n,)``.

    A row is dominated by another row of its job, in the same pool and without parameter servers, that has no more
    pieces, of which the k-th largest is no larger than the row's own k-th largest, and at least the same value at every
    network rate: wherever the row is placed, the other can be placed instead, uses no more of anything and crosses no
    more links. Current allocations are kept, and so are rows of jobs with a deadline or a budget, whose slowest rates
    differ.
    """
    table = problem.configurations
    if any(name.startswith("limit ") for name in table.resource_names):
        return np.ones(len(table), dtype=bool)  # what a row is worth in other objectives counts, too
    columns = table.columns
    rated = np.flatnonzero(~np.isnan(table.slowest))
    # between two rates, a rising curve lies between its values at both ends; other curves may do anything
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
        place = (
            columns.pool[own] if table.stand is None else columns.pool[own] * (len(own) + 1) + _ranks(table.stand[own])
        )
        own = own[np.argsort(place, kind="stable")]
        for rows in np.split(own, np.flatnonzero(np.diff(np.sort(place))) + 1):
            shape = np.concatenate([columns.gpus[rows], columns.nodes[rows]]).tobytes()
            if shape not in known:
                known[shape] = _inside(columns.gpus[rows], columns.nodes[rows])
            keep[rows[_dominated(known[shape], below[rows], above[rows])]] = False
    return keep


def _ranks(stand: IntArray) -> IntArray:
    """Return small numbers that tell sets of servers apart, shape of ``stand``."""
    return np.asarray(np.unique(stand, return_inverse=True)[1].ravel(), dtype=np.int64)


class Pairs(NamedTuple):
    """Rows, and others whose pieces fit inside theirs; ``later``: equal pairs in which the other row comes later."""

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


def _dominated(pairs: Pairs, below: FloatArray, above: FloatArray) -> IntArray:
    """Return the dominated rows of one job in one pool, from bounds on their values, shape ``(n, rates)`` each."""
    row, other, later = pairs
    for rate in range(below.shape[1]):
        dominates = below[other, rate] >= above[row, rate]
        row, other, later = row[dominates], other[dominates], later[dominates]
    # of two rows that dominate each other, the first is kept
    mutual = later & (below[row] >= above[other]).all(axis=1)
    return row[~mutual]
