"""Heuristics: what they decide by hand, that no plan breaks a rule, and that the bound beside each is one."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optsched import solve
from optsched.errors import InputError
from optsched.instance import Instance, ObjectiveSpec
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.problem import Plan, Problem
from optsched.search.heuristics.fill_idle import fill_idle
from optsched.search.heuristics.greedy import price_greedy
from optsched.search.heuristics.lns import neighbourhoods
from optsched.search.heuristics.lp_rounding import lp_rounding
from optsched.search.heuristics.marginal_gain import improve, improving_rows, marginal_gain, used
from optsched.search.heuristics.pop import partitioned, shares, subproblem
from optsched.search.heuristics.speedup import speed_up
from optsched.search.max_min import highest_level
from optsched.search.prices import dual_prices
from optsched.search.solve import HEURISTICS
from optsched.solvers import Limits, RunContext, highs
from tests.support.builders import cluster, instance, job, listed
from tests.support.priced_arrays import Row, problem_of, problems
from tests.support.strategies import instances

PLANS = sorted(set(HEURISTICS) - {"prices", "levels", "one-by-one"})
SUMS = ("progress", "throughput", "proportional")


def optimum(problem: Problem) -> float | None:
    """Return the best value of any plan by HiGHS; None without any."""
    if len(problem.configurations) == 0:
        return None if problem.required.any() else 0.0
    built = formulation("configuration").forms["linear"](problem, DEFAULT)
    return highs.solve(built.model, RunContext(Limits(gap=0.0))).objective


def keeps(problem: Problem, rows: np.ndarray) -> bool:
    """Return whether a plan keeps the capacities, and gives each job one of its own rows."""
    row, resource, amount = problem.configurations.used
    mine = np.isin(row, rows[rows >= 0])
    used = np.bincount(resource[mine], weights=amount[mine], minlength=len(problem.configurations.capacity))
    owners = problem.configurations.job[rows[rows >= 0]]
    return bool(np.all(used <= problem.configurations.capacity * (1 + 1e-9))) and np.array_equal(
        owners, np.flatnonzero(rows >= 0)
    )


@settings(max_examples=100, derandomize=True, deadline=None)
@given(problem=problems(), parts=st.integers(1, 4))
def test_plans_keep_the_capacities(problem: Problem, parts: int) -> None:
    assert keeps(problem, price_greedy(problem, dual_prices(problem).prices))
    assert keeps(problem, partitioned(problem, parts, 0))
    assert keeps(problem, speed_up(problem))
    rounded = lp_rounding(problem)
    assert rounded is None or keeps(problem, rounded)


@pytest.mark.parametrize("backend", ["highs", "cpsat"])
@settings(max_examples=30, derandomize=True, deadline=None)
@given(problem=problems())
def test_a_neighbourhood_of_all_jobs_is_the_whole(backend: str, problem: Problem) -> None:
    first = marginal_gain(problem)
    found = neighbourhoods(problem, first, RunContext(Limits()), backend=backend)
    assert keeps(problem, found)
    best = optimum(problem)
    if best is not None and problem.configurations.jobs <= 16:
        assert problem.total(Plan(found)) == pytest.approx(best, rel=2e-4, abs=1e-9)
        assert not np.any(problem.required & (found < 0))


def test_neighbourhoods_better_a_plan_step_by_step() -> None:
    random = np.random.default_rng(3)
    jobs = [
        [Row(float(v), (float(n), float(n % 3))) for n, v in enumerate(random.uniform(0, 9, 8), 1)] for _ in range(90)
    ]
    problem = problem_of(jobs, [100.0, 40.0])
    first = marginal_gain(problem)
    prices = dual_prices(problem).prices
    found = neighbourhoods(problem, first, RunContext(Limits()), costs=problem.configurations.costs(prices))
    assert keeps(problem, found)
    assert problem.total(Plan(first)) < 0.99 * problem.total(Plan(found))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(problem=problems())
def test_the_relaxation_bounds_every_plan(problem: Problem) -> None:
    best = optimum(problem)
    if best is not None:
        assert dual_prices(problem).bound >= best - 1e-7 * max(1.0, abs(best))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(case=instances(with_servers=True), name=st.sampled_from(PLANS), goal=st.sampled_from(SUMS))
def test_results_are_checked_and_bounded(case: Instance, name: str, goal: str) -> None:
    found = solve(case, objective=goal, formulation=name)
    best = optimum(build_problem(case, found.objective))
    if found.value is None:
        assert found.status in ("infeasible", "unknown")
        assert (best is None) or found.status == "unknown"
        return
    assert best is not None
    assert not [note for note in found.notes if "dropped" in note]
    assert found.value <= best + 1e-6 * max(1.0, abs(best))
    assert found.bound is not None
    assert found.bound >= best - 1e-6 * max(1.0, abs(best))


@pytest.mark.parametrize("name", [name for name in PLANS if name != "price-greedy"])
def test_least_values_are_bounded_by_the_lp(name: str) -> None:
    jobs = [job(f"j{k}") for k in range(4)]
    found = solve(instance(*jobs, cluster=cluster(4, 4), objective={"name": "max-min"}), formulation=name)
    assert found.value is not None
    assert found.bound is not None
    assert found.value <= found.bound + 1e-9


def test_prices_guide_no_least_values() -> None:
    with pytest.raises(InputError, match="sums over jobs"):
        solve(instance(job("a"), objective={"name": "max-min"}), formulation="price-greedy")


def test_speed_up_goes_to_who_scales() -> None:
    """a doubles and b gains a tenth: both start on one GPU, and the two others are a's, whatever b weighs."""
    scaling = job("a", configurations=listed(1, 2, 3, 4))
    flat = job("b", configurations=listed(10, 11, 12, 13), weight=100.0)
    problem = build_problem(instance(scaling, flat))
    rows = speed_up(problem)
    assert problem.configurations.columns.gpus[rows].tolist() == [3, 1]


