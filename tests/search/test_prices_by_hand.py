"""Problems solved by hand, and cases at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from optsched.search.prices import polish as search
from optsched.search.prices import price
from optsched.search.prices.dual import dual_bound, evaluate
from optsched.search.prices.grouping import grouped
from optsched.search.prices.newton import descend, first_guess
from optsched.search.prices.table import price_table
from tests.support.priced_arrays import Row, problem_of


def test_two_jobs_one_gpu():
    found = price(problem_of([[Row(3, (1,))], [Row(2, (1,))]], [1]), deadline=None, gap=0)
    assert found.rows.tolist() == [0, -1]
    assert found.value == found.bound == 3


def test_the_price_is_what_one_more_unit_adds():
    # of ten jobs worth 1 to 10, the best four run; a fifth GPU would add 6
    jobs = [[Row(k, (1,))] for k in range(1, 11)]
    found = price(problem_of(jobs, [4]), deadline=None, gap=1e-9)
    assert found.value == 34
    assert 6 - 1e-6 <= found.prices[0] <= 7 + 1e-6


def test_nothing_is_scarce():
    found = price(problem_of([[Row(3, (1,)), Row(4, (2,))]] * 3, [np.inf]), deadline=None, gap=0)
    assert found.rows.tolist() == [1, 3, 5]
    assert found.prices.tolist() == [0]


def test_no_job():
    found = price(problem_of([], [4]), deadline=None, gap=0)
    assert (len(found.rows), found.value, found.bound) == (0, 0, 0)


def test_jobs_without_rows():
    found = price(problem_of([[], [Row(1, (1,))], []], [4]), deadline=None, gap=0)
    assert found.rows.tolist() == [-1, 0, -1]


def test_a_required_job_without_rows():
    found = price(problem_of([[], [Row(1, (1,))]], [4], required=[0]), deadline=None, gap=0)
    assert found.rows is None
    assert found.bound == -np.inf


def test_required_jobs_that_cannot_run_together():
    found = price(problem_of([[Row(1, (3,))]] * 2, [5], required=[0, 1]), deadline=None, gap=0)
    assert found.rows is None
    assert found.bound == -np.inf
    assert "there is no plan" in found.notes


def test_prices_prove_that_there_is_no_plan(monkeypatch):
    monkeypatch.setattr(search, "KERNELS", ())  # no program helps
    jobs = [[Row(1, (2,)), Row(3, (4,))]] * 5 + [[Row(k, (1,)), Row(2, (2,))] for k in range(1, 6)]
    found = price(problem_of(jobs, [14], required=list(range(10))), deadline=None, gap=0)
    assert (found.rows, found.bound) == (None, -np.inf)
    found = price(problem_of(jobs, [15], required=list(range(10))), deadline=None, gap=0)
    assert found.value == 20


def test_a_plan_that_moves_of_single_jobs_do_not_find(monkeypatch):
    monkeypatch.setattr(search, "repair", lambda table, seen, units: None)
    jobs = [[Row(1, (2, 0)), Row(1.5, (0, 1))], [Row(1, (2, 0)), Row(1.2, (0, 1))]]
    found = price(problem_of(jobs, [2, 1], required=[0, 1]), deadline=None, gap=0)
    assert found.value == found.bound == 2.5


def test_a_required_job_displaces_a_better_one():
    found = price(problem_of([[Row(9, (2,))], [Row(1, (2,))]], [3], required=[1]), deadline=None, gap=0)
    assert found.rows.tolist() == [-1, 1]


def test_no_capacity():
    found = price(problem_of([[Row(1, (1, 0)), Row(2, (0, 1))]] * 2, [0, 1]), deadline=None, gap=0)
    assert found.value == found.bound == 2


def test_moves_are_limited():
    # both jobs would gain by a move, and one may
    jobs = [[Row(1, (1, 0), kept=True), Row(5, (0, 1))], [Row(1, (1, 0), kept=True), Row(4, (0, 1))]]
    found = price(problem_of(jobs, [2, 2], max_moves=1), deadline=None, gap=0)
    assert found.rows.tolist() == [1, 2]
    assert found.value == found.bound == 6


def test_a_hundred_equal_jobs():
    # the first GPU adds 1.2, the second 1.0, the other two 0.4 each
    jobs = [[Row(1.2, (1,)), Row(2.2, (2,)), Row(3.0, (4,))]] * 100
    problem = problem_of(jobs, [150])
    found = price(problem, deadline=None, gap=0)
    assert any("1 kinds" in note for note in found.notes)
    assert found.value == pytest.approx(50 * 1.2 + 50 * 2.2)
    assert found.bound == pytest.approx(found.value)
    assert np.bincount(found.rows % 3).tolist() == [50, 50]


def test_equal_jobs_are_those_of_equal_rows():
    rows = [Row(1, (1, 0)), Row(2, (0, 2))]
    jobs = [rows, [Row(1, (1, 0)), Row(2, (2, 0))], rows, rows, rows, [Row(2, (0, 2)), Row(1, (1, 0))], rows, rows]
    problem = problem_of(jobs, [4, 4])
    groups = grouped(problem, problem.configurations.used)
    assert groups.group.tolist() == [0, 1, 0, 0, 0, 2, 0, 0]
    assert groups.many.tolist() == [6, 1, 1]
    assert not grouped(problem_of(jobs[:2], [4, 4]), problem_of(jobs[:2], [4, 4]).configurations.used).merged


def random_problem(seed: int, jobs: int, several: bool):
    """Return a problem of jobs that take one or two resources, with distinct values."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(jobs):
        own = []
        for gpus in (1, 2, 4, 8):
            kind = int(random.integers(2))
            takes = [0.0, 0.0, 4.0 * gpus if several else 0.0]
            takes[kind] = gpus
            own.append(Row(float(gpus**0.7 * random.uniform(0.5, 2)), tuple(takes)))
        made.append(own)
    return problem_of(made, [jobs / 2, jobs / 3, 3.0 * jobs])


