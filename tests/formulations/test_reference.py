"""The Pyomo references are the fast models, row by row: names, coefficients, bounds, integrality, objective."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import event, given, settings
from pyomo.repn import generate_standard_repn

from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.infeasibility import impossible
from tests.support.builders import cluster, instance, job, listed
from tests.support.strategies import instances


def named(data):
    """Return the name of a Pyomo variable or constraint as the linear model says it."""
    index = data.index()
    parts = index if isinstance(index, tuple) else (index,)
    return f"{data.parent_component().local_name}[{','.join(map(str, parts))}]"


def entries(expression):
    """Return the coefficients of a linear expression by the names of its variables, and its constant."""
    found = generate_standard_repn(expression)
    assert found.is_linear()
    sums: dict[str, float] = defaultdict(float)
    for variable, coefficient in zip(found.linear_vars, found.linear_coefs, strict=True):
        sums[named(variable)] += coefficient
    return {name: c for name, c in sums.items() if c != 0}, found.constant


def of_pyomo(model):
    """Return variables, rows and objective of a Pyomo model as dictionaries by name."""
    columns = {
        named(v): (v.lb, np.inf if v.ub is None else v.ub, v.is_integer())
        for v in model.component_data_objects(pyo.Var)
    }
    rows = {}
    for c in model.component_data_objects(pyo.Constraint, active=True):
        body, constant = entries(c.body)
        low, high = (pyo.value(side) if side is not None else None for side in (c.lower, c.upper))
        rows[named(c)] = (-np.inf if low is None else low - constant, np.inf if high is None else high - constant, body)
    (goal,) = model.component_data_objects(pyo.Objective, active=True)
    assert goal.sense == pyo.maximize
    return columns, rows, entries(goal.expr)


def of_linear(model):
    """Return the same of a linear model; rows without entries say nothing here and are left out."""
    names = model.variable_names()
    assert len(set(names)) == len(names), "names are unique"
    columns = {
        name: (low, high, bool(whole))
        for name, low, high, whole in zip(names, model.lower, model.upper, model.integer, strict=True)
    }
    a = model.matrix()
    rows = {}
    for k, name in enumerate(model.row_names()):
        mine = slice(a.start[k], a.start[k + 1])
        pairs = zip(a.column[mine], a.coefficient[mine], strict=True)
        body = {names[column]: c for column, c in pairs if c != 0}
        if body:
            assert name not in rows, "names are unique"
            rows[name] = (a.lower[k], a.upper[k], body)
    cost = {name: c for name, c in zip(names, model.cost, strict=True) if c != 0}
    return columns, rows, (cost, model.offset)


def assert_same(reference, fast):
    columns, rows, (cost, offset) = of_pyomo(reference)
    expected_columns, expected_rows, (expected_cost, expected_offset) = of_linear(fast)
    assert columns.keys() == expected_columns.keys()
    for name, (low, high, whole) in columns.items():
        assert (low, whole) == (expected_columns[name][0], expected_columns[name][2]), name
        assert high == pytest.approx(expected_columns[name][1], rel=1e-12), name
    assert rows.keys() == expected_rows.keys()
    for name, (low, high, body) in rows.items():
        assert (low, high) == pytest.approx(expected_rows[name][:2], rel=1e-12, abs=1e-12), name
        assert body == pytest.approx(expected_rows[name][2], rel=1e-12), name
    assert cost == pytest.approx(expected_cost, rel=1e-12)
    assert offset == pytest.approx(expected_offset)


@pytest.mark.parametrize("error", [0.0, 0.1])
@pytest.mark.parametrize("name", ["configuration", "allocation"])
@settings(max_examples=150, derandomize=True, deadline=None)
@given(case=instances(with_servers=True))
def test_reference_is_the_fast_model(name, error, case):
    problem = build_problem(case, error=error)
    model = formulation(name)
    if len(problem.configurations) == 0 or impossible(problem) or not model.supports(problem).ok:
        return event("no model")
    event("compared")
    return assert_same(
        model.forms["pyomo"](problem, DEFAULT).model.model, model.forms["linear"](problem, DEFAULT).model
    )


def test_a_model_by_hand():
    """Two jobs on 4 GPUs, the first by a list of 1 and 3 GPUs, the second of 2: every entry written out."""
    jobs = (
        job("a", configurations=listed(5, 0, 12), weight=2.0),
        job("b", configurations=listed(0, 8), required=True),
    )
    problem = build_problem(instance(*jobs, cluster=cluster(4)))
    a1, a3, b2 = "x[a,v@main,1/1,0]", "x[a,v@main,3/1,0]", "x[b,v@main,2/1,0]"
    columns, rows, (cost, offset) = of_linear(formulation("configuration").forms["linear"](problem, DEFAULT).model)
    assert columns == dict.fromkeys((a1, a3, b2), (0, 1, True))
    assert rows == {
        "C1[a]": (0, 1, {a1: 1, a3: 1}),
        "C1[b]": (1, 1, {b2: 1}),
        "C2[GPUs of v@main]": (-np.inf, 4, {a1: 1, a3: 3, b2: 2}),
    }
    assert cost == pytest.approx({a1: 2, a3: 4.8, b2: 1})
    assert offset == 0


def test_the_comparison_sees_every_kind_of_difference():
    problem = build_problem(instance(job("a"), job("b", min_gpus=2)))
    fast = formulation("allocation").forms["linear"](problem, DEFAULT).model

    def changed(change):
        reference = formulation("allocation").forms["pyomo"](problem, DEFAULT).model.model
        change(reference)
        with pytest.raises(AssertionError):
            assert_same(reference, fast)

    assert_same(formulation("allocation").forms["pyomo"](problem, DEFAULT).model.model, fast)
    changed(lambda m: m.C5.clear())
    changed(lambda m: next(iter(m.d.values())).setub(2))
    changed(lambda m: setattr(next(iter(m.d.values())), "domain", pyo.Integers))
    changed(lambda m: m.objective.set_value(m.objective.expr * 2))
    changed(lambda m: next(iter(m.C5.values())).set_value(next(iter(m.C5.values())).body <= 3))
