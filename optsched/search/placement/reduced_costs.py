"""What rows are worth at prices in their best home at their best rate, without a close look at all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, foremost, run_starts
from optsched.problem.problem import Problem
from optsched.search.placement.domains import Stands
from optsched.search.prices.table import ROOM, relieved

__all__ = ["Columns", "Nets", "dual_of", "loss_of"]

_CHUNK = 4096
"""Rows that are looked at closely at a time."""
_FIRST = 8
"""Rows of a job that are looked at closely at first; four times as many each further time."""


class Columns(NamedTuple):
    """Rows in slots of their shape at rates (nan: none), with their values; shape ``(n,)`` each."""

    row: IntArray
    slot: IntArray
    gbps: FloatArray
    value: FloatArray

    @staticmethod
    def none() -> Columns:
        """Return no columns."""
        return Columns(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))

    def joined(self, other: Columns) -> Columns:
        """Return these and others, each once, by rows."""
        row, slot, gbps, value = (np.concatenate(pair) for pair in zip(self, other, strict=True))
        known = np.nan_to_num(gbps)
        order = np.lexsort((known, slot, row))
        some = order[run_starts(row[order], slot[order], known[order])]
        return Columns(row[some], slot[some], gbps[some], value[some])


class _Block(NamedTuple):
    """Rows that were looked at closely, at samples of their rate; shape ``(n, count)`` but for ``rows``.

    before
        The sample before each; the first one's own.
    value
        Nowhere below the true one, from the sample before to this one.
    """

    rows: IntArray
    before: FloatArray
    gbps: FloatArray
    value: FloatArray


class Nets:
    """Rows at prices.

    Without a close look, a row is as good as its greatest value less what it takes at its slowest rate: none is
    better. With one, its value is a function of the rate that is straight between samples, so that one of these is
    best, or the fastest rate at which a home has room, which counts as the sample after it.

    net
        Value of each row less what it takes, at the last prices, or a bound on it; -inf where it fits nowhere.
    seen
        Which rows were looked at closely, or have no rate to choose.
    slot, gbps, value
        Of the best column of each row that is seen.
    """

    def __init__(self, problem: Problem, stands: Stands, count: int) -> None:
        table = problem.configurations
        self._problem, self._stands, self._count = problem, stands, count
        self._blocks: list[_Block] = []
        self._slow = np.nan_to_num(table.slowest)
        row, resource, amount = table.used
        over = (amount > 0) & (amount > table.capacity[resource] + ROOM * np.abs(table.capacity[resource]))
        self._misfits = row[over & ~relieved(resource, amount, len(table.capacity))[resource]]
        self.seen = ~(table.slowest < table.columns.gbps)
        self.net, self.value = np.full(len(table), -np.inf), problem.value.copy()
        self.slot, self.gbps = np.zeros(len(table), dtype=np.int64), table.columns.gbps.copy()

    def at(self, prices: FloatArray, rounds: int) -> float:
        """Take prices of all resources, look closely at rows in so many rounds at the most, and return the dual.

        It bounds all plans, whatever was looked at.
        """
        problem, table = self._problem, self._problem.configurations
        every = len(table.capacity)
        self._base = table.costs(prices[:every])
        self._base[self._misfits] = np.inf
        self._fixed, self._sloped = self._stands.priced(prices[every:])
        cost, slot = self._cheapest(self._stands.shape, self._slow, self._slow)
        self.net = problem.value - self._base - cost
        self.slot[self.seen] = slot[self.seen]
        for block in self._blocks:
            self._take(block)
        most = _FIRST
        for _ in range(rounds):
            known = _best_of_jobs(problem, np.where(self.seen, self.net, -np.inf))
            hopeful = np.flatnonzero(~self.seen & (self.net > known[table.job]))
            if len(hopeful) == 0:
                break
            self._look(hopeful[foremost(table.job[hopeful], self.net[hopeful], most)])
            most *= 4
        return dual_of(problem, prices, np.concatenate([table.capacity, self._stands.capacity]), self.net)

    def look_at_best(self, most: int) -> None:
        """Look closely at rows until so many are seen that are as near to the best of their job as any other."""
        while True:
            loss = loss_of(self._problem, self.net)
            near = np.argpartition(loss, most - 1)[:most] if most < len(loss) else np.arange(len(loss))
            unknown = near[~self.seen[near]]
            if len(unknown) == 0:
                break
            self._look(np.sort(unknown))

    def columns(self, most: int, around: tuple[int, ...]) -> Columns:
        """Return columns of the best rows that were seen, at most so many of each job.

        They are at their best rates, and at samples that are so many after these.
        """
        known = np.flatnonzero(self.seen & np.isfinite(self.net))
        rows = np.sort(known[foremost(self._problem.configurations.job[known], self.net[known], most)])
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
        """Look closely at rows."""
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            gbps, value = self._problem.over_rates(part, self._count)
            # what a slower rate reaches, a faster one need not fall below: that bounds all rates between the two
            value = np.minimum(np.maximum.accumulate(value, axis=1), self._problem.value[part, None])
            block = _Block(part, np.column_stack([gbps[:, :1], gbps[:, :-1]]), gbps, value)
            self._blocks.append(block)
            self.seen[part] = True
            self._take(block)

    def _take(self, block: _Block) -> None:
        """Find the best rate of each row of a block, and the home that is cheapest there."""
        rows, every = block.rows, np.arange(len(block.rows))
        shape = self._stands.shape[rows]
        cost, slot = self._cheapest(shape[:, None], block.before, block.gbps)
        at = np.argmax(block.value - cost, axis=1)
        self.value[rows], self.slot[rows] = block.value[every, at], slot[every, at]
        self.gbps[rows] = np.minimum(block.gbps[every, at], self._stands.fastest[shape, self.slot[rows]])
        self.net[rows] = self.value[rows] - cost[every, at] - self._base[rows]

    def _cheapest(self, shape: IntArray, least: FloatArray, gbps: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return what the cheapest stands of shapes cost at rates, inf where none has room for the least; and which.

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


def _best_of_jobs(problem: Problem, net: FloatArray) -> FloatArray:
    """Return the best choice of each job, which for one that need not run is at least 0; shape ``(jobs,)``."""
    best = np.where(problem.required, -np.inf, 0.0)
    np.maximum.at(best, problem.configurations.job, net)
    return best


def loss_of(problem: Problem, net: FloatArray) -> FloatArray:
    """Return what each row is worse than its job's best choice, infinite where it fits nowhere; ``(rows,)``."""
    fits, best = np.isfinite(net), _best_of_jobs(problem, net)[problem.configurations.job]
    loss: FloatArray = np.subtract(best, net, out=np.full(len(net), np.inf), where=fits)
    return loss


def dual_of(problem: Problem, prices: FloatArray, capacity: FloatArray, net: FloatArray) -> float:
    """Return the Lagrangian dual at prices, recomputed; what is unlimited has none. ``net``: of each row."""
    priced = np.isfinite(capacity) & (prices > 0)
    choices = _best_of_jobs(problem, net)[np.diff(problem.configurations.first) > 0]
    return float(prices[priced] @ capacity[priced]) + float(choices.sum())
