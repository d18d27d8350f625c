"""The allocation formulation by every encoding, on HiGHS and through Pyomo, with parameter servers = brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import event, given, settings

from formulations.allocation import ENCODED
from optsched.checker import check
from optsched.errors import InputError
from optsched.problem.build import build_problem
from optsched.problem.formulation import ModelOptions, formulation
from optsched.problem.infeasibility import impossible
from optsched.problem.problem import Plan, allocate
from optsched.solvers import RunContext, highs, pyomo
from optsched.solvers.base import Limits
from tests.cross.test_brute_force import near
from tests.formulations.test_reference import assert_same
from tests.support.builders import instance, job, residuals
from tests.support.oracle import best_plan
from tests.support.strategies import instances

RUN = {"linear": highs.solve, "pyomo": pyomo.solve}
ALLOCATION = formulation("allocation")
EXAMPLES = settings(max_examples=30, derandomize=True, deadline=None)


def surface():
    """Return an instance of two jobs with up to three parameter servers each, whose speeds are neither way curved."""
    rows = [
        {"gpus": g, "servers": p, "throughput": 10.0 * g / (1 + 0.3 * g / p) * (0.8 if g > 2 and p == 2 else 1.0)}
        for g in range(1, 6)
        for p in range(1, 4)
    ]
    servers = {"scaling": "parameter_servers", "parameter_servers": {"minimum": 1, "maximum": 3, "cpu_cores": 2.0}}
    jobs = (job("a", curves={"v": "ps"}, **servers), job("b", curves={"v": "ps"}, weight=2.0, max_gpus=4, **servers))
    servers = [{"id": "s", "gpu_type": "v", "gpus": 6, "cpu_cores": 7.0}]
    return instance(
        *jobs,
        cluster={"gpu_types": [{"id": "v"}], "servers": servers},
        curves={"ps": {"family": "table", "rows": rows}},
    )


def posed(case, error=0.0):
    """Return the problem of an instance; None where there is no model to build."""
    problem = build_problem(case, error=error)
    return None if impossible(problem) or len(problem.configurations) == 0 else problem


def compare(case, encoding, form, error=0.0):
    """Solve an instance by an encoding, compare with brute force, and return how that ended."""
    problem = posed(case, error)
    if problem is None:
        return "no model"
    truth = best_plan(case)
    built = ALLOCATION.forms[form](problem, ModelOptions(encoding=encoding))
    assert built.error <= error + 1e-9
    outcome = RUN[form](built.model, RunContext(Limits(gap=0.0)))
    if truth is None:
        assert outcome.status == "infeasible"
        return "infeasible"
    assert outcome.status == "optimal"
    plan = built.read(outcome.values)
    report = check(case, allocate(problem, plan), claimed=problem.total(plan))
    assert report.violations == ()
    assert near(report.value, truth[0], 1e-6 + 2 * built.error), "the plan is as good as the best"
    assert outcome.bound >= truth[0] - 1e-6 * max(1.0, truth[0]), "the bound holds for the true curves"
    assert near(outcome.bound, truth[0], 1e-6 + 2 * built.error), "the bound is tight"
    return "optimal"


@pytest.mark.parametrize("encoding", ENCODED)
@EXAMPLES
@given(case=instances(with_servers=True))
def test_every_encoding_agrees_with_brute_force(encoding, case):
    event(compare(case, encoding, "linear"))


@pytest.mark.parametrize("encoding", ["auto", "disaggregated", "logarithmic"])
@EXAMPLES
@given(case=instances(with_servers=True))
def test_with_fewer_breakpoints_the_bound_still_holds(encoding, case):
    event(compare(case, encoding, "linear", error=0.1))


@pytest.mark.parametrize("encoding", [*ENCODED, "pyomo"])
@settings(max_examples=12, derandomize=True, deadline=None)
@given(case=instances(with_servers=True))
def test_every_encoding_agrees_with_brute_force_in_pyomo(encoding, case):
    event(compare(case, encoding, "pyomo"))


@pytest.mark.parametrize("form", RUN)
@pytest.mark.parametrize("encoding", [*ENCODED, "pyomo"])
def test_workers_and_servers_by_hand(encoding, form):
    if (encoding, form) == ("pyomo", "linear"):
        pytest.skip("Pyomo's Piecewise is Pyomo's")
    assert compare(surface(), encoding, form) == "optimal"
    assert compare(surface(), encoding, form, error=0.2) == "optimal"


@pytest.mark.parametrize("encoding", ENCODED)
@settings(max_examples=12, derandomize=True, deadline=None)
@given(case=instances(with_servers=True))
def test_the_best_plan_is_a_feasible_start(encoding, case):
    problem = posed(case, error=0.05)
    truth = best_plan(case)
    if problem is None or truth is None:
        return event("no plan")
    built = ALLOCATION.forms["linear"](problem, ModelOptions(encoding=encoding))
    outcome = highs.solve(built.model, RunContext(Limits(gap=0.0)))
    plan = built.read(outcome.values)
    start = built.start(plan)
    event("started")
    assert residuals(built.model, start) <= 1e-7
    value = float(built.model.cost @ start)
    assert value >= problem.total(plan) * (1 - 1e-9)
    assert value <= outcome.bound * (1 + 1e-6) + 1e-9
    np.testing.assert_array_equal(built.read(start).rows, plan.rows)
    return None


@pytest.mark.parametrize("encoding", ["auto", "segments", "logarithmic"])
@settings(max_examples=25, derandomize=True, deadline=None)
@given(case=instances(with_servers=True))
def test_the_reference_is_the_fast_model(encoding, case):
    if (problem := posed(case, error=0.05)) is None:
        return event("no model")
    fast, reference = (ALLOCATION.forms[f](problem, ModelOptions(encoding=encoding)) for f in ("linear", "pyomo"))
    event("compared")
    assert reference.notes == fast.notes
    return assert_same(reference.model.model, fast.model)


@pytest.mark.parametrize("encoding", ENCODED)
def test_no_value_of_the_model_is_below_the_truth(encoding):
    """At every single choice of either job: its start is worth no less than the plan."""
    problem = build_problem(surface(), error=0.2)
    built = ALLOCATION.forms["linear"](problem, ModelOptions(encoding=encoding))
    for row in range(len(problem.configurations)):
        rows = np.full(2, -1)
        rows[problem.configurations.job[row]] = row
        plan = Plan(rows)
        worth = float(built.model.cost @ built.start(plan))
        assert problem.total(plan) <= worth <= problem.total(plan) * 1.2 * (1 + 1e-9)
        assert built.read(built.start(plan)).rows.tolist() == rows.tolist()


def test_what_was_chosen_is_said():
    problem = build_problem(surface())
    notes = {name: ALLOCATION.forms["linear"](problem, ModelOptions(encoding=name)).notes for name in ENCODED}
    assert notes["logarithmic"] == ("logarithmic for 2 functions: as asked",)
    assert notes["incremental"] == ("incremental for 6 functions: as asked",)
    assert "least of lines for" in notes["segments"][0]
    assert notes["auto"][0].startswith("logarithmic for 2 functions: not concave")


def test_unknown_encodings_are_refused():
    problem = build_problem(surface())
    with pytest.raises(InputError, match="one of auto, segments, incremental"):
        ALLOCATION.forms["linear"](problem, ModelOptions(encoding="sos2"))
    with pytest.raises(InputError, match="CP-SAT"):
        ALLOCATION.forms["cpsat"](problem, ModelOptions(encoding="logarithmic"))
