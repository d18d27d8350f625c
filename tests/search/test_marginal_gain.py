"""The marginal-gain heuristic: capacities, values by hand, its deadline, and improvement of plans."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings

from optsched.problem.build import build_problem
from optsched.problem.problem import Plan
from optsched.search.heuristics.marginal_gain import improve, marginal_gain
from tests.support.builders import best_rows, cluster, instance, job, listed
from tests.support.strategies import instances


def used(problem, rows):
    """Return what a plan uses of each resource."""
    row, resource, amount = problem.configurations.used
    mine = np.isin(row, rows[rows >= 0])
    return np.bincount(resource[mine], weights=amount[mine], minlength=len(problem.configurations.capacity))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(case=instances(with_servers=True))
def test_marginal_gain_keeps_the_capacities(case):
    problem = build_problem(case)
    rows = marginal_gain(problem)
    assert np.all(used(problem, rows) <= problem.configurations.capacity * (1 + 1e-9))
    assert all(problem.configurations.job[row] == j for j, row in enumerate(rows) if row >= 0)


def test_marginal_gain_by_hand():
    """Gains of a 10, 8, 6, 4 and of b 6 a GPU: a takes two, b one, and the fourth is worth 6 to both."""
    jobs = job("a", configurations=listed(10, 18, 24, 28)), job("b", configurations=listed(6, 12, 18, 24))
    problem = build_problem(instance(*jobs, objective={"name": "throughput"}))
    assert problem.total(Plan(marginal_gain(problem))) == 30


def test_marginal_gain_after_its_deadline_gives_out_nothing():
    problem = build_problem(instance(job("a"), job("b")))
    assert (marginal_gain(problem, deadline=time.monotonic() - 1) == -1).all()


def test_improving_takes_nothing_from_anybody():
    problem = build_problem(instance(job("a"), job("b"), cluster=cluster(4)))
    before = best_rows(problem, 1, 1)
    after = improve(problem, before)
    assert (problem.value[after] >= problem.value[before]).all()
    assert used(problem, after)[0] == 4
