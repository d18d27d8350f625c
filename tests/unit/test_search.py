"""What surrounds the solvers: the marginal-gain heuristic, tightening by levels, limits, explaining."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings

from optsched.checker import check
from optsched.instance import ObjectiveSpec
from optsched.problem.build import pose
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.infeasibility import impossible, why_infeasible
from optsched.problem.problem import Plan, allocate
from optsched.search.heuristics.marginal_gain import improve, marginal_gain
from optsched.search.max_min import tightened
from optsched.solvers import Limits, Watch, highs
from optsched.solvers.base import Progress
from tests.builders import best_rows, cluster, instance, job, listed
from tests.strategies import instances


def used(problem, rows):
    """Return what a plan uses of each resource."""
    row, resource, amount = problem.configurations.used
    mine = np.isin(row, rows[rows >= 0])
    return np.bincount(resource[mine], weights=amount[mine], minlength=len(problem.configurations.capacity))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(case=instances(with_servers=True))
def test_marginal_gain_keeps_the_capacities(case):
    problem = pose(case)
    rows = marginal_gain(problem)
    assert np.all(used(problem, rows) <= problem.configurations.capacity * (1 + 1e-9))
    assert all(problem.configurations.job[row] == j for j, row in enumerate(rows) if row >= 0)


def test_marginal_gain_by_hand():
    """Gains of a 10, 8, 6, 4 and of b 6 a GPU: a takes two, b one, and the fourth is worth 6 to both."""
    jobs = job("a", configurations=listed(10, 18, 24, 28)), job("b", configurations=listed(6, 12, 18, 24))
    problem = pose(instance(*jobs, objective={"name": "throughput"}))
    assert problem.total(Plan(marginal_gain(problem))) == 30


def test_marginal_gain_after_its_deadline_gives_out_nothing():
    problem = pose(instance(job("a"), job("b")))
    assert (marginal_gain(problem, deadline=time.monotonic() - 1) == -1).all()


def test_improving_takes_nothing_from_anybody():
    problem = pose(instance(job("a"), job("b"), cluster=cluster(4)))
    before = best_rows(problem, 1, 1)
    after = improve(problem, before)
    assert (problem.value[after] >= problem.value[before]).all()
    assert used(problem, after)[0] == 4


@settings(max_examples=100, derandomize=True, deadline=None)
@given(case=instances())
def test_tightening_keeps_the_optimum(case):
    problem = pose(case, ObjectiveSpec(name="max-min"))
    if len(problem.configurations) == 0 or impossible(problem):
        return
    tighter, bound = tightened(problem, Watch(Limits()))
    outcomes = [
        highs.solve(formulation("configuration").forms["linear"](p, DEFAULT).model, Watch(Limits(gap=0.0)))
        for p in (problem, tighter)
    ]
    assert outcomes[0].status == outcomes[1].status
    if outcomes[0].objective is not None:
        assert outcomes[1].objective == pytest.approx(outcomes[0].objective, rel=2e-6, abs=2e-6)
        assert bound >= outcomes[0].objective * (1 - 1e-6) - 1e-9
        build = formulation("configuration").forms["linear"]
        relaxed = [
            highs.solve(build(p, DEFAULT).model, Watch(Limits()), relaxed=True).objective for p in (problem, tighter)
        ]
        assert relaxed[1] <= relaxed[0] * (1 + 2e-7) + 1e-9


def test_limits_say_what_is_left():
    assert Limits().left() == float("inf")
    assert Limits(deadline=time.monotonic() - 5).left() == 0


def test_progress_is_scaled_and_without_infinities():
    heard: list[Progress] = []
    watch = Watch(Limits(), report=heard.append, scale=0.5)
    watch.progress("here", 4.0, 1e30)
    assert (heard[0].stage, heard[0].value, heard[0].bound, heard[0].gap) == ("here", 2.0, None, None)
    watch.progress("here", 4.0, 5.0)
    assert heard[1].gap == pytest.approx(0.25)


def test_a_impossible_says_why():
    cannot = job("a", configurations=listed(0, 0, 0, 0, 9), required=True)
    assert impossible(pose(instance(cannot))).startswith("required job 'a' cannot run: none of its configurations")
    assert impossible(pose(instance(job(required=True)))) == ""


def test_a_conflict_is_named_without_those_that_can_be_spared():
    jobs = [job(name, configurations=listed(0, 0, 9), required=True) for name in "ab"]
    spare = job("c", configurations=listed(1, gpu_type="w"), required=True)
    two = {**cluster(4), "gpu_types": [{"id": "v"}, {"id": "w"}]}
    two["servers"] = [*two["servers"], {"id": "w", "gpu_type": "w", "gpus": 1}]
    reason = why_infeasible(pose(instance(*jobs, spare, cluster=two)), Limits())
    assert "jobs a, b cannot run together: they need at least 2 more GPUs of v@main" in reason


def test_too_few_moves_are_named():
    jobs = [job(name, min_gpus=2, holds={"gpu_type": "v", "gpus": 4}) for name in "ab"]
    reason = why_infeasible(pose(instance(*jobs, max_moves=0)), Limits())
    assert "without more than 0 jobs losing or changing" in reason


def test_plans_are_checked_with_their_own_objective():
    problem = pose(instance(job("a"), job("b")), ObjectiveSpec(name="throughput"))
    rows = best_rows(problem, 2, 2)
    assert check(problem.instance, allocate(problem, Plan(rows)), ObjectiveSpec(name="throughput"), claimed=32.0).ok
    assert check(problem.instance, allocate(problem, Plan(rows)), claimed=3.2).value == pytest.approx(3.2)
