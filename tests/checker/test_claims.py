"""The value that a plan claims is checked by the objective in force."""

from __future__ import annotations

import pytest

from optsched.checker import check
from optsched.instance import ObjectiveSpec
from optsched.problem.build import build_problem
from optsched.problem.problem import Plan, allocate
from tests.support.builders import best_rows, instance, job


def test_plans_are_checked_with_their_own_objective():
    problem = build_problem(instance(job("a"), job("b")), ObjectiveSpec(name="throughput"))
    rows = best_rows(problem, 2, 2)
    assert check(problem.instance, allocate(problem, Plan(rows)), ObjectiveSpec(name="throughput"), claimed=32.0).ok
    assert check(problem.instance, allocate(problem, Plan(rows)), claimed=3.2).value == pytest.approx(3.2)
