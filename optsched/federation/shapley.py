"""The Shapley value: exact for games of listed values, as an interval where values are, and sampled beyond.

Shapley, in: Contributions to the Theory of Games II (1953). Sampling of orders: Castro, Gomez, Tejada, Comput. Oper.
Res. 36 (2009).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, sqrt

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.federation.game import Game, scaled, sums

__all__ = ["Sampled", "sampled_shapley", "shapley", "shapley_range"]


def shapley(values: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Return the Shapley value of each member, from the value of each coalition by mask."""
    return _weighted(values, values)


def shapley_range(game: Game) -> tuple[tuple[Fraction, Fraction], ...]:
    """Return the least and the greatest Shapley value of each member over all values in the game's intervals.

    The Shapley value is linear: the values of a member's own coalitions count for it, those of all others against it.
    Both ends are reached, though not by all members at once.
    """
    least, most = _weighted(game.low, game.high), _weighted(game.high, game.low)
    return tuple(zip(least, most, strict=True))


def _weighted(own: Sequence[Fraction], others: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Return the Shapley values with one list of values for a member's own coalitions and another for the rest."""
    n = len(own).bit_length() - 1
    size = sums([1] * n)
    whole, common = scaled([*own, *others])
    with_own, with_others = (np.array(part, dtype=object) for part in (whole[: len(own)], whole[len(own) :]))
    weight = np.array([factorial(max(s - 1, 0)) * factorial(n - s) for s in range(n + 1)], dtype=object)
    joins = weight[size.astype(np.int64)]
    weight = np.array([factorial(s) * factorial(max(n - s - 1, 0)) for s in range(n + 1)], dtype=object)
    leaves = weight[size.astype(np.int64)]
    masks = np.arange(len(own))
    found = []
    for i in range(n):
        mine = (masks >> i & 1).astype(bool)
        gained = (joins * with_own)[mine].sum() - (leaves * with_others)[~mine].sum()
        found.append(Fraction(int(gained), common * factorial(n)))
    return tuple(found)


@dataclass(frozen=True)
class Sampled:
    """Shapley values estimated from sampled orders.

    estimate
        Mean marginal contribution of each member, shape ``(members,)``; it sums to the value of all.
    margin
        Half the width of a 95 % confidence interval for each, by Student's t, shape ``(members,)``.
    orders, calls
        Sampled orders, and distinct coalitions that were valued.
    """

    estimate: FloatArray
    margin: FloatArray
    orders: int
    calls: int


def sampled_shapley(members: int, value: Callable[[int], float], *, orders: int = 200, seed: int = 0) -> Sampled:
    """Estimate Shapley values from random orders, each of which is also taken backwards (antithetic pairs).

    Parameters
    ----------
    value
        Of a coalition by its mask; it is asked once for each.
    orders
        Pairs of orders, at least 2.
    seed
        Of the random orders: equal seeds give equal estimates.
    """
    if orders < 2:
        raise ValueError("a confidence interval needs at least two pairs of orders")
    from scipy.stats import t

    rng = np.random.default_rng(seed)
    known: dict[int, float] = {0: 0.0}

    def of(mask: int) -> float:
        if mask not in known:
            known[mask] = float(value(mask))
        return known[mask]

    gained = np.zeros((orders, members))
    for row in gained:
        order = rng.permutation(members).tolist()
        for one in (order, order[::-1]):
            mask, before = 0, 0.0
            for i in one:
                mask |= 1 << i
                after = of(mask)
                row[i] += (after - before) / 2
                before = after
    spread = gained.std(axis=0, ddof=1) / sqrt(orders)
    margin = float(t.ppf(0.975, orders - 1)) * spread
    return Sampled(gained.mean(axis=0), margin, orders, len(known) - 1)
