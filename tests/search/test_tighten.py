"""Tightening by levels keeps the optimum and strengthens the relaxation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from optsched.instance import ObjectiveSpec
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.infeasibility import impossible
from optsched.search.max_min import tightened
from optsched.solvers import Limits, RunContext, highs
from tests.support.strategies import instances


@settings(max_examples=100, derandomize=True, deadline=None)
@given(case=instances())
def test_tightening_keeps_the_optimum(case):
    problem = build_problem(case, ObjectiveSpec(name="max-min"))
    if len(problem.configurations) == 0 or impossible(problem):
        return
    tighter, bound = tightened(problem, RunContext(Limits()))
    outcomes = [
        highs.solve(formulation("configuration").forms["linear"](p, DEFAULT).model, RunContext(Limits(gap=0.0)))
        for p in (problem, tighter)
    ]
    assert outcomes[0].status == outcomes[1].status
    if outcomes[0].objective is not None:
        assert outcomes[1].objective == pytest.approx(outcomes[0].objective, rel=2e-6, abs=2e-6)
        assert bound >= outcomes[0].objective * (1 - 1e-6) - 1e-9
        build = formulation("configuration").forms["linear"]
        relaxed = [
            highs.solve(build(p, DEFAULT).model, RunContext(Limits()), relaxed=True).objective
            for p in (problem, tighter)
        ]
        assert relaxed[1] <= relaxed[0] * (1 + 2e-7) + 1e-9
