"""The exact Pareto front of time, cost and risk, in O(n log n) for any number of configurations."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from optsched._util.arrays import FloatArray, IntArray

__all__ = ["pareto"]


def pareto(time: FloatArray, cost: FloatArray, risk: FloatArray) -> IntArray:
    """Return the rows that no other row beats, in the order of their time; of equal rows the first.

    A row beats another where it is at most as large in all three and smaller in one. Rows are swept by time; of those
    before, a staircase of (cost, risk) tells whether one has at most as much of both (Kung, Luccio and Preparata,
    J. ACM 22, 1975).
    """
    kept: list[int] = []
    costs: list[float] = []  # rising
    risks: list[float] = []  # falling
    for row in np.lexsort((np.arange(len(time)), risk, cost, time)).tolist():
        mine, danger = float(cost[row]), float(risk[row])
        before = bisect_right(costs, mine)
        if before and risks[before - 1] <= danger:
            continue
        start = bisect_left(costs, mine)
        end = start
        while end < len(costs) and risks[end] >= danger:
            end += 1
        costs[start:end], risks[start:end] = [mine], [danger]
        kept.append(row)
    return np.array(kept, dtype=np.int64)
