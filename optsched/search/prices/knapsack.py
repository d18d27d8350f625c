"""Improve a plan one resource at a time: who holds how much of it is a multiple-choice knapsack, solved exactly.

Repair and fill move single units, and leave a plan in which no single move gains. What is left to gain is in moves of
several units that together use a resource to the last piece. With all else as it is, the best use of one resource is
a multiple-choice knapsack, which dynamic programming over its capacity solves (Dudzinski and Walukiewicz, EJOR 28
(1987)): each unit keeps its row, or takes one of its rows of the resource. Rows of a loss above some part of what the
whole plan loses are left out, so that few are left.
"""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.search.prices.dual import DualPoint
from optsched.search.prices.table import ROOM, PriceTable

__all__ = ["applies", "best_use"]

_CELLS = 20_000_000
"""Most steps of the dynamic program of one resource, each a sum and a comparison: some 50 ms."""


def applies(table: PriceTable) -> bool:
    """Return whether rows take whole amounts of one resource each, and every group is one unit."""
    if table.matrix is not None or table.many.max(initial=0) != 1:
        return False
    return bool(np.all(table.amount == np.floor(table.amount)) and table.amount.min(initial=0.0) >= 0)


def best_use(table: PriceTable, seen: DualPoint, units: IntArray, resource: int, most: float) -> IntArray | None:
    """Return the best plan in which other resources are used no more; None where it would take too long, or is none.

    Parameters
    ----------
    units
        A feasible plan, shape ``(n,)``.
    most
        Loss beyond which rows are not looked at.
    """
    held = np.flatnonzero(units)
    inside = (seen.loss <= most) & ((table.resource == resource) | (table.amount == 0))
    inside[held] = True
    rows = np.flatnonzero(inside)
    group = table.group_of(rows)
    choosing = np.bincount(group, minlength=table.groups) > 1
    rows, group = rows[choosing[group]], group[choosing[group]]
    if len(rows) == 0:
        return None
    mine = held[choosing[table.group_of(held)]]
    takes = np.where(table.resource == resource, table.amount, 0.0)
    limit = table.capacity[resource]
    left = limit + ROOM * abs(limit) - float(takes[held].sum() - takes[mine].sum())
    if not 0 <= left * len(rows) <= _CELLS:
        return None
    start = np.flatnonzero(np.diff(group, prepend=-1))
    chosen = _knapsack(table.value[rows], takes[rows].astype(np.int64), start, int(left))
    if chosen is None:
        return None
    better = units.copy()
    better[mine] = 0
    better[rows[chosen]] = 1
    return better


def _knapsack(value: FloatArray, amount: IntArray, start: IntArray, capacity: int) -> IntArray | None:
    """Return one entry of each group, of the greatest sum of values whose amounts fit; None if there is none.

    Entries of group k are ``start[k]:start[k + 1]``.
    """
    ends = np.append(start[1:], len(value))
    best = np.zeros(capacity + 1)
    picks = np.empty((len(start), capacity + 1), dtype=np.int16)
    for k, (begin, end) in enumerate(zip(start.tolist(), ends.tolist(), strict=True)):
        following = np.full(capacity + 1, -np.inf)
        pick = picks[k]
        pick[:] = 0
        for number, (worth, size) in enumerate(zip(value[begin:end].tolist(), amount[begin:end].tolist(), strict=True)):
            if size > capacity:
                continue
            reached = best[: capacity + 1 - size] + worth
            better = reached > following[size:]
            np.copyto(following[size:], reached, where=better)
            np.copyto(pick[size:], number, where=better)
        best = following
    if best[capacity] == -np.inf:
        return None
    chosen = np.empty(len(start), dtype=np.int64)
    room = capacity
    for k in range(len(start) - 1, -1, -1):
        chosen[k] = start[k] + int(picks[k, room])
        room -= int(amount[chosen[k]])
    return chosen
