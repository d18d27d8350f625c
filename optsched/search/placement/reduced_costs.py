"""Reduced values of rows at prices, in their best domain and at their best rate, sampling only the promising rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, foremost, run_starts
from optsched.problem.problem import Problem
from optsched.search.placement.domains import PlacementDomains
from optsched.search.prices.table import ROOM, relieved

__all__ = ["Columns", "ReducedCosts", "dual_of", "loss_of"]

_CHUNK = 4096
"""Rows that are sampled at a time."""
_FIRST = 8
"""Rows of a job that are sampled in the first round; four times as many in each further one."""


class Columns(NamedTuple):
    """Columns: rows in slots of their shape at rates (nan: none), with their values; shape ``(n,)`` each."""

    row: IntArray
    slot: IntArray
    gbps: FloatArray
    value: FloatArray

    @staticmethod
    def none() -> Columns:
        """Return no columns."""
        return Columns(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))

    def joined(self, other: Columns) -> Columns:
        """Return the union with other columns, by rows."""
        row, slot, gbps, value = (np.concatenate(pair) for pair in zip(self, other, strict=True))
        known = np.nan_to_num(gbps)
        order = np.lexsort((known, slot, row))
        some = order[run_starts(row[order], slot[order], known[order])]
        return Columns(row[some], slot[some], gbps[some], value[some])


class _Block(NamedTuple):
    """Sampled rows: bounds on their values at samples of their rate; shape ``(n, count)`` except ``rows``.

    before
        The sample before each; the first one's own.
    value
        Nowhere below the true one, from the sample before to this one.
    """

    rows: IntArray
    before: FloatArray
    gbps: FloatArray
    value: FloatArray


class ReducedCosts:
    """Reduced values of all rows at the last prices.

    A row that is not sampled is bounded by its greatest value less its cost at its slowest rate. The value of a sampled
    row is linear between the samples of its rate, so its best rate is a sample, or the greatest rate for which a domain
    has capacity, which counts as the sample after it.

    Attributes
    ----------
    reduced
        Reduced value of each row, or a bound on it; -inf where the row fits nowhere.
    seen
        Which rows were sampled, or have no rate to choose.
    slot, gbps, value
        Of the best column of each sampled row.
    """

    def __init__(self, problem: Problem, domains: PlacementDomains, count: int) -> None:
        table = problem.configurations
        self._problem, self._stands, self._count = problem, domains, count
        self._blocks: list[_Block] = []
        self._slow = np.nan_to_num(table.slowest)
        row, resource, amount = table.used
        over = (amount > 0) & (amount > table.capacity[resource] + ROOM * np.abs(table.capacity[resource]))
        self._misfits = row[over & ~relieved(resource, amount, len(table.capacity))[resource]]
        self.seen = ~(table.slowest < table.columns.gbps)
        self.reduced, self.value = np.full(len(table), -np.inf), problem.value.copy()
        self.slot, self.gbps = np.zeros(len(table), dtype=np.int64), table.columns.gbps.copy()

    def at(self, prices: FloatArray, rounds: int) -> float:
        """Evaluate all rows at the prices of all resources, and return the dual, which bounds every plan.

        Parameters
        ----------
        rounds
            How often the most promising rows may be sampled.
        """
        problem, table = self._problem, self._problem.configurations
        every = len(table.capacity)
        self._base = table.costs(prices[:every])
        self._base[self._misfits] = np.inf
        self._fixed, self._sloped = self._stands.priced(prices[every:])
        cost, slot = self._cheapest(self._stands.shape, self._slow, self._slow)
        self.reduced = problem.value - self._base - cost
        self.slot[self.seen] = slot[self.seen]
        for block in self._blocks:
            self._take(block)
        most = _FIRST
        for _ in range(rounds):
            known = _best_of_jobs(problem, np.where(self.seen, self.reduced, -np.inf))
            hopeful = np.flatnonzero(~self.seen & (self.reduced > known[table.job]))
            if len(hopeful) == 0:
                break
            self._look(hopeful[foremost(table.job[hopeful], self.reduced[hopeful], most)])
            most *= 4
        return dual_of(problem, prices, np.concatenate([table.capacity, self._stands.capacity]), self.reduced)

    def look_at_best(self, most: int) -> None:
        """Sample rows until the ``most`` rows of the least loss are all sampled."""
        while True:
            loss = loss_of(self._problem, self.reduced)
            near = np.argpartition(loss, most - 1)[:most] if most < len(loss) else np.arange(len(loss))
            unknown = near[~self.seen[near]]
            if len(unknown) == 0:
                break
            self._look(np.sort(unknown))

    def columns(self, most: int, around: tuple[int, ...]) -> Columns:
        """Return columns of the best sampled rows, at most ``most`` of each job.

        Parameters
        ----------
        around
            Offsets of the samples that give columns besides that of the best rate.
        """
        known = np.flatnonzero(self.seen & np.isfinite(self.reduced))
        rows = np.sort(known[foremost(self._problem.configurations.job[known], self.reduced[known], most)])
        wanted = np.zeros(len(self.seen), dtype=bool)
        wanted[rows] = True
        found = [Columns(rows, self.slot[rows], self.gbps[rows], self.value[rows])]
        for block in self._blocks if around else []:
            some = np.flatnonzero(wanted[block.rows])
            mine = block.rows[some]
            best = np.argmax(block.gbps[some] >= self.gbps[mine, None], axis=1)
            for step in around:
                to = some, np.clip(best + step, 0, self._count - 1)
                cost, slot = self._cheapest(self._stands.shape[mine], block.before[to], block.gbps[to])
                gbps = np.minimum(block.gbps[to], self._stands.fastest[self._stands.shape[mine], slot])
                fits = np.isfinite(cost)
                found.append(Columns(mine[fits], slot[fits], gbps[fits], block.value[to][fits]))
        every = (np.concatenate(column) for column in zip(*found, strict=True))
        return Columns.none().joined(Columns(*every))

    def _look(self, rows: IntArray) -> None:
        """Sample rows."""
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            gbps, value = self._problem.over_rates(part, self._count)
            # a value reached at a slower rate is available at a faster one, which bounds all rates between the two
            value = np.minimum(np.maximum.accumulate(value, axis=1), self._problem.value[part, None])
            block = _Block(part, np.column_stack([gbps[:, :1], gbps[:, :-1]]), gbps, value)
            self._blocks.append(block)
            self.seen[part] = True
            self._take(block)

    def _take(self, block: _Block) -> None:
        """Find the best rate of each row of a block, and the cheapest domain at that rate."""
        rows, every = block.rows, np.arange(len(block.rows))
        shape = self._stands.shape[rows]
        cost, slot = self._cheapest(shape[:, None], block.before, block.gbps)
        at = np.argmax(block.value - cost, axis=1)
        self.value[rows], self.slot[rows] = block.value[every, at], slot[every, at]
        self.gbps[rows] = np.minimum(block.gbps[every, at], self._stands.fastest[shape, self.slot[rows]])
        self.reduced[rows] = self.value[rows] - cost[every, at] - self._base[rows]

    def _cheapest(self, shape: IntArray, least: FloatArray, gbps: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return the cost of each shape's cheapest option at rates, inf where none has capacity, and its slot.

        All shapes broadcast to that of ``gbps``.
        """
        cost, slot = np.full(gbps.shape, np.inf), np.zeros(gbps.shape, dtype=np.int64)
        for k in range(self._fixed.shape[1]):
            fastest = self._stands.fastest[shape, k]
            here = self._fixed[shape, k] + self._sloped[shape, k] * np.clip(gbps, None, np.maximum(fastest, 0.0))
            here = np.where(least <= fastest * (1 + ROOM), here, np.inf)
            slot[here < cost] = k
            np.minimum(cost, here, out=cost)
        return cost, slot


def _best_of_jobs(problem: Problem, reduced: FloatArray) -> FloatArray:
    """Return the best choice of each job, which for one that need not run is at least 0; shape ``(jobs,)``."""
    best = np.where(problem.required, -np.inf, 0.0)
    np.maximum.at(best, problem.configurations.job, reduced)
    return best


def loss_of(problem: Problem, reduced: FloatArray) -> FloatArray:
    """Return the loss of each row against its job's best choice, shape ``(rows,)``; inf where a row fits nowhere."""
    fits, best = np.isfinite(reduced), _best_of_jobs(problem, reduced)[problem.configurations.job]
    loss: FloatArray = np.subtract(best, reduced, out=np.full(len(reduced), np.inf), where=fits)
    return loss


def dual_of(problem: Problem, prices: FloatArray, capacity: FloatArray, reduced: FloatArray) -> float:
    """Return the Lagrangian dual at prices, recomputed from the reduced values; unlimited resources are free."""
    priced = np.isfinite(capacity) & (prices > 0)
    choices = _best_of_jobs(problem, reduced)[np.diff(problem.configurations.first) > 0]
    return float(prices[priced] @ capacity[priced]) + float(choices.sum())
