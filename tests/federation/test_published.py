"""Games whose solutions are printed in papers and textbooks, exactly."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

from optsched.federation import Game, core_exists, in_core, kohlberg, nucleolus, shapley, vcg
from optsched.federation.bargaining import kalai_smorodinsky, nash, nash_outcome, surplus_split
from tests.support.games import airport, bankruptcy, game, glove, lexicographic, voting


def fractions(*texts):
    return tuple(map(Fraction, texts))


@pytest.mark.parametrize(
    ("played", "expected"),
    [
        (glove(1, 2), fractions("2/3", "1/6", "1/6")),
        (glove(2, 3), fractions("13/20", "13/20", "7/30", "7/30", "7/30")),
        (airport(8, 11, 13, 18), fractions(2, 3, 4, 9)),
        (airport(6, 12, 42), fractions(2, 5, 35)),
        (voting(4, 3, 2, 1, 1), fractions("1/2", "1/6", "1/6", "1/6")),
    ],
)
def test_shapley(played, expected):
    assert shapley(played.low) == expected


@pytest.mark.parametrize(
    ("played", "expected"),
    [
        (glove(1, 2), fractions(1, 0, 0)),
        (bankruptcy(100, 100, 200, 300), fractions("100/3", "100/3", "100/3")),
        (bankruptcy(200, 100, 200, 300), fractions(50, 75, 75)),
        (bankruptcy(300, 100, 200, 300), fractions(50, 100, 150)),
        (
            lexicographic(4, 0, 0, 0, 0, 5, 5, 8, 9, 10, 8, 13, 15, 16, 17, 21),
            fractions("7/2", "9/2", "11/2", "15/2"),
        ),
    ],
)
def test_nucleolus(played, expected):
    found = nucleolus(played.low)
    assert found.payments == expected
    assert kohlberg(played.low, found.payments)
    assert in_core(played, found.payments).holds == core_exists(played).holds


def test_the_core_of_one_left_glove_is_a_point():
    played = glove(1, 2)
    assert in_core(played, fractions(1, 0, 0)).holds == "yes"
    assert in_core(played, fractions("9/10", "1/10", 0)).holds == "no"


def test_bill_and_jack():
    """Nash (1950), the example of the paper: of all exchanges of nine things, gains are 12 and 5."""
    bill = {"book": 2, "whip": 2, "ball": 2, "bat": 2, "box": 4, "pen": 10, "toy": 4, "knife": 6, "hat": 2}
    jack = {"book": 4, "whip": 2, "ball": 1, "bat": 2, "box": 1, "pen": 1, "toy": 1, "knife": 2, "hat": 2}
    owned = ("book", "whip", "ball", "bat", "box"), ("pen", "toy", "knife", "hat")
    ways = list(product((0, 1), repeat=len(bill)))
    outcomes = [
        (
            sum(worth for worth, other in zip(bill.values(), way, strict=True) if not other),
            sum(worth for worth, other in zip(jack.values(), way, strict=True) if other),
        )
        for way in ways
    ]
    disagreement = sum(bill[x] for x in owned[0]), sum(jack[x] for x in owned[1])
    found = nash_outcome(outcomes, disagreement)
    assert found.gains == (12, 5)
    assert found.over_lotteries


def test_two_apples():
    """Bids of 5 and 2 for one apple each and of 6 for both: the winners pay 4 and 1."""
    bids = {0: (5, 1), 1: (2, 1), 2: (6, 2)}

    def value(s):
        chosen = [
            c for c in product((0, 1), repeat=len(s)) if sum(bids[i][1] for i, x in zip(s, c, strict=True) if x) <= 2
        ]
        return max(sum(bids[i][0] for i, x in zip(s, c, strict=True) if x) for c in chosen)

    played = game(3, value)
    found = vcg(Game(played.members, played.low, played.high, fractions(5, 2, 0)))
    assert found.charges == (4, 1, 0)
    assert found.payments == (1, 1, 0)
    assert found.deficit == -5


def test_bargaining_with_transfers():
    played = game(2, lambda s: {(): 0, (0,): 2, (1,): 4, (0, 1): 10}[s])
    assert surplus_split(played) == nash(played) == kalai_smorodinsky(played) == (4, 6)
    assert nash(played, fractions(1, 3)) == (3, 7)
