"""Evaluate the Lagrangian dual at given prices, and the loss of each row against its job's best row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.problem import Problem
from optsched.problem.value_table import ValueTable, values_of
from optsched.search.prices.table import ROOM, PriceTable, relieved

__all__ = ["BLOCK", "DualPoint", "dual_bound", "evaluate", "spans"]

BLOCK = 32_768
"""Rows at a time: their few temporary arrays of 8 bytes stay in a second-level cache."""


@dataclass(frozen=True)
class DualPoint:
    """The Lagrangian dual at given prices.

    prices
        Shape ``(resources,)``, per unit of ``PriceTable.scale``.
    dual
        The Lagrangian dual in units of ``PriceTable.scale``.
    loss
        Best reduced value of the row's group less its own, >= 0: shape ``(n,)``.
    best
        A row of each group without loss, shape ``(groups,)``.
    used
        What all units use on those rows, shape ``(resources,)``.
    """

    prices: FloatArray
    dual: float
    loss: FloatArray
    best: IntArray
    used: FloatArray


def spans(table: PriceTable, rows: int = BLOCK) -> list[tuple[int, int]]:
    """Return ranges of groups of about ``rows`` rows each."""
    cuts = np.searchsorted(table.first, np.arange(0, len(table) + rows, rows))
    cuts = np.unique(np.minimum(np.append(cuts, table.groups), table.groups))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def evaluate(table: PriceTable, prices: FloatArray, loss: FloatArray | None = None) -> DualPoint:
    """Evaluate the dual ``b'p + sum_g m_g max_c (v_c - a_c'p)`` and its argmax.

    Parameters
    ----------
    loss
        An array to fill, shape ``(n,)``.
    """
    loss = np.empty(len(table)) if loss is None else loss
    best = np.empty(table.groups, dtype=np.int64)
    dual = float(table.capacity @ prices)
    for begin, end in spans(table):
        low, high = int(table.first[begin]), int(table.first[end])
        first = table.first[begin:end] - low
        size = np.diff(table.first[begin : end + 1])
        reduced = table.costs(prices, low, high)
        np.subtract(table.value[low:high], reduced, out=reduced)
        most = np.maximum.reduceat(reduced, first)
        np.subtract(np.repeat(most, size), reduced, out=loss[low:high])
        # the last of several rows without loss wins the assignment, so they are taken backwards
        ties = np.flatnonzero(loss[low:high] == 0)[::-1]
        owner = np.repeat(np.arange(begin, end), size)[ties] if len(ties) > end - begin else np.arange(begin, end)[::-1]
        best[owner] = ties + low
        dual += float(table.many[begin:end] @ most)
    return DualPoint(prices, dual, loss, best, table.used(best, table.many))


def dual_bound(problem: Problem | ValueTable, prices: FloatArray, move_price: float) -> float:
    """Return the Lagrangian dual value, which bounds every plan for *any* prices >= 0.

    Computed from the values themselves in one plain pass, independent of the engine's table; rows that
    alone exceed a capacity are in no plan and do not count.

    Parameters
    ----------
    prices
        Of the resources, shape ``(resources,)``; those without a limit are priced at 0.
    move_price
        Price of one more reallocation; 0 where reallocations are not limited.
    """
    table = values_of(problem)
    limited = np.isfinite(table.capacity)
    prices = np.where(limited, np.maximum(prices, 0.0), 0.0)
    reduced = table.value.copy()
    given = relieved(table.used[1], table.used[2], len(prices))
    # a block of entries at a time, since there may be a hundred million
    for begin in range(0, len(table.used[0]), 1 << 22):
        part = slice(begin, begin + (1 << 22))
        row, resource, amount = table.used[0][part], table.used[1][part], table.used[2][part]
        np.subtract.at(reduced, row, prices[resource] * amount)
        over = (amount > table.capacity[resource] * (1 + ROOM)) & ~given[resource]
        reduced[row[over]] = -np.inf
    total = float(table.capacity[limited] @ prices[limited])
    if (fewest := table.fewest_kept) is not None:
        move_price = max(0.0, move_price)
        reduced += move_price * table.kept
        total -= move_price * fewest
    most = np.full(table.jobs, -np.inf)
    some = np.flatnonzero(np.diff(table.first) > 0)
    if len(some):
        most[some] = np.maximum.reduceat(reduced, table.first[some])
    return total + float(np.where(table.required, most, np.maximum(most, 0.0)).sum())
