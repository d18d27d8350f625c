"""Every policy: brute force = every form that carries it = the facade, with and without limits; all checked."""

from __future__ import annotations

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import optsched
from optsched.checker import check
from optsched.instance import Instance, Limit, ObjectiveSpec
from optsched.instance.objectives import OBJECTIVES, objective
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.infeasibility import impossible
from optsched.problem.problem import allocate
from optsched.solvers import Limits, RunContext, cpsat, highs, pyomo
from tests.support.oracle import plans
from tests.support.policies import LEXICOGRAPHIC, POLICIES, best, counts, policy_instances, total, vector

PHASES = [Phase.explicit, Phase.generate]  # shrinking takes minutes: the drawn instances are small
RUN = {"linear": highs.solve, "cpsat": cpsat.solve, "pyomo": pyomo.solve}


def near(a: float, b: float, tolerance: float = 2e-6) -> bool:
    return abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))


def test_every_objective_is_among_the_policies() -> None:
    assert {name for name, _ in POLICIES} == OBJECTIVES.keys() - {
        "throughput",
        "in-class",
    }  # see test_brute_force.py and test_rules.py


@st.composite
def limited(draw: st.DrawFn, **more: bool) -> Instance:
    """Draw an instance with a limit or two that some plans keep, or none does."""
    case = draw(policy_instances(POLICIES, **more))
    some = list(plans(case))
    names = ["progress", "running", "cost", "energy", "kept", "max-min", "tenants", "dominant-share"]
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)):
        spec = ObjectiveSpec(name=name)
        values = sorted({round(total(case, plan, spec), 6) for plan in some}) or [1.0]
        # between the values of plans: a solver's tolerance decides nothing
        pairs = zip([values[0] - 1, *values], [*values, values[-1] + 1], strict=True)
        bounds = [(a + b) / 2 for a, b in pairs if b - a > 1e-3]
        bound = draw(st.sampled_from(bounds))
        low = objective(spec).aggregate != "sum" or draw(st.booleans())
        limit = Limit(objective=spec, at_least=bound) if low else Limit(objective=spec, at_most=bound)
        case = replace(case, limits=(*case.limits, limit))
    return case


def compare(case: Instance, name: str, form: str) -> None:
    truth = best(case)
    problem = build_problem(case, error=0.0)
    if impossible(problem):
        assert truth is None
        return event("impossible")
    if len(problem.configurations) == 0 or not formulation(name).supports(problem).ok:
        return event("no model")
    try:
        built = formulation(name).forms[form](problem, DEFAULT)
    except optsched.InputError:
        assert form == "cpsat"
        return event("decimals that CP-SAT cannot take")
    outcome = RUN[form](built.model, RunContext(Limits(gap=0.0)))
    event(outcome.status)
    if truth is None:
        assert outcome.status == "infeasible"
        return None
    sign = problem.objective.sign
    plan = built.read(outcome.values)
    report = check(case, allocate(problem, plan), claimed=sign * problem.total(plan))
    assert report.violations == ()
    assert near(report.value, truth)
    assert near(sign * outcome.bound * built.scale, truth)
    return None


@pytest.mark.parametrize(
    ("name", "form"),
    [("configuration", "linear"), ("configuration", "cpsat"), ("allocation", "linear"), ("allocation", "cpsat")],
)
@settings(max_examples=40, derandomize=True, deadline=None, phases=PHASES)
@given(data=st.data())
def test_every_form_agrees_with_brute_force(name: str, form: str, data: st.DataObject) -> None:
    compare(data.draw(policy_instances(POLICIES, with_servers=name == "configuration")), name, form)


@pytest.mark.parametrize("form", ["linear", "cpsat", "pyomo"])
@settings(max_examples=40, derandomize=True, deadline=None, phases=PHASES)
@given(data=st.data())
def test_limits_hold_in_every_form(form: str, data: st.DataObject) -> None:
    compare(data.draw(limited()), "configuration", form)


@pytest.mark.parametrize(("name", "parameters"), POLICIES)
@settings(max_examples=10, derandomize=True, deadline=None, phases=PHASES)
@given(data=st.data())
def test_the_facade_agrees_with_brute_force(name: str, parameters: dict, data: st.DataObject) -> None:
    agree(data.draw(policy_instances([(name, parameters)], with_servers=True)))


@settings(max_examples=30, derandomize=True, deadline=None, phases=PHASES)
@given(case=limited(with_servers=True))
def test_the_facade_keeps_limits(case: Instance) -> None:
    agree(case)


def agree(case: Instance) -> None:
    truth = best(case)
    result = optsched.solve(case, gap=1e-6)
    event(result.status)
    if truth is None:
        assert result.status == "infeasible"
        assert result.reason
        return
    assert result.status == "optimal"
    assert near(result.value, truth, 1e-5)
    assert near(result.bound, truth, 1e-5)
    assert check(case, result.allocations, claimed=result.value).violations == ()


@settings(max_examples=40, derandomize=True, deadline=None, phases=PHASES)
@given(case=policy_instances(LEXICOGRAPHIC, with_servers=True))
def test_lexicographic_order_is_that_of_brute_force(case: Instance) -> None:
    spec = case.objective
    truth = max((vector(case, plan, spec) for plan in plans(case)), default=None)
    result = optsched.solve(case)
    event(result.status)
    if truth is None:
        assert result.status == "infeasible"
        return
    assert result.status == "optimal"
    report = check(case, result.allocations, claimed=result.value)
    assert report.violations == ()
    held = {a.job: a for a in result.allocations}
    # the vector of the plan, by the checker: each job alone counts
    found = []
    for job in case.jobs:
        alone = replace(case, jobs=tuple(replace(j, weight=j.weight if j.id == job.id else 0.0) for j in case.jobs))
        value = check(alone, list(held.values()), spec).value
        if counts(case, job):
            found.append(value)
        else:  # a job that cannot run, or has no weight, is in no list
            assert value == 0.0
    assert sorted(found) == pytest.approx(truth, rel=1e-6, abs=1e-9)
