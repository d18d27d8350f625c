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
from optsched.search.prices.table import Table

__all__ = ["Descent", "Spread", "descend", "first_guess"]

_NEGLIGIBLE = 30.0
"""Rows this many temperatures below the best have a weight of e^-30 and are left out."""

SPREAD = 200_000
"""Rows of a block that travels: a few MB, which take no longer to send than some passes over them."""


@dataclass(frozen=True)
class Descent:
    """Prices, shape ``(resources,)``, the passes that they took, and whether Newton's method came to rest."""

    prices: FloatArray
    passes: int
    settled: bool = True


def first_guess(table: Table) -> FloatArray:
    """Return half the mean value per unit of each resource, over the rows that use it."""
    value, count = np.zeros(table.resources), np.zeros(table.resources)
    rows = np.arange(0, len(table), max(1, len(table) // 20_000))
    place, resource, amount = table.entries(rows)
    some = amount > 0
    place, resource, amount = place[some], resource[some], amount[some]
    np.add.at(value, resource, np.maximum(table.value[rows[place]], 0.0) / amount)
    np.add.at(count, resource, 1.0)
    return 0.5 * value / np.maximum(count, 1.0)


def descend(table: Table, prices: FloatArray, temperature: float, steps: int, spread: Spread | None = None) -> Descent:
    """Minimize the smoothed dual over prices >= 0 by at most so many Newton steps.

    Parameters
    ----------
    temperature
        As a part of each group's best value.
    spread
        The table in blocks on other processes, which pass over them.
    """
    best = np.maximum.reduceat(table.value, table.first[:-1])
    heat = temperature * np.where(best > 0, best, 1.0)
    # the longest step; a price that nothing tells of may rise by a mean job's best value
    roof = 4.0 * np.maximum(first_guess(table), prices)
    roof[roof == 0] = 1.0
    found = minimize(
        lambda at: _evaluate(table, at, heat, spread),
        prices,
        steps=steps,
        tolerance=1e-9,
        last=1e-6 * temperature,
        longest=roof,
    )
    return Descent(found.point, found.evaluations, found.settled)


class Spread:
    """A table in blocks on an executor, each of about so many rows."""

    def __init__(self, table: Table, executor: Executor, rows: int = SPREAD) -> None:
        self.ranges = spans(table, rows)
        self._blocks = Blocks(executor, [table.part(begin, end) for begin, end in self.ranges])

    def collect(self, prices: FloatArray, heat: FloatArray) -> list[Local]:
        """Return what a pass collects of each block."""
        return self._blocks.map(_collect, [(prices, heat[begin:end]) for begin, end in self.ranges])


def _evaluate(table: Table, prices: FloatArray, heat: FloatArray, spread: Spread | None) -> Local:
    parts = [_collect(table, prices, heat)] if spread is None else spread.collect(prices, heat)
    return Local(
        float(table.capacity @ prices) + sum(part.value for part in parts),
        table.capacity - np.sum([part.gradient for part in parts], axis=0),
        np.sum([part.hessian for part in parts], axis=0),
    )


def _collect(table: Table, prices: FloatArray, heat: FloatArray) -> Local:
    """Return what the units of a table add to the smoothed dual, what they use, and the covariance of that."""
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
