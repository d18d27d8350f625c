"""Vickrey, Clarke and Groves' payments, and the deficit that they leave."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from optsched.federation.game import Game

__all__ = ["Vcg", "vcg"]


@dataclass(frozen=True)
class Vcg:
    """What each member is left with, and what it costs.

    payments
        What each member adds to the others: v(all) - v(all others). Truth is then a dominant strategy.
    ranges
        Least and most of it over the intervals.
    charges
        What each member pays for what it gets out of the common plan; None where that is not known.
    deficit
        What the payments are above the value of all: somebody else must add it. Negative: it is left over.
    """

    payments: tuple[Fraction, ...]
    ranges: tuple[tuple[Fraction, Fraction], ...]
    charges: tuple[Fraction, ...] | None
    deficit: Fraction


def vcg(game: Game) -> Vcg:
    """Return the payments of the pivotal mechanism (Clarke, Public Choice 11 (1971))."""
    all_others = [game.everyone ^ 1 << i for i in range(len(game))]
    payments = tuple(game.low[-1] - game.low[rest] for rest in all_others)
    ranges = tuple((game.low[-1] - game.high[rest], game.high[-1] - game.low[rest]) for rest in all_others)
    charges = None
    if game.outcomes is not None:
        charges = tuple(own - left for own, left in zip(game.outcomes, payments, strict=True))
    return Vcg(payments, ranges, charges, sum(payments, Fraction(0)) - game.total)
