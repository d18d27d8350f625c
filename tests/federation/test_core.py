"""Verdicts over intervals: no values drawn from the intervals ever contradict them."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from optsched.federation import Game, core_exists, in_core, individually_rational, shapley, shapley_range, vcg
from optsched.federation.core import gains_of_leaving
from tests.support.games import random_values


def interval_game(rng, n):
    low = random_values(rng, n, together=True)
    high = [v + (rng.randint(0, 6) if mask and rng.random() < 0.5 else 0) for mask, v in enumerate(low)]
    return Game(tuple("abcdefgh"[:n]), tuple(low), tuple(high))


def drawn(rng, game):
    """Return a game of values from the intervals, often from their ends."""
    parts = [rng.choice((0, 1, Fraction(rng.randint(0, 8), 8))) for _ in game.low]
    values = tuple(a + (b - a) * part for a, b, part in zip(game.low, game.high, parts, strict=True))
    return Game(game.members, values, values)


@pytest.mark.parametrize("seed", range(40))
def test_no_values_contradict_a_verdict(seed):
    rng = random.Random(seed)
    game = interval_game(rng, rng.randint(2, 5))
    payments = shapley(game.low)
    core, rational, exists = in_core(game, payments), individually_rational(game, payments), core_exists(game)
    ranges, added = shapley_range(game), vcg(game).ranges
    for _ in range(40):
        one = drawn(rng, game)
        for found, truth in (
            (core, in_core(one, payments)),
            (rational, individually_rational(one, payments)),
            (exists, core_exists(one)),
        ):
            assert truth.holds in ("yes", "no")
            assert found.holds in (truth.holds, "depends")
        for (low, high), x in zip(ranges, shapley(one.low), strict=True):
            assert low <= x <= high
        for (low, high), x in zip(added, vcg(one).payments, strict=True):
            assert low <= x <= high
        for gain in gains_of_leaving(game, payments, most=99):
            truth = one.low[gain.coalition] - sum(x for i, x in enumerate(payments) if gain.coalition >> i & 1)
            assert gain.low <= truth <= gain.high


@pytest.mark.parametrize("seed", range(20))
def test_closing_the_gaps_that_are_named_settles_a_verdict(seed):
    rng = random.Random(seed)
    game = interval_game(rng, 4)
    payments = shapley(game.low)
    for verdict_of in (lambda g: in_core(g, payments), lambda g: individually_rational(g, payments)):
        verdict = verdict_of(game)
        if verdict.holds == "depends":
            named = set(verdict.coalitions)
            assert all(game.low[mask] < game.high[mask] for mask in named)
            high = tuple(game.low[m] if m in named else v for m, v in enumerate(game.high))
            assert verdict_of(Game(game.members, game.low, high)).holds != "depends"


def test_intervals_that_touch_the_payments():
    low = tuple(map(Fraction, (0, 1, 1, 4)))
    high = tuple(map(Fraction, (0, 2, 3, 4)))
    game = Game(("a", "b"), low, high)
    assert in_core(game, (Fraction(1), Fraction(3))).coalitions == (1,)
    assert in_core(game, (Fraction(1), Fraction(3))).holds == "depends"
    assert in_core(game, (Fraction(2), Fraction(2))).coalitions == (2,)
    assert in_core(game, (Fraction(1, 2), Fraction(7, 2))).holds == "no"
    assert core_exists(game).holds == "depends"
