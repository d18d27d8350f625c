"""Models in units far from 1: HiGHS's absolute tolerances must not hide what counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optsched.errors import SolverError
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.highs import request_of
from optsched.solvers.linear import LinearModel
from optsched.solvers.scaling import scaled


def knapsack(seed: int, unit: float) -> tuple[LinearModel, float]:
    """Return a knapsack of eight things that are worth about a unit each, and its optimum by trying all choices."""
    random = np.random.default_rng(seed)
    worth, size = unit * random.uniform(1, 2, 8), random.integers(1, 9, 8).astype(float)
    room = float(size.sum() // 2)
    model = LinearModel()
    x = model.add_variables("x", 8, upper=1.0, integer=True, cost=worth)
    model.add_rows("room", (np.zeros(8, dtype=np.int64), x, size), upper=np.array([room]), size=1)
    best = max(
        worth[list(some)].sum()
        for count in range(9)
        for some in itertools.combinations(range(8), count)
        if size[list(some)].sum() <= room
    )
    return model, float(best)


@pytest.mark.parametrize("unit", [1e-12, 1e-7, 1e-3, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("seed", range(3))
def test_optima_of_any_unit(unit, seed):
    model, best = knapsack(seed, unit)
    outcome = highs.solve(model, RunContext(Limits(gap=0.0)))
    assert outcome.objective == pytest.approx(best, rel=1e-12)
    assert outcome.bound >= best * (1 - 1e-12), "bounds are rounded outward"
    assert outcome.bound <= best * (1 + 1e-8)


@pytest.mark.parametrize("level", [1e-9, 1e-3, 1e9])
def test_a_least_value_of_any_level(level):
    model = LinearModel()
    x = model.add_variables("x", 3, upper=1.0, integer=True)
    z = model.add_variables("z", 1, upper=level, cost=1.0)
    values = level * np.array([0.9, 0.4, 0.7])
    rows = np.array([0, 0, 1, 1, 1])
    entries = (rows, np.concatenate([z, x[:1], z, x[1:]]), np.concatenate([[1.0, -values[0], 1.0], -values[1:]]))
    model.add_rows("least", entries, upper=0.0, size=2)
    model.add_rows("one", (np.zeros(2, dtype=np.int64), x[1:], np.ones(2)), upper=1.0, size=1)
    outcome = highs.solve(model, RunContext(Limits(gap=0.0)))
    assert outcome.objective == pytest.approx(0.7 * level, rel=1e-9)
    assert 0.7 * level <= outcome.bound <= 0.7 * level * (1 + 1e-6)


def test_scales_are_powers_of_two():
    model, _ = knapsack(0, 1e-9)
    request, by = scaled(request_of(model))
    assert np.log2(by.objective) == int(np.log2(by.objective))
    assert 512 <= np.abs(request.cost).max() < 1024
    np.testing.assert_array_equal(request.cost / by.objective, model.cost)


@pytest.mark.parametrize("version", ["1.14.0", "1.15.1"])
def test_versions_that_are_known_to_be_wrong_are_refused(version):
    with pytest.raises(SolverError, match=f"highspy {version} is known to give wrong answers"):
        highs.refuse_wrong(version)
    highs.refuse_wrong("1.13.1")
    highs.refuse_wrong("1.16.0")