@pytest.mark.parametrize("several", [False, True])
def test_a_pass_agrees_with_plain_loops(several):
    problem = random_problem(0, 40, several)
    table, _ = price_table(problem)
    prices = np.array([0.3, 0.7, 0.05])
    seen = evaluate(table, prices)
    own = problem.configurations
    cost = np.zeros(len(own))
    for row, resource, amount in zip(*own.used, strict=True):
        cost[row] += prices[resource] * amount
    reduced = problem.value / table.scale - cost
    expected = float(prices @ own.capacity)
    for job in range(own.jobs):
        expected += max(0.0, reduced[own.first[job] : own.first[job + 1]].max())
    assert seen.dual == pytest.approx(expected)
    assert dual_bound(problem, prices * table.scale, 0.0) == pytest.approx(expected * table.scale)
    assert seen.loss.min() == 0


@pytest.mark.parametrize("several", [False, True])
def test_falling_temperatures_lead_to_the_least_dual(several):
    problem = random_problem(1, 300, several)
    table, _ = price_table(problem)
    prices = first_guess(table)
    duals = []
    for temperature in (0.1, 0.01, 0.001):
        prices = descend(table, prices, temperature, 20).prices
        duals.append(evaluate(table, prices).dual)
    assert duals[0] > duals[1] >= duals[2] * (1 - 1e-9)
    found = price(problem, deadline=None, gap=1e-6)
    assert found.gap <= 1e-6
    assert duals[2] * table.scale <= found.value * (1 + 1e-3)


def test_the_same_problem_twice_has_the_same_answer():
    first, second = (price(random_problem(2, 200, True), deadline=None, gap=1e-5) for _ in range(2))
    assert np.array_equal(first.rows, second.rows)
    assert first.bound == second.bound


def test_a_deadline_that_is_over_leaves_a_plan_and_a_bound():
    problem = random_problem(3, 200, True)
    best = price(problem, deadline=None, gap=1e-6)
    found = price(problem, deadline=0.0, gap=1e-6)
    assert found.rows is not None
    assert 0 < found.value <= best.bound
    assert found.bound >= best.value


def test_prices_of_the_last_round_take_fewer_passes():
    problem = random_problem(4, 500, False)
    cold = price(problem, deadline=None, gap=1e-4)
    warm = price(problem, deadline=None, gap=1e-4, start=cold.prices)
    assert warm.passes < cold.passes
    assert warm.gap <= 1e-4
