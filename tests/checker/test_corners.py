"""Broken plans that once passed."""

from __future__ import annotations

import msgspec
import pytest

from optsched.checker import check
from optsched.problem.build import build_problem
from tests.support.builders import cluster, instance, job, listed, plan

replace = msgspec.structs.replace


def test_more_nodes_than_servers():
    case = instance(job(), cluster=cluster(4, 4))
    (held,) = plan(build_problem(case), 4)
    assert not check(case, [replace(held, nodes=4)]).ok


@pytest.mark.parametrize("other", ["s0/0", "s0/00"])
def test_one_server_under_two_names(other):
    case = instance(job("a"), job("b"), cluster=cluster(4, 4))
    a, b = plan(build_problem(case), 4, 4)
    assert not check(case, [replace(a, placement={"s0": 4}), replace(b, placement={other: 4})]).ok


def test_a_server_number_that_is_none():
    case = instance(job())
    (held,) = plan(build_problem(case), 4)
    assert not check(case, [replace(held, placement={"s0/²": 4})]).ok


def test_rates_of_two_listed_configurations_are_not_mixed():
    twice = [*listed(10), *listed(12, efficiency=0.5)]
    case = instance(job(configurations=twice), objective={"name": "throughput"})
    problem = build_problem(case)
    assert check(case, plan(problem, 1), claimed=12.0).ok


def test_the_same_allocation_twice():
    case = instance(job())
    (held,) = plan(build_problem(case), 2)
    assert not check(case, [held, held]).ok
