"""Least core and nucleolus in rational arithmetic, and Kohlberg's certificate.

The nucleolus (Schmeidler, SIAM J. Appl. Math. 17 (1969)) by the sequence of linear programs of Maschler, Peleg, Shapley
(Math. Oper. Res. 4 (1979)): minimize the largest excess v(S) - x(S), fix the coalitions that have it in every optimum,
and go on with the rest. Rows are generated: the most violated coalition of all enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from optsched.federation.exact_lp import Column, Vector, maximize
from optsched.federation.game import UndefinedError, scaled, sums

__all__ = ["Level", "Nucleolus", "kohlberg", "least_core", "nucleolus"]


@dataclass(frozen=True)
class Level:
    """One of the linear programs.

    excess
        The least possible largest excess, given what was fixed before.
    weights
        Of the coalitions that prove it, by mask: with those fixed before they are balanced, so that no payments
        lower all of their excesses.
    """

    excess: Fraction
    weights: dict[int, Fraction]


@dataclass(frozen=True)
class Nucleolus:
    """Payments of each member, the levels that led to them, and the coalitions that were priced."""

    payments: tuple[Fraction, ...]
    levels: tuple[Level, ...]


def least_core(values: Sequence[Fraction]) -> Nucleolus:
    """Return a point of the least core: payments that minimize the largest excess of any proper coalition.

    Parameters
    ----------
    values
        Of each coalition by mask, ``2 ** members``.

    Returns
    -------
    Nucleolus
        With one level; its excess is not positive if, and only if, the core is not empty. Of one member alone, the
        excess is 0.
    """
    n = _members(values)
    if n == 1:
        return Nucleolus((values[1],), (Level(Fraction(0), {}),))
    level, payments = _stage(values, n, {len(values) - 1: values[-1]}, rational=False)
    return Nucleolus(tuple(payments), (level,))


def nucleolus(values: Sequence[Fraction], *, rational: bool = True) -> Nucleolus:
    """Return the nucleolus, or without ``rational`` the prenucleolus, which may give members less than they have alone.

    Raises
    ------
    UndefinedError
        Where members have more alone than together: there is no imputation.
    """
    n = _members(values)
    alone = [values[1 << i] for i in range(n)]
    if rational and sum(alone) > values[-1]:
        raise UndefinedError(
            "the members have more alone than together, so that no payments leave each what it has alone"
        )
    fixed = {len(values) - 1: values[-1]}
    levels = []
    payments = [values[-1]] * n
    while len(_null_space(fixed, n)):
        level, payments = _stage(values, n, fixed, rational=rational)
        levels.append(level)
        for mask in level.weights:  # those with a weight are tight in every optimum
            fixed[mask] = values[mask] - level.excess
        if rational:
            for i in range(n):
                if -1 - i in level.weights:
                    fixed[1 << i] = values[1 << i]
                    fixed.pop(-1 - i, None)
        levels[-1] = Level(level.excess, {mask: w for mask, w in level.weights.items() if mask > 0})
    return Nucleolus(tuple(payments), tuple(levels))


def _members(values: Sequence[Fraction]) -> int:
    n = len(values).bit_length() - 1
    if n < 1 or len(values) != 1 << n:
        raise ValueError(f"a game has 2 ** members values, at least 2, and not {len(values)}")
    return n


def _stage(
    values: Sequence[Fraction], n: int, fixed: dict[int, Fraction], *, rational: bool
) -> tuple[Level, list[Fraction]]:
    """Minimize the largest excess of the coalitions whose payments are not fixed yet.

    It is the dual: columns are coalitions, the rows' multipliers are the payments, and the excess is the last of them.
    Weights of a member's own limit stand under -1 - its number.
    """
    whole, common = scaled(values)
    scaled_values = np.array(whole, dtype=object)
    free = _free(fixed, n)

    def price(first: Vector, second: Vector) -> Column | None:
        for mask, paid in fixed.items():
            entries = _row(mask, n, 0)
            for sign in (1, -1):
                column = Column((mask, sign), [sign * entry for entry in entries], sign * paid)
                if _better(column, first, second):
                    return column
        if rational:
            for i in range(n):
                column = Column(-1 - i, _row(1 << i, n, 0), values[1 << i])
                if _better(column, first, second):
                    return column
        worst = _most_violated(scaled_values, common, free, first, second)
        return None if worst is None else Column(worst, _row(worst, n, 1), values[worst])

    found = maximize([0] * n + [1], price)
    weights = {name: weight for name, weight in found.weights.items() if isinstance(name, int)}
    return Level(found.multipliers[n], weights), found.multipliers[:n]


def _row(mask: int, n: int, last: int) -> list[int]:
    return [mask >> i & 1 for i in range(n)] + [last]


def _better(column: Column, first: Vector, second: Vector) -> bool:
    """Tell whether a column's reduced cost is positive."""
    some = [k for k, entry in enumerate(column.entries) if entry]
    urgent = sum((first[k] * column.entries[k] for k in some), Fraction(0))
    if urgent:
        return urgent < 0
    return sum((second[k] * column.entries[k] for k in some), Fraction(0)) < column.cost


