"""Prices by Newton's method on the smoothed dual.

With a temperature t_g for each group, ``max_c r_gc`` becomes ``t_g log sum_c exp(r_gc / t_g)``: the
dual is then smooth and strictly convex where anything competes, and its Hessian is the sum over
groups of the covariance of what they take, over t_g, which one pass collects. The steps needed do
not grow with the number of prices, unlike those of cutting planes. Smoothing: Nesterov, Math. Prog.
103 (2005); the projected Newton step: Bertsekas, SIAM J. Control Optim. 20 (1982).
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched._util.executors import Blocks
from optsched._util.newton import Local, minimize
from optsched.search.prices.dual import spans
from optsched.search.prices.table import PriceTable

__all__ = ["Descent", "DistributedTable", "descend", "first_guess"]

_NEGLIGIBLE = 30.0
"""Rows this many temperatures below the best have a weight below e^-30 and are skipped."""

SPREAD = 200_000
"""Rows of a block on another process: a few MB, which are sent in the time of some evaluations."""


@dataclass(frozen=True)
class Descent:
    """Prices, shape ``(resources,)``, the number of evaluations, and whether Newton's method converged."""

    prices: FloatArray
    passes: int
    settled: bool = True


def first_guess(table: PriceTable) -> FloatArray:
    """Return half the mean value per unit of each resource, over the rows that use it."""
    value, count = np.zeros(table.resources), np.zeros(table.resources)
    rows = np.arange(0, len(table), max(1, len(table) // 20_000))
    place, resource, amount = table.entries(rows)
    some = amount > 0
    place, resource, amount = place[some], resource[some], amount[some]
    np.add.at(value, resource, np.maximum(table.value[rows[place]], 0.0) / amount)
    np.add.at(count, resource, 1.0)
    return 0.5 * value / np.maximum(count, 1.0)


def descend(
    table: PriceTable, prices: FloatArray, temperature: float, steps: int, distributed: DistributedTable | None = None
) -> Descent:
    """Minimize the smoothed dual over prices >= 0 in at most ``steps`` Newton steps.

    Parameters
    ----------
    temperature
        As a fraction of each group's best value.
    distributed
        The table in blocks on other processes, which evaluate them.
    """
    best = np.maximum.reduceat(table.value, table.first[:-1])
    heat = temperature * np.where(best > 0, best, 1.0)
    # the longest step; a price that no row informs may rise by a mean job's best value
    roof = 4.0 * np.maximum(first_guess(table), prices)
    roof[roof == 0] = 1.0
    found = minimize(
        lambda at: _evaluate(table, at, heat, distributed),
        prices,
        steps=steps,
        tolerance=1e-9,
        last=1e-6 * temperature,
        longest=roof,
    )
    return Descent(found.point, found.evaluations, found.settled)


class DistributedTable:
    """A table in blocks of about ``rows`` rows on an executor."""

    def __init__(self, table: PriceTable, executor: Executor, rows: int = SPREAD) -> None:
        self.ranges = spans(table, rows)
        self._blocks = Blocks(executor, [table.part(begin, end) for begin, end in self.ranges])

    def collect(self, prices: FloatArray, heat: FloatArray) -> list[Local]:
        """Evaluate the smoothed dual of each block."""
        return self._blocks.map(_collect, [(prices, heat[begin:end]) for begin, end in self.ranges])


def _evaluate(table: PriceTable, prices: FloatArray, heat: FloatArray, distributed: DistributedTable | None) -> Local:
    parts = [_collect(table, prices, heat)] if distributed is None else distributed.collect(prices, heat)
    return Local(
        float(table.capacity @ prices) + sum(part.value for part in parts),
        table.capacity - np.sum([part.gradient for part in parts], axis=0),
        np.sum([part.hessian for part in parts], axis=0),
    )


def _collect(table: PriceTable, prices: FloatArray, heat: FloatArray) -> Local:
    """Return the smoothed dual of a table's units, what they use, and the covariance of what they use."""
    resources = table.resources
    value = 0.0
    used, squares = np.zeros(resources), np.zeros((resources, resources))
    for begin, end in spans(table):
        low, high = int(table.first[begin]), int(table.first[end])
        size = np.diff(table.first[begin : end + 1])
        reduced = table.costs(prices, low, high)
        np.subtract(table.value[low:high], reduced, out=reduced)
        most = np.maximum.reduceat(reduced, table.first[begin:end] - low)
        warm, many = heat[begin:end], table.many[begin:end]
        reduced -= np.repeat(most, size)
        reduced *= np.repeat(1.0 / warm, size)
        rows = np.flatnonzero(reduced > -_NEGLIGIBLE)
        owner = np.repeat(np.arange(end - begin), size)[rows]
        weight = np.exp(reduced[rows])
        total = np.bincount(owner, weights=weight, minlength=end - begin)
        weight *= (many / total)[owner]
        value += float(many @ (most + warm * np.log(total)))
        place, resource, amount = table.entries(rows + low)
        part = weight[place] * amount
        mean = np.bincount(owner[place] * resources + resource, weights=part, minlength=(end - begin) * resources)
        mean = mean.reshape(-1, resources)
        used += mean.sum(axis=0)
        squares -= (mean / (warm * many)[:, None]).T @ mean
        if table.matrix is None:
            squares[np.diag_indices(resources)] += np.bincount(
                resource, weights=part * amount / warm[owner[place]], minlength=resources
            )
        else:
            taken = table.matrix[rows + low]
            squares += (taken.T @ taken.multiply((weight / warm[owner])[:, None])).toarray()
    return Local(value, used, squares)
