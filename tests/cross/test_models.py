"""A checked plan is a point of the model, and a point of the model is a plan that passes the checker."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from optsched.checker import check
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.infeasibility import impossible
from optsched.problem.problem import Plan, allocate
from optsched.solvers import Limits, RunContext, highs
from tests.support.builders import residuals
from tests.support.strategies import instances

NAMES = ["configuration", "allocation"]


@st.composite
def plans(draw, with_servers=False, error=0.0):
    """Draw an instance and a row for each job, as far as capacities allow."""
    problem = build_problem(draw(instances(with_servers=with_servers)), error=error)
    table = problem.configurations
    free = table.capacity.copy()
    rows = np.full(table.jobs, -1)
    start, resource, amount = table.used_by_row
    for j in draw(st.permutations(range(table.jobs))):
        row = draw(st.integers(table.first[j] - 1, table.first[j + 1] - 1))
        mine = slice(start[row], start[row + 1])
        if row >= table.first[j] and np.all(amount[mine] <= free[resource[mine]]):
            rows[j] = row
            free[resource[mine]] -= amount[mine]
    return problem, rows


def point(problem, rows, name):
    """Return the model and the point of a plan; None where the form says nothing of such a plan."""
    if name == "allocation" and np.any(problem.value[rows[rows >= 0]] == 0):
        return None  # a plan that no segment holds, and that is worth no more than without those jobs
    built = formulation(name).forms["linear"](problem, DEFAULT)
    return built, built.start(Plan(rows))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=400, derandomize=True, deadline=None)
@given(data=st.data())
def test_a_checked_plan_is_feasible_in_the_model(name, data):
    problem, rows = data.draw(plans(with_servers=name == "configuration"))
    if not check(problem.instance, allocate(problem, Plan(rows)), claimed=problem.total(Plan(rows))).ok:
        return event("a required job waits, or a move too many")
    if (found := point(problem, rows, name)) is None:
        return event("worth nothing")
    built, values = found
    assert residuals(built.model, values) <= 1e-9
    objective = float(built.model.cost @ values) + built.model.offset
    # in the allocation form a row may lie below another one of the same count, which the model counts instead
    exact = name == "configuration" or all(_is_best(problem, row) for row in rows if row >= 0)
    assert objective >= problem.total(Plan(rows)) * (1 - 1e-9)
    if exact:
        assert objective == pytest.approx(problem.total(Plan(rows)), rel=1e-9, abs=1e-9)
        back = built.read(values)
        assert problem.total(back) == pytest.approx(problem.total(Plan(rows)), rel=1e-9)
    return event("compared")


def _is_best(problem, row):
    """Tell whether no row of the job with the same pool and GPUs is worth more."""
    table = problem.configurations
    same = (table.job == table.job[row]) & (table.columns.pool == table.columns.pool[row])
    same &= table.columns.gpus == table.columns.gpus[row]
    return problem.value[row] >= problem.value[same].max()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=400, derandomize=True, deadline=None)
@given(data=st.data())
def test_a_refused_plan_is_infeasible_in_the_model(name, data):
    problem, rows = data.draw(plans(with_servers=name == "configuration"))
    rules = {v.rule for v in check(problem.instance, allocate(problem, Plan(rows))).violations}
    assert rules <= {"required", "moves"}, "the table holds only what the checker lets each job have"
    if rules and (found := point(problem, rows, name)) is not None:
        event("refused")
        assert residuals(found[0].model, found[1]) >= 1 - 1e-9


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=250, derandomize=True, deadline=None)
@given(data=st.data())
def test_any_objective_leads_to_a_plan_that_passes_the_checker(name, data):
    """The costs of the model are drawn anew: feasibility must not rest on what is worth having."""
    problem = build_problem(data.draw(instances(with_servers=name == "configuration")), error=0.05)
    if impossible(problem) or problem.objective.aggregate == "min" or not np.any(problem.value > 0):
        return event("no model, or costs that must stay")
    built = formulation(name).forms["linear"](problem, DEFAULT)
    block = built.model.variables[0]
    seed = data.draw(st.integers(0, 2**16))
    cost = np.random.default_rng(seed).normal(size=len(block.lower))
    built.model.variables[0] = type(block)(
        block.name, block.start, block.lower, block.upper, block.integer, cost, block.label
    )
    outcome = highs.solve(built.model, RunContext(Limits(gap=0.0)))
    if outcome.values is None:
        return event(outcome.status)
    rows = built.read(outcome.values).rows
    assert check(problem.instance, allocate(problem, Plan(rows)), claimed=problem.total(Plan(rows))).violations == ()
    return event("compared")
