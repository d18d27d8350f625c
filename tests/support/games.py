"""Games that textbooks print, and random ones."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations

from optsched.federation import Game


def game(n, value, names=None):
    """Return the game of a function of the tuple of a coalition's members."""
    names = names or tuple("abcdefghijklmnop"[:n])
    values = tuple(Fraction(value(tuple(i for i in range(n) if mask >> i & 1))) for mask in range(1 << n))
    return Game(tuple(names), values, values)


def glove(left, right):
    return game(left + right, lambda s: min(sum(i < left for i in s), sum(i >= left for i in s)))


def airport(*costs):
    return game(len(costs), lambda s: max((costs[i] for i in s), default=0))


def bankruptcy(estate, *claims):
    return game(len(claims), lambda s: max(0, estate - sum(c for i, c in enumerate(claims) if i not in s)))


def voting(quota, *weights):
    return game(len(weights), lambda s: int(sum(weights[i] for i in s) >= quota))


def lexicographic(n, *values):
    """Return the game of values that are listed by size of the coalition, and then by its members."""
    order = [s for k in range(1, n + 1) for s in combinations(range(n), k)]
    listed = dict(zip(order, values, strict=True))
    return game(n, lambda s: listed.get(s, 0))


def random_values(rng: random.Random, n: int, *, together: bool):
    """Return values of all coalitions; ``together``: all have at least what each has alone."""
    values = [Fraction(0), *(Fraction(rng.randint(-5, 30), rng.choice((1, 1, 2, 3))) for _ in range(2**n - 1))]
    if together:
        values[-1] = sum(values[1 << i] for i in range(n)) + rng.randint(0, 60)
    return values