def _most_violated(
    values: NDArray[np.object_], common: int, free: NDArray[np.bool_], first: Vector, second: Vector
) -> int | None:
    """Return the free coalition of the largest reduced cost; None where none is positive."""
    allowed = free
    if any(first):
        amounts, _ = scaled(first)
        urgent = -(sums(amounts[:-1]) + amounts[-1])
        best = urgent[free].max(initial=0)
        if best > 0:
            return int(np.flatnonzero(free & (urgent == best))[0])
        allowed = free & (urgent == 0)
    amounts, over = scaled(second)
    violated = values * over - (sums(amounts[:-1]) + amounts[-1]) * common
    best = violated[allowed].max(initial=0)
    return int(np.flatnonzero(allowed & (violated == best))[0]) if best > 0 else None


def _free(fixed: dict[int, Fraction], n: int) -> NDArray[np.bool_]:
    """Tell of each coalition whether its payments are not determined by those that are fixed."""
    free = np.zeros(1 << n, dtype=bool)
    for vector in _null_space(fixed, n):
        free |= sums(scaled(vector)[0]) != 0
    return free


def _null_space(fixed: dict[int, Fraction] | Sequence[int], n: int) -> list[Vector]:
    """Return a basis of the vectors that are orthogonal to some coalitions."""
    rows: list[Vector] = []
    pivots: list[int] = []
    for mask in fixed:
        row = [Fraction(mask >> i & 1) for i in range(n)]
        for pivot, other in zip(pivots, rows, strict=True):
            if row[pivot]:
                row = [a - row[pivot] * b for a, b in zip(row, other, strict=True)]
        pivot = next((i for i, entry in enumerate(row) if entry), -1)
        if pivot < 0:
            continue
        row = [entry / row[pivot] for entry in row]
        rows = [[a - other[pivot] * b for a, b in zip(other, row, strict=True)] for other in rows]
        rows.append(row)
        pivots.append(pivot)
    basis = []
    for k in set(range(n)) - set(pivots):
        vector = [Fraction(int(i == k)) for i in range(n)]
        for pivot, row in zip(pivots, rows, strict=True):
            vector[pivot] = -row[k]
        basis.append(vector)
    return basis


def kohlberg(values: Sequence[Fraction], payments: Sequence[Fraction], *, rational: bool = True) -> bool:
    """Tell by Kohlberg's criterion whether payments are the nucleolus (or the prenucleolus).

    They are if, and only if, for every level the coalitions whose excess is at least that are balanced, together with
    the members that have no more than alone (Kohlberg, SIAM J. Appl. Math. 20 (1971), theorem 5). It is checked from
    the payments alone, and knows nothing of how they were found.
    """
    n = _members(values)
    if sum(payments) != values[-1]:
        return False
    alone = [i for i in range(n) if payments[i] == values[1 << i]] if rational else []
    if rational and any(payments[i] < values[1 << i] for i in range(n)):
        return False
    whole, common = scaled(values)
    amounts, over = scaled(payments)
    excess = np.array(whole, dtype=object) * over - sums(amounts) * common
    proper = np.arange(1, len(values) - 1)
    order = proper[np.argsort(-excess[proper], kind="stable")].tolist()
    level = np.zeros(len(values), dtype=bool)
    for number, mask in enumerate(order):
        level[mask] = True
        if number + 1 < len(order) and excess[order[number + 1]] == excess[mask]:
            continue
        if not _balanced(level, alone, n):
            return False
        if not _null_space([*np.flatnonzero(level).tolist(), len(values) - 1], n):
            return True
    return True


def _balanced(level: NDArray[np.bool_], alone: Sequence[int], n: int) -> bool:
    """Tell whether positive weights of coalitions, and some of members alone, sum to the same for every member."""
    needed = [int(level[sums([int(k == i) for k in range(n)]) > 0].sum()) for i in range(n)]
    own = [Column("all", [1] * n, Fraction(0))]
    own += [Column(-1 - i, [-int(i == k) for k in range(n)], Fraction(0)) for i in alone]

    def price(first: Vector, second: Vector) -> Column | None:
        for column in own:
            if _better(column, first, second):
                return column
        urgent = sums(scaled(first)[0])
        best = urgent[level].max(initial=0)
        if best <= 0:
            return None
        mask = int(np.flatnonzero(level & (urgent == best))[0])
        return Column(mask, [-(mask >> i & 1) for i in range(n)], Fraction(0))

    return maximize(needed, price).artificial == 0
