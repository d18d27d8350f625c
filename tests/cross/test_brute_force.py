"""Brute force = configuration form = allocation form, in HiGHS, CP-SAT and Pyomo, each through the checker."""

from __future__ import annotations

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

import optsched
from optsched.checker import check
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.infeasibility import impossible
from optsched.problem.problem import allocate
from optsched.solvers import RunContext, cpsat, highs, pyomo
from optsched.solvers.base import Limits
from tests.support.oracle import best_plan, ways
from tests.support.strategies import instances

RUN = {"linear": highs.solve, "cpsat": cpsat.solve, "pyomo": pyomo.solve}


def near(a, b, tolerance=1e-6):
    return abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))


def compare(instance, truth, name, form, error=0.0):
    """Solve an instance in one form, and compare with brute force."""
    problem = build_problem(instance, error=error)
    if impossible(problem):
        assert truth is None
        return event("impossible")
    if len(problem.configurations) == 0:
        return event("nothing can run")
    if not formulation(name).supports(problem).ok:
        return event("not supported")
    built = formulation(name).forms[form](problem, DEFAULT)
    outcome = RUN[form](built.model, RunContext(Limits(gap=0.0)))
    said = f"{name}-{form}"
    event(f"{said}: {outcome.status}")
    if truth is None:
        assert outcome.status == "infeasible", said
        return None
    assert outcome.status == "optimal", said
    best, _ = truth
    plan = built.read(outcome.values)
    report = check(instance, allocate(problem, plan), claimed=problem.total(plan))
    assert report.violations == (), said
    assert near(report.value, best, 1e-6 + 2 * built.error), f"{said}: the plan is as good as the best"
    assert outcome.bound * built.scale >= best - 1e-6 * max(1.0, best), f"{said}: the bound holds for the true curves"
    assert near(outcome.bound * built.scale, best, 1e-6 + 2 * built.error), f"{said}: the bound is tight"
    return None


# an instance takes far longer to draw than to be solved: what is drawn is solved in every way


@settings(max_examples=600, derandomize=True, deadline=None)
@given(instance=instances(with_servers=True))
def test_table_holds_what_brute_force_finds(instance):
    table = build_problem(instance).configurations
    for number, job in enumerate(instance.jobs):
        # of each count the table keeps the batch of the best goodput; what is held stands beside it
        expected: dict[tuple, tuple] = {}
        for way in ways(instance, job):
            key = way.site, way.gpu_type, way.gpus, way.servers, way.kept
            goodput = way.throughput * way.efficiency
            expected[key] = max(expected.get(key, (0.0,)), (goodput, way.share))
        found: dict[tuple, tuple] = {}
        for row in range(table.first[number], table.first[number + 1]):
            pool = table.pools[table.columns.pool[row]]
            key = (
                pool.site,
                pool.gpu_type,
                int(table.columns.gpus[row]),
                int(table.columns.servers[row]),
                bool(table.kept[row]),
            )
            found[key] = max(found.get(key, (0.0,)), (table.columns.goodput[row], table.share[row]))
        extra = {key for key in expected if key not in found}
        assert not extra
        assert found.keys() <= expected.keys()
        for key, numbers in found.items():
            np.testing.assert_allclose(numbers, expected[key], rtol=1e-12)


@settings(max_examples=600, derandomize=True, deadline=None)
@given(instance=instances(with_servers=True))
def test_the_configuration_form_and_the_facade_agree_with_brute_force(instance):
    truth = best_plan(instance)
    if truth is not None:
        assert check(instance, truth[1], claimed=truth[0]).violations == ()
    for form in ("linear", "cpsat"):
        compare(instance, truth, "configuration", form)
    facade(instance, truth)
    heuristic(instance, truth)


@settings(max_examples=600, derandomize=True, deadline=None)
@given(instance=instances(), error=st.sampled_from([0.02, 0.2]))
def test_the_allocation_form_agrees_with_brute_force(instance, error):
    truth = best_plan(instance)
    for form in ("linear", "cpsat"):
        compare(instance, truth, "allocation", form)
    compare(instance, truth, "allocation", "linear", error)


@settings(max_examples=250, derandomize=True, deadline=None)
@given(instance=instances())
def test_the_references_agree_with_brute_force(instance):
    truth = best_plan(instance)
    for name in ("configuration", "allocation"):
        compare(instance, truth, name, "pyomo")


def facade(instance, truth):
    """Compare what users get with brute force."""
    result = optsched.solve(instance, gap=1e-5)  # the tolerance of a solver is 1e-6
    if truth is None:
        assert result.status == "infeasible"
        assert result.reason
    else:
        assert result.status == "optimal"
        assert near(result.value, truth[0], 2e-5)
        assert near(result.bound, truth[0], 2e-5)
        assert check(instance, result.allocations, claimed=result.value).violations == ()


def heuristic(instance, truth):
    """Hold that a heuristic's plan is feasible, and that its bound holds."""
    result = optsched.solve(instance, formulation="marginal-gain")
    if truth is None:
        assert result.status in ("infeasible", "unknown")
    elif result.allocations:
        assert check(instance, result.allocations, claimed=result.value).violations == ()
        assert result.value <= truth[0] * (1 + 1e-9)
        assert result.bound >= truth[0] * (1 - 1e-6)
