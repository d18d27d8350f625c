"""Plans near given prices: repair exceeded capacities, then fill the residual capacity.

A plan is the number of units on each row of a table, shape ``(n,)``. Moves of one unit from a row
to another of its group are weighed by their loss, so that what a move takes from other resources
counts at its price. Only rows of small loss are looked at, which are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, offsets, stretches
from optsched.search.prices.dual import DualPoint
from optsched.search.prices.table import ROOM, PriceTable

__all__ = ["feasible", "fill", "repair", "value_of"]

_MOVES = 4096
"""Moves tried one by one, in order, before they are listed anew."""
_WINDOW = 256
"""Moves that are compared at once with what is free; few of a list still fit once some were made."""
_ROUNDS = 60
"""Lists of moves until a repair is given up; each widens what is looked at, so that few are needed."""


@dataclass(frozen=True)
class _Moves:
    """Moves of a unit between two rows of its group, and how the rows' losses differ; shapes ``(moves,)``."""

    origin: IntArray
    target: IntArray
    loss: FloatArray


def value_of(table: PriceTable, units: IntArray) -> float:
    """Return the value of a plan, in units of ``PriceTable.scale``."""
    held = np.flatnonzero(units)
    return float(table.value[held] @ units[held])


def feasible(table: PriceTable, units: IntArray) -> bool:
    """Return whether a plan keeps every capacity."""
    held = np.flatnonzero(units)
    return bool(np.all(table.used(held, units[held]) <= _limit(table)))


def _limit(table: PriceTable) -> FloatArray:
    return table.capacity + ROOM * np.abs(table.capacity)


def _moves(table: PriceTable, seen: DualPoint, held: IntArray, target: IntArray) -> _Moves:
    """Return all moves from rows that are held to some rows, both in increasing order."""
    owner = table.group_of(held)
    count = np.bincount(owner, minlength=table.groups)
    group = table.group_of(target)
    pairs = count[group]
    origin = held[stretches(offsets(count)[group], pairs)]
    target = np.repeat(target, pairs)
    other = origin != target
    origin, target = origin[other], target[other]
    return _Moves(origin, target, seen.loss[target] - seen.loss[origin])


def repair(table: PriceTable, seen: DualPoint, units: IntArray) -> IntArray | None:
    """Return a plan that respects all capacities, by moves of least loss per relief; None if none was found."""
    units = units.copy()
    limit = _limit(table)
    held = np.flatnonzero(units)
    used = table.used(held, units[held])
    size = np.maximum(np.abs(table.capacity), 1.0)
    # if losses were uniform, four lists of moves would lie within this radius
    radius = float(np.mean(seen.loss)) * min(1.0, 4 * _MOVES / len(table))
    for _ in range(_ROUNDS):
        if np.all(used <= limit):
            return units
        weight = np.where(used > limit, 1.0 / size, 0.0)
        moves = _moves(table, seen, np.flatnonzero(units), np.flatnonzero(seen.loss <= radius))
        relief = _price(table, moves.origin, weight) - _price(table, moves.target, weight)
        useful = np.flatnonzero(relief > 0)
        before = used.copy()
        if len(useful):
            needed = float(weight @ np.maximum(used - limit, 0.0))
            # a unit more than what is needed is no more relief
            score = moves.loss[useful] / np.minimum(relief[useful], needed)
            if len(useful) > _MOVES:
                useful = useful[np.argpartition(score, _MOVES)[:_MOVES]]
                score = moves.loss[useful] / np.minimum(relief[useful], needed)
            useful = useful[np.argsort(score, kind="stable")]
            used = _relieve(table, units, used, limit, moves.origin[useful], moves.target[useful])
        if np.array_equal(used, before):
            if radius == np.inf:
                return None
            radius = radius * 8 if radius < float(seen.loss.max()) and radius > 0 else np.inf
    return None


def _price(table: PriceTable, rows: IntArray, weight: FloatArray) -> FloatArray:
    if table.matrix is None:
        return np.asarray(weight[table.resource[rows]] * table.amount[rows])
    return np.asarray(table.matrix[rows] @ weight, dtype=np.float64)


