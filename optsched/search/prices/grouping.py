"""Equal jobs: those with the same rows, values and uses are one group of several units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, offsets, positions
from optsched.problem.problem import Problem
from optsched.problem.value_table import ValueTable, values_of

__all__ = ["Groups", "grouped"]

_WORTHWHILE = 2
"""Merge where it halves the jobs: groups are integers instead of binaries, which costs some strength."""

Entries = tuple[IntArray, IntArray, FloatArray]


@dataclass(frozen=True)
class Groups:
    """Which jobs are equal.

    group
        Of each job, shape ``(jobs,)``.
    example, many
        One job of each group, and how many it has: shapes ``(groups,)``.
    first_of_group
        Whether a job is its group's example, shape ``(jobs,)``.
    merged
        Whether any group has more than one job.
    """

    group: IntArray
    example: IntArray
    many: IntArray
    first_of_group: NDArray[np.bool_]
    merged: bool

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.example)


def grouped(problem: Problem | ValueTable, entries: Entries) -> Groups:
    """Return the groups of equal jobs, or every job on its own where that is not worthwhile.

    Jobs are told apart by a 64-bit sum of their entries; those of equal sums are compared row by row.
    """
    table = values_of(problem)
    jobs = table.jobs
    alone = Groups(np.arange(jobs), np.arange(jobs), np.ones(jobs, dtype=np.int64), np.ones(jobs, dtype=bool), False)
    if jobs < 2:
        return alone
    value = table.value
    # few jobs are equal where few share their best value: that is quickly seen
    some = np.flatnonzero(np.diff(table.first) > 0)
    if len(some) and (len(np.unique(np.maximum.reduceat(value, table.first[some]))) - 1) * _WORTHWHILE > jobs:
        return alone
    key = _keys(table, entries)
    _, example, group = np.unique(key, return_index=True, return_inverse=True)
    if len(example) * _WORTHWHILE > jobs or not _same(table, entries, example[group]):
        return alone
    # groups in the order of their first jobs, so that their rows keep the order of the table
    order = np.argsort(example)
    group, example = positions(order, len(order))[group], example[order]
    leads = np.zeros(jobs, dtype=bool)
    leads[example] = True
    return Groups(group, example, np.bincount(group), leads, True)


def _keys(table: ValueTable, entries: Entries) -> NDArray[np.uint64]:
    """Return a number for each job that equal jobs share and others rarely do."""
    row, resource, amount = entries
    place = (np.arange(len(table)) - table.first[table.job]).astype(np.uint64)
    total = _mixed(table.value.view(np.uint64) ^ _mixed(place))
    parts = _mixed(
        amount.astype(np.float64).view(np.uint64) ^ _mixed(place[row] << np.uint64(20) ^ resource.astype(np.uint64))
    )
    key = _mixed(np.diff(table.first).astype(np.uint64) * np.uint64(2) + table.required)
    np.add.at(key, table.job, total)
    np.add.at(key, table.job[row], parts)
    return key


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a bijective mix of 64-bit numbers (splitmix64: Steele, Lea and Flood, OOPSLA'14)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _same(table: ValueTable, entries: Entries, twin: IntArray) -> bool:
    """Return whether every job equals its twin, shape ``(jobs,)``, in values, uses and what is required."""
    if np.any(np.diff(table.first) != np.diff(table.first)[twin]) or np.any(table.required != table.required[twin]):
        return False
    other = np.arange(len(table)) - table.first[table.job] + table.first[twin[table.job]]
    if np.any(table.value != table.value[other]):
        return False
    row, resource, amount = entries
    order = np.lexsort((resource, row))
    row, resource, amount = row[order], resource[order], amount[order]
    begin = offsets(np.bincount(row, minlength=len(table)))
    count = np.diff(begin)
    if np.any(count != count[other]):
        return False
    mate = np.arange(len(row)) - begin[row] + begin[other[row]]
    return bool(np.all(resource == resource[mate]) and np.all(amount == amount[mate]))
