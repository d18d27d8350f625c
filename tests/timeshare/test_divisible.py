"""Divisible resources: the published examples, linear programs and concave ones by other solvers, and the edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from optsched.errors import InputError
from optsched.timeshare.divisible import dominant_shares, nash_welfare, shares

NSDI = np.array([[1.0, 4.0], [3.0, 1.0]]), np.array([9.0, 18.0])
"""Ghodsi et al., NSDI'11, sec. 4.1: tasks of <1 CPU, 4 GB> and <3 CPUs, 1 GB> on 9 CPUs and 18 GB."""


def test_dominant_resource_fairness_of_the_paper():
    """Sec. 4.1: equal dominant shares 4x/18 = 3y/9 and 9 CPUs in use give 3 and 2 tasks, shares of two thirds."""
    np.testing.assert_allclose(dominant_shares(*NSDI), [3, 2])


def test_competitive_equilibrium_of_the_paper():
    """Sec. 6.1.2: maximize x y with x + 3 y <= 9 and 4 x + y <= 18: both bind, x = 45/11 and y = 18/11."""
    tasks, gap = nash_welfare(*NSDI)
    np.testing.assert_allclose(tasks, [45 / 11, 18 / 11], rtol=1e-7)
    assert gap <= 1e-9


def test_weights_divide_a_single_resource():
    demand, capacity, weight = np.array([[1.0], [2.0]]), np.array([12.0]), np.array([2.0, 1.0])
    np.testing.assert_allclose(dominant_shares(demand, capacity, weight), [8, 2])
    np.testing.assert_allclose(nash_welfare(demand, capacity, weight)[0], [8, 2], rtol=1e-7)


def test_who_needs_nothing_of_what_is_full_goes_on():
    """Both take half of resource 0, which is full; the third alone has all of resource 1."""
    demand = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(dominant_shares(demand, np.array([4.0, 10.0])), [2, 2, 10])


@pytest.mark.parametrize("seed", range(15))
def test_dominant_shares_are_lexicographic(seed):
    """No share can rise but at the cost of one that is no larger: every user meets a full resource.

    At that resource nobody has a larger share: who does would have stopped later, or at the same level.
    """
    random = np.random.default_rng(seed)
    demand = random.uniform(0, 2, (7, 3)) * (random.random((7, 3)) < 0.7)
    demand[demand.max(axis=1) == 0, 0] = 1.0
    capacity = random.uniform(1, 9, 3)
    tasks = dominant_shares(demand, capacity)
    used = tasks @ demand
    assert np.all(used <= capacity * (1 + 1e-9))
    share = tasks * (demand / capacity).max(axis=1)
    for user in range(7):
        full = np.flatnonzero((demand[user] > 0) & (used >= capacity * (1 - 1e-9)))
        assert any(share[user] >= share[demand[:, r] > 0].max() * (1 - 1e-9) for r in full)


@pytest.mark.parametrize("seed", range(10))
def test_nash_welfare_is_what_another_solver_finds(seed):
    random = np.random.default_rng(seed)
    demand, capacity, weight = random.uniform(0.1, 2, (5, 3)), random.uniform(1, 9, 3), random.uniform(0.5, 2, 5)
    tasks, gap = nash_welfare(demand, capacity, weight)
    assert np.all(tasks @ demand <= capacity * (1 + 1e-12))
    assert gap <= 1e-7
    other = minimize(
        lambda x: -weight @ np.log(x),
        np.full(5, 0.05),
        jac=lambda x: -weight / x,
        method="SLSQP",
        bounds=[(1e-6, None)] * 5,
        options={"maxiter": 500, "ftol": 1e-13},
        constraints={"type": "ineq", "fun": lambda x: capacity - x @ demand, "jac": lambda x: -demand.T},
    )
    assert -other.fun <= weight @ np.log(tasks) + 1e-6 * weight.sum()


def case(seed, jobs, types):
    random = np.random.default_rng(seed)
    rate = np.exp(random.normal(0, 0.5, (jobs, types))) * np.arange(1, types + 1)
    if seed % 3 == 0:
        rate[random.random((jobs, types)) < 0.2] = 0.0
        rate[rate.max(axis=1) == 0, 0] = 1.0
    if seed % 4 == 1:
        rate = rate[random.integers(3, size=jobs)]  # many equal jobs: ties everywhere
    capacity = random.uniform(0.05, 0.4, types) * jobs
    return rate, capacity, random.choice([0.5, 1.0, 2.0], jobs)