def test_speed_up_steps_over_a_dip() -> None:
    rows = speed_up(problem := build_problem(instance(job("a", configurations=listed(10, 9, 20, 0)))))
    assert problem.configurations.columns.gpus[rows].tolist() == [3]


def test_the_greedy_takes_the_best_bargain_first() -> None:
    """Values by GPU of 5, 4 and 3 for jobs of two GPUs each: the last waits."""
    jobs = [job(f"j{k}", configurations=listed(0, 2.0 * (3 + k)), reference={"goodput": 1.0}) for k in range(3)]
    problem = build_problem(instance(*jobs))
    rows = price_greedy(problem, np.array([3.5] + [0.0] * (len(problem.configurations.capacity) - 1)))
    assert (rows >= 0).tolist() == [False, True, True]


def test_parts_share_everything() -> None:
    even = shares(np.array([10.0, 7.0, 2.5, np.inf, 1.0]), 4)
    assert np.allclose(even.sum(axis=0), [10, 7, 2.5, np.inf, 1])
    assert np.array_equal(even[:, :2], np.rint(even[:, :2]))
    assert even[:, 0].max() - even[:, 0].min() == 1
    assert even[:, 2].tolist() == [0.625] * 4


@settings(max_examples=50, derandomize=True, deadline=None)
@given(case=instances())
def test_one_part_is_the_whole(case: Instance) -> None:
    problem = build_problem(case)
    best, rows = optimum(problem), partitioned(problem, 1, 0, gap=0.0)
    if best is not None and problem.objective.aggregate == "sum" and not case.limits:
        assert problem.total(Plan(rows)) == pytest.approx(best, abs=1e-6)


def test_a_part_has_the_rows_of_its_jobs() -> None:
    problem = build_problem(instance(*(job(f"j{k}", weight=1.0 + k) for k in range(5))))
    part, rows = subproblem(problem, np.array([1, 4]), problem.configurations.capacity, None)
    assert [one.id for one in part.instance.jobs] == ["j1", "j4"]
    assert np.array_equal(part.value, problem.value[rows])
    assert set(problem.configurations.job[rows].tolist()) == {1, 4}
    assert part.weight.tolist() == [2.0, 5.0]


def values(problem: Problem, rows: np.ndarray) -> np.ndarray:
    """Return what each job has of a plan, 0 for one that waits."""
    return np.where(rows >= 0, np.append(problem.value, 0.0)[rows], 0.0)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(problem=problems(), some=st.randoms(use_true_random=False))
def test_what_is_left_over_goes_to_those_who_gain_by_it(problem: Problem, some: Random) -> None:
    rows = marginal_gain(problem)
    rows[[job for job in range(len(rows)) if some.random() < 0.5 and not problem.required[job]]] = -1
    more = fill_idle(problem, rows)
    assert keeps(problem, more)
    assert np.all(values(problem, more) >= values(problem, rows) * (1 - 1e-12))
    free = problem.configurations.capacity - used(problem, more)
    assert not any(len(improving_rows(problem, job, more, free)) for job in range(len(more)))


def test_prices_hand_out_more_than_single_steps() -> None:
    """Two GPUs are left over: the largest gain per GPU takes one of them from a job that gains more by both."""
    steep, wide = job("steep", configurations=listed(1.0, 3.0)), job("wide", configurations=listed(1.0, 1.0, 4.0))
    problem = build_problem(instance(steep, wide, cluster=cluster(4)), ObjectiveSpec(name="max-min"))
    level = highest_level(problem, deadline=None, gap=0.0).rows
    assert level is not None
    assert values(problem, level).tolist() == [1.0, 1.0]
    assert values(problem, improve(problem.summed, level)).tolist() == [3.0, 1.0]
    assert values(problem, fill_idle(problem, level)).tolist() == [1.0, 4.0]
