"""Prices by the names of their resources, as results keep them from one round to the next."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.problem.problem import Problem
from optsched.search.prices.engine import Priced

__all__ = ["MOVES", "named", "numbered"]

MOVES = "moves"
"""The name of the limit on moves among the resources."""


def named(problem: Problem, found: Priced) -> dict[str, float]:
    """Return what one more unit of everything limited is worth, by name: objective per unit, >= 0."""
    table = problem.configurations
    limited = np.flatnonzero(np.isfinite(table.capacity)).tolist()
    prices = {table.resource_names[number]: float(found.prices[number]) for number in limited}
    if problem.instance.max_moves is not None:
        prices[MOVES] = found.move_price
    return prices


def numbered(problem: Problem, prices: Mapping[str, float]) -> tuple[FloatArray, float]:
    """Return known prices as ``start`` and ``start_move`` of :func:`optsched.search.prices.price`.

    Names that the problem has not are passed over, since servers come and go between rounds.
    """
    start = np.array([prices.get(name, np.nan) for name in problem.configurations.resource_names], dtype=np.float64)
    return start, float(prices.get(MOVES, 0.0))
