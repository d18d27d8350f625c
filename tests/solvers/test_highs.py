"""Small models whose optimum HiGHS 1.12 and 1.13 miss, and call another point optimal."""

from __future__ import annotations

import numpy as np

from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.problem import Places, Plan
from optsched.search.max_min import tightened
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.linear import LinearModel
from tests.support.builders import residuals
from tests.support.placement_instances import made

COST = [1.0, 1.06, 1.01, 0, 0, 0, 0, 0]
ROWS = [
    ([1, 1, 1, 0, 0, 0, 0, 0], -np.inf, 1),
    ([3, 3, 5, 0, 0, 0, 0, 0], -np.inf, 5),
    ([-1, 0, -2, 1, 0, 0, 0, 0], 0, 0),
    ([-1, -3, -1, 0, 1, 1, 0, 0], 0, 0),
    ([-2, -2, -2, 1, 1, 0, 0, 0], -np.inf, 0),
    ([-1, -1, -1, 0, 0, 1, 0, 0], -np.inf, 0),
    ([0, 0, 0, 2, 1, 0, 0, 0], -np.inf, 4),
    ([0, 0, 0, 0, 0, 1, 0, 0], -np.inf, 1),
    ([0, 0, 0, 1, 0, 0, -1, 0], -np.inf, 0),
    ([0, 0, 0, 0, 1, 0, 0, -2], -np.inf, 0),
    ([0, 0, 0, 0, 0, 0, 1, 1], -np.inf, 2),
]
"""Coefficients, lower and upper end: pieces of a job of 3, 3 or 5 GPUs on two servers of 2 and one of 1."""
BETTER = np.array([0, 1, 0, 0, 2, 1, 0, 1], dtype=np.float64)


def test_no_bound_below_a_feasible_point():
    model = LinearModel()
    x = model.add_variables("x", 8, upper=np.array([1, 1, 1, 2, 2, 1, 2, 2]), integer=True, cost=np.array(COST))
    for number, (row, low, high) in enumerate(ROWS):
        used = np.flatnonzero(row)
        parts = np.zeros(len(used), dtype=np.int64), x[used], np.array(row, dtype=np.float64)[used]
        model.add_rows(f"r{number}", parts, lower=low, upper=high, size=1)
    assert residuals(model, BETTER) == 0
    outcome = highs.solve(model, RunContext(Limits(gap=0.0)))
    assert outcome.bound >= 1.06 - 1e-9


def test_a_start_is_not_called_optimal_beside_a_better_point():
    """Of two batches, the start has the worse one; HiGHS prunes the other before it solves a linear program."""
    problem, _ = tightened(build_problem(made(6374, "placement"), error=1e-3), RunContext(Limits()))
    built = formulation("placement").forms["linear"](problem, DEFAULT)
    places = Places({"s0/0": 1}, {}), Places({"s0/1": 2}, {}), Places({"s0/0": 1}, {"s0/1": 1, "s1": 1})
    worse, better = (built.start(Plan(np.array([row, 2, 3]), None, places)) for row in (1, 0))
    assert residuals(built.model, better) < 1e-9
    outcome = highs.solve(built.model, RunContext(Limits(gap=1e-6)), start=worse)
    assert outcome.bound >= built.model.cost @ better - 1e-9