def _relieve(
    table: PriceTable, units: IntArray, used: FloatArray, limit: FloatArray, origin: IntArray, target: IntArray
) -> FloatArray:
    """Make the moves that lower an excess and cause no other, in order; change units, return what is used."""
    change = table.dense(target) - table.dense(origin)
    for k, (held, new) in enumerate(zip(origin.tolist(), target.tolist(), strict=True)):
        here = int(units[held])
        if here == 0:
            continue
        over = used - limit
        if not np.any(over > 0):
            break
        step = change[k]
        lowers = (over > 0) & (step < 0)
        raises = step > 0
        if not lowers.any() or np.any(raises & (over > 0)):
            continue
        count = min(here, int(np.ceil(np.max(over[lowers] / -step[lowers]) - 1e-9)))
        if raises.any():
            count = min(count, int(np.floor(np.min(-over[raises] / step[raises]))))
        if count < 1:
            continue
        units[held] -= count
        units[new] += count
        used = used + count * step
    return used


def fill(table: PriceTable, seen: DualPoint, units: IntArray) -> IntArray:
    """Return a plan in which no single unit can gain from residual capacity, starting from a feasible one."""
    units = units.copy()
    limit = _limit(table)
    part = 1 / 64  # moves of small loss first: they are few, and use up most of what is free
    for _ in range(_ROUNDS):
        held = np.flatnonzero(units)
        free = np.maximum(limit - table.used(held, units[held]), 0.0)
        # a move that fits what is free and gains loses less than what is free is worth
        radius = part * float(seen.prices @ free) * (1 + 1e-9) + 1e-12
        near = seen.loss <= radius
        near[_near(table, seen, held[seen.loss[held] > 0], radius)] = True
        moves = _moves(table, seen, held, np.flatnonzero(near))
        gain = table.value[moves.target] - table.value[moves.origin]
        useful = np.flatnonzero((gain > 1e-12) & (moves.loss <= radius))
        useful = useful[_fits(table, moves.origin[useful], moves.target[useful], free)]
        if len(useful) == 0:
            if part == 1:
                return units
            part *= 8
            continue
        gain = gain[useful]
        cost = gain + moves.loss[useful]  # what the move takes, at prices
        score = -gain / np.maximum(cost, 1e-9)
        if len(useful) > _MOVES:
            some = np.argpartition(score, _MOVES)[:_MOVES]
            useful, score = useful[some], score[some]
        useful = useful[np.argsort(score, kind="stable")]
        change = table.dense(moves.target[useful]) - table.dense(moves.origin[useful])
        _take_up(units, free, moves.origin[useful], moves.target[useful], change)
    return units


def _near(table: PriceTable, seen: DualPoint, held: IntArray, radius: float) -> IntArray:
    """Return the rows, of the groups of rows that are held, that lose at most ``radius`` more than those."""
    group = table.group_of(held)
    size = table.first[group + 1] - table.first[group]
    rows = stretches(table.first[group], size)
    return np.asarray(rows[seen.loss[rows] <= np.repeat(seen.loss[held], size) + radius])


def _take_up(units: IntArray, free: FloatArray, origin: IntArray, target: IntArray, change: FloatArray) -> None:
    """Make the moves that still fit, in order; change units and the residual capacity."""
    begin = 0
    while begin < len(origin):
        part = slice(begin, begin + _WINDOW)
        fits = np.all(change[part] <= free, axis=1) & (units[origin[part]] > 0)
        k = begin + int(np.argmax(fits))
        if not fits.any():
            begin += _WINDOW
            continue
        raises = change[k] > 0
        count = min(int(units[origin[k]]), int(np.min(free[raises] / change[k][raises], initial=1e9)))
        units[origin[k]] -= count
        units[target[k]] += count
        free -= count * change[k]
        begin = k + 1


def _fits(table: PriceTable, origin: IntArray, target: IntArray, free: FloatArray) -> np.typing.NDArray[np.bool_]:
    """Return which moves fit the residual capacity."""
    if table.matrix is None:
        same = table.resource[origin] == table.resource[target]
        wanted = table.amount[target] - np.where(same, table.amount[origin], 0.0)
        fits = wanted <= free[table.resource[target]]
        return np.asarray(fits & (same | (table.amount[origin] >= 0)))
    fits = np.empty(len(origin), dtype=bool)
    for begin in range(0, len(origin), 1 << 16):
        part = slice(begin, begin + (1 << 16))
        fits[part] = np.all(table.dense(target[part]) - table.dense(origin[part]) <= free, axis=1)
    return fits
