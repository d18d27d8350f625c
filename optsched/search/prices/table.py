"""The table of the price engine: groups of identical jobs, each unit of which takes exactly one row.

Against the configurations of a problem: a row of no value and no use stands for "does not run", so
that every job takes exactly one row; rows that no plan can hold are gone; equal jobs are one group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, offsets, positions, stretches
from optsched.problem.problem import Problem
from optsched.problem.value_table import ValueTable, values_of
from optsched.search.prices.grouping import Groups, grouped

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["ROOM", "PriceTable", "price_table", "relieved"]

ROOM = 1e-9
"""Relative tolerance of capacities, far below the checker's: sums of a million terms differ by less."""


_DECIMALS = (0, 1, 2, 3)
"""Decimals that values may be rounded to."""
_MANY = 1e7
"""Quanta of the best plan up to which the rounding errors of a sum are far below one."""
_SLACK = 1e-3
"""Of a quantum, for those errors."""


@dataclass(frozen=True)
class PriceTable:
    """Rows ``first[g]:first[g + 1]`` are the ways to run one unit of group ``g``; each unit takes exactly one.

    value
        Of each row in units of ``scale``, shape ``(n,)``.
    first, many
        Offsets, shape ``(groups + 1,)``, and the number of units, shape ``(groups,)``.
    resource, amount
        What each row takes, if no row takes of two resources: shapes ``(n,)``.
    matrix
        What each row takes, shape ``(n, resources)``, if some row takes of two; else None.
    capacity
        Shape ``(resources,)``; the limit on moves is a resource of which what is kept takes -1.
    number
        Each resource's number in the problem; the limit on moves follows the problem's last,
        and -1 is no resource.
    offset
        The row's place among the rows of its job in the problem; -1 for not running. Shape ``(n,)``.
    scale
        Objective per unit of value.
    quantum
        Every plan is worth a multiple of it, as where values are rounded; 0 where that is not known.
    """

    value: FloatArray
    first: IntArray
    many: IntArray
    resource: IntArray
    amount: FloatArray
    matrix: csr_array | None
    capacity: FloatArray
    number: IntArray
    offset: IntArray
    scale: float
    quantum: float = 0.0

    def __len__(self) -> int:
        return len(self.value)

    def least_bound(self, bound: float) -> float:
        """Return the largest value that a plan within a bound can have: sums of rounded values are multiples."""
        if not self.quantum or not np.isfinite(bound):
            return bound
        return min(bound, float(np.floor(bound / self.quantum + _SLACK)) * self.quantum)

    @property
    def groups(self) -> int:
        """Number of groups."""
        return len(self.many)

    @property
    def resources(self) -> int:
        """Number of prices."""
        return len(self.capacity)

    def group_of(self, rows: IntArray) -> IntArray:
        """Return the group of each of some rows."""
        return np.searchsorted(self.first, rows, side="right") - 1

    def costs(self, prices: FloatArray, begin: int, end: int) -> FloatArray:
        """Return what rows ``begin:end`` cost at prices, shape ``(end - begin,)``."""
        if self.matrix is not None:
            return np.asarray(self.matrix[begin:end] @ prices, dtype=np.float64)
        cost = prices[self.resource[begin:end]]
        cost *= self.amount[begin:end]
        return np.asarray(cost, dtype=np.float64)

    def dense(self, rows: IntArray) -> FloatArray:
        """Return what rows take, shape ``(rows, resources)``."""
        if self.matrix is not None:
            return np.asarray(self.matrix[rows].toarray(), dtype=np.float64)
        taken = np.zeros((len(rows), self.resources))
        taken[np.arange(len(rows)), self.resource[rows]] = self.amount[rows]
        return taken

    def entries(self, rows: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Return what rows take as coordinates: (place in ``rows``, resource, amount)."""
        if self.matrix is not None:
            part = self.matrix[rows].tocoo()
            return part.coords[0].astype(np.int64), part.coords[1].astype(np.int64), part.data
        some = np.flatnonzero(self.amount[rows] != 0)
        return some, self.resource[rows[some]], self.amount[rows[some]]

    def used(self, rows: IntArray, units: IntArray) -> FloatArray:
        """Return what units on rows use in total, shape ``(resources,)``."""
        place, resource, amount = self.entries(rows)
        used = np.bincount(resource, weights=amount * units[place], minlength=self.resources)
        return np.asarray(used, dtype=np.float64)

    def part(self, begin: int, end: int) -> PriceTable:
        """Return groups ``begin:end`` as a table of their own, with the whole capacity."""
        rows = slice(int(self.first[begin]), int(self.first[end]))
        return replace(
            self,
            value=self.value[rows],
            first=self.first[begin : end + 1] - self.first[begin],
            many=self.many[begin:end],
            resource=self.resource[rows],
            amount=self.amount[rows],
            matrix=None if self.matrix is None else self.matrix[rows],
            offset=self.offset[rows],
        )

    def take(self, groups: IntArray) -> PriceTable:
        """Return a sample: some of the groups (in increasing order), and the same share of the capacity."""
        size = np.diff(self.first)[groups]
        rows = stretches(self.first[groups], size)
        share = self.many[groups].sum() / self.many.sum()
        return PriceTable(
            self.value[rows],
            offsets(size),
            self.many[groups],
            self.resource[rows] if self.matrix is None else self.resource,
            self.amount[rows] if self.matrix is None else self.amount,
            None if self.matrix is None else self.matrix[rows],
            self.capacity * share,
            self.number,
            self.offset[rows],
            self.scale,
        )


def price_table(problem: Problem | ValueTable) -> tuple[PriceTable, Groups]:
    """Return the table of a problem, and which jobs its groups stand for.

    A job without a row that could be held is in no group. If it is required there is no plan, which
    the caller must have seen before.
    """
    values = values_of(problem)
    entries, capacity, number = _resources(values)
    groups = grouped(values, entries)
    usable = _usable(values, entries, capacity)
    group_of_job = groups.group
    mine = np.flatnonzero(usable & groups.first_of_group[values.job]) if groups.merged else np.flatnonzero(usable)
    size = np.bincount(group_of_job[values.job[mine]], minlength=groups.count)
    idle = (~values.required[groups.example]).astype(np.int64)  # one more row: not running
    first = offsets(size + idle)
    place = stretches(first[:-1], size)
    total = int(first[-1])
    # not running is the last row of its group
    value, offset = np.zeros(total), np.full(total, -1)
    value[place] = values.value[mine]
    offset[place] = mine - values.first[values.job[mine]]
    scale = _scale(value, first)
    quantum = _quantum(value, len(first) - 1) / scale
    value /= scale

    where = np.full(len(values), -1)
    where[mine] = place
    row, resource, amount = entries
    row = where[row]
    inside = row >= 0
    if not inside.all():
        row, resource, amount = row[inside], resource[inside], amount[inside]
    if len(row) and np.bincount(row, minlength=total).max() > 1:
        from scipy.sparse import csr_array

        matrix = csr_array((amount, (row, resource)), shape=(total, len(capacity)))
        none, nothing = np.empty(0, dtype=np.int64), np.empty(0)
        return PriceTable(
            value, first, groups.many, none, nothing, matrix, capacity, number, offset, scale, quantum
        ), groups
    single, taken = np.zeros(total, dtype=np.int64), np.zeros(total)
    single[row], taken[row] = resource, amount
    return PriceTable(value, first, groups.many, single, taken, None, capacity, number, offset, scale, quantum), groups


def _quantum(value: FloatArray, groups: int) -> float:
    """Return a power of ten that all values are multiples of; 0 without one."""
    if len(value) == 0:
        return 0.0
    for sample in (value[:256], value):  # most values are no multiples of anything, which few of them show
        found = 0.0
        for decimals in _DECIMALS:
            number = sample * 10.0**decimals
            if np.all(np.abs(number - np.rint(number)) <= 1e-11 * np.maximum(1.0, np.abs(number))):
                found = 10.0**-decimals
                break
        if not found or groups * float(np.abs(sample).max()) / found > _MANY:
            return 0.0
    return found


def _scale(value: FloatArray, first: IntArray) -> float:
    """Return the mean over groups of the size of the best value, so that values are near 1 for solvers' tolerances."""
    if len(value) == 0:
        return 1.0
    starts = first[:-1][np.diff(first) > 0]
    mean = float(np.abs(np.maximum.reduceat(value, starts)).mean())
    return mean if mean > 0 else 1.0


def _resources(values: ValueTable) -> tuple[tuple[IntArray, IntArray, FloatArray], FloatArray, IntArray]:
    """Return what rows take of what is limited, as coordinates, the capacities, and their numbers.

    The limit on moves, ``kept >= held - M``, is a last resource ``-kept <= M - held``.
    """
    row, resource, amount = values.used
    limited = np.flatnonzero(np.isfinite(values.capacity))
    capacity, number = values.capacity[limited], limited
    if len(limited) < len(values.capacity):
        place = positions(limited, len(values.capacity))
        inside = place[resource] >= 0
        row, resource, amount = row[inside], place[resource[inside]], amount[inside]
    if (fewest := values.fewest_kept) is not None:
        kept = np.flatnonzero(values.kept)
        row = np.concatenate([row, kept])
        resource = np.concatenate([resource, np.full(len(kept), len(capacity))])
        amount = np.concatenate([amount, np.full(len(kept), -1.0)])
        capacity = np.append(capacity, float(-fewest))
        number = np.append(number, len(values.capacity))
    if len(capacity) == 0:  # nothing is limited: an unused resource, so that there is a price
        capacity, number = np.ones(1), np.full(1, -1)
    return (row, resource, amount), capacity, number


def _usable(
    values: ValueTable, entries: tuple[IntArray, IntArray, FloatArray], capacity: FloatArray
) -> NDArray[np.bool_]:
    """Return which rows an optimal plan may use: they fit, and have a value or belong to a required job."""
    row, resource, amount = entries
    usable = (values.value > 0) | values.required[values.job]
    usable[row[amount < 0]] = True  # what a floor counts, as the limit on moves counts what is kept
    over = (amount > 0) & (amount > capacity[resource] + ROOM * np.abs(capacity[resource]))
    usable[row[over & ~relieved(resource, amount, len(capacity))[resource]]] = False
    return usable


def relieved(resource: IntArray, amount: FloatArray, resources: int) -> NDArray[np.bool_]:
    """Return which resources some row gives back, so that no row alone can exceed them; shape ``(resources,)``."""
    some = np.zeros(resources, dtype=bool)
    some[resource[amount < 0]] = True
    return some