def assert_kept(found, capacity):
    assert np.all(found.shares >= 0)
    assert np.all(found.shares.sum(axis=1) <= 1 + 1e-9)
    assert np.all(found.shares.sum(axis=0) <= capacity * (1 + 1e-9))


@pytest.mark.parametrize("seed", range(12))
def test_linear_shares_are_those_of_the_linear_program(seed):
    rate, capacity, weight = case(seed, 40 + 5 * seed, 1 + seed % 4)
    jobs, types = rate.shape
    found = shares(rate, capacity, weight)
    assert_kept(found, capacity)
    assert found.value == pytest.approx(float(np.sum(weight[:, None] * rate * found.shares)))
    rows = np.vstack([np.kron(np.eye(jobs), np.ones(types)), np.kron(np.ones(jobs), np.eye(types))])
    best = linprog(-(weight[:, None] * rate).ravel(), A_ub=rows, b_ub=np.append(np.ones(jobs), capacity))
    assert -best.fun <= found.bound * (1 + 1e-9)
    assert found.bound == pytest.approx(-best.fun, rel=1e-5)
    assert found.value == pytest.approx(-best.fun, rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_log_shares_are_what_another_solver_finds(seed):
    rate, capacity, weight = case(seed, 8, 1 + seed % 3)
    jobs, types = rate.shape
    found = shares(rate, capacity, weight, utility="log")
    assert_kept(found, capacity)
    assert found.value == pytest.approx(float(weight @ np.log(np.sum(rate * found.shares, axis=1))))
    assert found.gap <= 2e-6

    def lost(x):
        return -weight @ np.log(np.maximum(1e-12, np.sum(rate * x.reshape(jobs, types), axis=1)))

    def slope(x):
        reached = np.maximum(1e-12, np.sum(rate * x.reshape(jobs, types), axis=1))
        return -((weight / reached)[:, None] * rate).ravel()

    rows = np.vstack([np.kron(np.eye(jobs), np.ones(types)), np.kron(np.ones(jobs), np.eye(types))])
    limit = np.append(np.ones(jobs), capacity)
    start = np.full(jobs * types, float(min(1 / types, (capacity / jobs).min())) * 0.9)
    best = minimize(
        lost,
        start,
        jac=slope,
        method="SLSQP",
        bounds=[(0, 1)] * (jobs * types),
        constraints={"type": "ineq", "fun": lambda x: limit - rows @ x, "jac": lambda x: -rows},
        options={"maxiter": 400, "ftol": 1e-12},
    )
    reached = np.clip(best.x, 0, None).reshape(jobs, types)
    reached = reached * np.minimum(1, capacity / np.maximum(reached.sum(axis=0), 1e-12))
    reached = reached / np.maximum(1, reached.sum(axis=1, keepdims=True))
    other = float(weight @ np.log(np.sum(rate * reached, axis=1)))
    assert other <= found.bound + 1e-9 * weight.sum(), "the bound holds for what another solver finds"
    assert other <= found.value + 1e-5 * weight.sum()


def test_where_there_is_enough_everybody_has_the_best():
    rate = np.array([[1.0, 2.0], [3.0, 1.0]])
    for utility in ("linear", "log"):
        found = shares(rate, np.array([5.0, 5.0]), utility=utility)
        np.testing.assert_allclose(found.shares, [[0, 1], [1, 0]], atol=1e-5)


@pytest.mark.parametrize(
    ("rate", "capacity", "weight", "utility"),
    [
        ([[1.0, -1.0]], [1.0, 1.0], [1.0], "linear"),
        ([[1.0, np.nan]], [1.0, 1.0], [1.0], "linear"),
        ([[1.0]], [1.0, 1.0], [1.0], "linear"),
        ([[1.0]], [0.0], [1.0], "linear"),
        ([[1.0]], [1.0], [0.0], "linear"),
        ([[0.0]], [1.0], [1.0], "log"),
        ([[1.0]], [1.0], [1.0], "square"),
    ],
)
def test_what_is_no_problem_is_refused(rate, capacity, weight, utility):
    with pytest.raises(InputError):
        shares(np.array(rate), np.array(capacity), np.array(weight), utility=utility)


def test_demands_that_are_none_are_refused():
    for demand, capacity in (([[0.0, 0.0]], [1.0, 1.0]), ([[1.0]], [1.0, 1.0]), ([[1.0]], [0.0])):
        with pytest.raises(InputError):
            dominant_shares(np.array(demand), np.array(capacity))
        with pytest.raises(InputError):
            nash_welfare(np.array(demand), np.array(capacity))
