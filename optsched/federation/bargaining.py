"""Dividing a surplus: equal and proportional splits, Nash's bargaining solution, and Kalai and Smorodinsky's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from optsched.federation.game import Game, UndefinedError

__all__ = [
    "Bargain",
    "kalai_smorodinsky",
    "kalai_smorodinsky_outcome",
    "nash",
    "nash_outcome",
    "proportional",
    "surplus_split",
]


def surplus_split(game: Game) -> tuple[Fraction, ...]:
    """Return what each member has alone, and an equal part of what all gain by joining."""
    alone, surplus = _alone(game), _surplus(game)
    return tuple(own + surplus / len(game) for own in alone)


def proportional(game: Game) -> tuple[Fraction, ...]:
    """Return the value of all, divided in proportion to what each member adds to the others.

    Raises
    ------
    UndefinedError
        Where a member takes away, or none adds anything.
    """
    added = [game.low[-1] - game.low[game.everyone ^ 1 << i] for i in range(len(game))]
    if min(added) < 0 or not any(added):
        raise UndefinedError("contributions must not be negative, and not all 0, to divide in proportion to them")
    return tuple(game.total * part / sum(added) for part in added)


def nash(game: Game, weights: Sequence[Fraction] | None = None) -> tuple[Fraction, ...]:
    """Return Nash's bargaining solution, where any division of the value of all can be agreed on.

    It maximizes the product of gains over what each has alone, each to the power of its weight (Nash, Econometrica 18
    (1950); Kalai, Int. J. Game Theory 6 (1977), for weights). With transfers, each gets
    a share by weight of the surplus.
    """
    weights = weights or [Fraction(1)] * len(game)
    if len(weights) != len(game) or min(weights) <= 0:
        raise ValueError("a positive weight for each member")
    surplus = _surplus(game)
    return tuple(own + surplus * w / sum(weights) for own, w in zip(_alone(game), weights, strict=True))


def kalai_smorodinsky(game: Game) -> tuple[Fraction, ...]:
    """Return Kalai and Smorodinsky's solution: gains in proportion to the most that each could gain.

    The most that a member can ask for is what it adds to the others (its utopia payoff); each gets the same part of the
    way there from what it has alone (Kalai, Smorodinsky, Econometrica 43 (1975)).

    Raises
    ------
    UndefinedError
        Where the members have more alone, or there is a surplus that no member can claim.
    """
    alone, surplus = _alone(game), _surplus(game)
    most = [max(game.low[-1] - game.low[game.everyone ^ 1 << i], alone[i]) for i in range(len(game))]
    way = [top - own for top, own in zip(most, alone, strict=True)]
    if surplus and not any(way):
        raise UndefinedError("no member adds more to the others than it has alone")
    part = surplus / sum(way) if surplus else Fraction(0)
    return tuple(own + part * far for own, far in zip(alone, way, strict=True))


def _alone(game: Game) -> list[Fraction]:
    return [game.low[1 << i] for i in range(len(game))]


def _surplus(game: Game) -> Fraction:
    surplus = game.total - sum(_alone(game), Fraction(0))
    if surplus < 0:
        raise UndefinedError("the members have more alone than together: there is no surplus to divide")
    return surplus


@dataclass(frozen=True)
class Bargain:
    """The outcome that is agreed on, where nothing is paid.

    outcome
        Its number.
    gains
        Of each member over its disagreement.
    over_lotteries
        Whether it is also best among all lotteries over outcomes, proven.
    """

    outcome: int
    gains: tuple[Fraction, ...]
    over_lotteries: bool


def nash_outcome(outcomes: Sequence[Sequence[Fraction | int]], disagreement: Sequence[Fraction | int]) -> Bargain:
    """Return the outcome that maximizes the product of gains, where utility cannot be transferred.

    Parameters
    ----------
    outcomes
        Utility of each member in each outcome.
    disagreement
        Utility of each member without an agreement.

    Raises
    ------
    UndefinedError
        Where no outcome is better for every member.
    """
    gains = _gains(outcomes, disagreement)

    def product(number: int) -> Fraction:
        found = Fraction(1)
        for gain in gains[number]:
            found *= gain
        return found

    better = [number for number, gain in enumerate(gains) if min(gain) > 0]
    if not better:
        raise UndefinedError("no outcome is better than disagreement for every member")
    best = max(better, key=product)
    chosen = gains[best]
    # the gradient of the logarithm of the product: no lottery is better if no outcome is, to the first order
    support = all(sum(g / c for g, c in zip(gain, chosen, strict=True)) <= len(chosen) for gain in gains)
    return Bargain(best, chosen, support)


def kalai_smorodinsky_outcome(
    outcomes: Sequence[Sequence[Fraction | int]], disagreement: Sequence[Fraction | int]
) -> Bargain:
    """Return the outcome whose least part of any member's greatest possible gain is largest.

    Greatest gains are those over outcomes that harm no member; ties go to the largest sum of parts.
    """
    gains = _gains(outcomes, disagreement)
    fair = [number for number, gain in enumerate(gains) if min(gain) >= 0]
    most = [max((gains[number][i] for number in fair), default=Fraction(0)) for i in range(len(disagreement))]
    if not fair or min(most) <= 0:
        raise UndefinedError("some member cannot gain in any outcome that harms no other")

    def parts(number: int) -> tuple[Fraction, Fraction]:
        each = [gain / top for gain, top in zip(gains[number], most, strict=True)]
        return min(each), sum(each, Fraction(0))

    best = max(fair, key=parts)
    equal = len({gain / top for gain, top in zip(gains[best], most, strict=True)}) == 1
    return Bargain(best, gains[best], equal and parts(best)[0] == 1)


def _gains(
    outcomes: Sequence[Sequence[Fraction | int]], disagreement: Sequence[Fraction | int]
) -> list[tuple[Fraction, ...]]:
    found = []
    for number, outcome in enumerate(outcomes):
        if len(outcome) != len(disagreement):
            raise ValueError(f"outcome {number} has {len(outcome)} utilities, for {len(disagreement)} members")
        found.append(tuple(Fraction(u) - Fraction(d) for u, d in zip(outcome, disagreement, strict=True)))
    return found
