"""The facade: what it refuses, how it stops, and what it says."""

from __future__ import annotations

import pytest

import optsched
from optsched.errors import InputError, OptschedError, SolverError
from optsched.instance import ObjectiveSpec
from optsched.solvers import Progress
from tests.support.builders import instance, job

CASE = instance(job("a"), job("b", arrival_s=5.0))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"time_limit": 0}, "time_limit: found 0, expected a time limit > 0 s"),
        ({"time_limit": float("nan")}, "expected a time limit > 0 s"),
        ({"gap": -1}, "gap: found -1, expected a gap >= 0"),
        ({"gap": float("nan")}, "expected a gap >= 0"),
        ({"seed": -1}, "seed: found -1, expected a whole number from 0 to 2147483647"),
        ({"seed": 2**31, "backend": "cpsat"}, "seed: found 2147483648, expected a whole number"),
        ({"threads": 0}, "threads: found 0, expected a whole number from 1 to 1024"),
        ({"threads": 100_000}, "threads: found 100000, expected a whole number from 1 to 1024"),
        ({"backend": "pyomo:"}, "backend: found 'pyomo:', expected one of highs, cpsat, pyomo or pyomo:SOLVER"),
        ({"backend": "highs:glpk"}, "backend: found 'highs:glpk', expected one of"),
        (
            {"formulation": "neighbourhoods", "backend": "pyomo"},
            "backend: found 'pyomo', expected highs or cpsat, which neighbourhoods ask",
        ),
        (
            {"formulation": "magic"},
            "formulation: found 'magic', expected auto or one of allocation, configuration",
        ),
        (
            {"backend": "abacus"},
            "backend: found 'abacus', expected one of highs, cpsat, pyomo or pyomo:SOLVER",
        ),
        ({"objective": "speed"}, "objective.name: found 'speed'"),
        ({"objective": ObjectiveSpec(name="progress", parameters={"p": 1})}, "objective.parameters"),
        (
            {"objective": ObjectiveSpec(name="alpha-fair", parameters={"alpha": "x"})},
            "$.objective.parameters.alpha: found 'x', expected one of a number, 'inf'",
        ),
        (
            {"objective": ObjectiveSpec(name="alpha-fair", parameters={"alpha": 200})},
            "$.objective: found inf for job 'a', expected weights, references and parameters of alpha-fair",
        ),
        (
            {"objective": ObjectiveSpec(name="proportional", parameters={"epsilon": 1e-320})},
            "$.objective: found inf for job 'a', expected weights, references and parameters of proportional",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(InputError) as caught:
        optsched.solve(CASE, **arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize("weight", [1e-300, 5e-324])
def test_weights_of_next_to_nothing_are_nothing(weight):
    result = optsched.solve(instance(job("a", weight=weight)))
    assert (result.status, result.value) == ("optimal", pytest.approx(0.0, abs=1e-290))


def test_a_solver_that_is_not_there():
    with pytest.raises(SolverError, match="'abacus'"):
        optsched.solve(CASE, backend="pyomo:abacus")


def test_a_formulation_that_cannot_carry_the_instance():
    ordered = {"name": "max-min", "parameters": {"lexicographic": True}}
    with pytest.raises(InputError, match="'levels' finds the lexicographic order"):
        optsched.solve(instance(job(), objective=ordered), formulation="allocation")


@pytest.mark.parametrize("backend", ["highs", "cpsat", "pyomo"])
@pytest.mark.parametrize("name", ["configuration", "allocation"])
def test_a_time_that_is_over_at_once(name, backend):
    """What is there is returned, or nothing; never a wrong status."""
    result = optsched.solve(CASE, formulation=name, backend=backend, time_limit=1e-9)
    assert result.status in ("feasible", "unknown")
    assert result.stopped == "time_limit"
    assert result.status == "feasible" or result.reason


def test_progress_is_reported():
    heard: list[Progress] = []
    optsched.solve(CASE, progress=heard.append)
    assert list(dict.fromkeys(progress.stage for progress in heard)) == ["listing configurations", "prices"]
    assert heard[-1].value == pytest.approx(160 / 70)


def test_progress_is_in_the_units_of_the_objective():
    heard: list[Progress] = []
    result = optsched.solve(CASE, backend="cpsat", progress=heard.append)
    assert heard[-1].value == pytest.approx(result.value)
    assert heard[-1].bound == pytest.approx(result.bound)


def test_who_waits_and_why():
    result = optsched.solve(CASE)
    assert [(w.job, w.reason) for w in result.waiting] == [("b", "it arrives at 5 s, after now (0 s)")]


def test_the_heuristic_has_a_bound_of_its_own():
    result = optsched.solve(CASE, formulation="marginal-gain")
    assert (result.formulation, result.backend, result.stopped) == ("marginal-gain", "", "heuristic")
    assert result.bound >= result.value
    assert result.status == "optimal", "one job, one pool: the relaxation is tight"


def test_the_choice_that_was_left_to_us_is_noted():
    assert optsched.solve(CASE).formulation == "prices", "they prove the gap, and no formulation is needed"
    assert any("formulation configuration" in note for note in optsched.solve(CASE, backend="highs").notes)
    assert optsched.solve(CASE, formulation="configuration").notes == ()


def test_the_objective_of_the_call_comes_before_that_of_the_instance():
    result = optsched.solve(CASE, objective="throughput")
    assert result.objective == ObjectiveSpec(name="throughput")
    assert result.value == pytest.approx(160 / 7)


@pytest.mark.parametrize("wrong", [{"formulation": "magic"}, {"backend": "abacus"}])
def test_wrong_arguments_are_named_whatever_the_instance(wrong):
    with pytest.raises(OptschedError):
        optsched.solve(instance(job(required=True, arrival_s=5.0)), **wrong)


def test_a_heuristic_refuses_an_unknown_backend():
    with pytest.raises(OptschedError):
        optsched.solve(CASE, formulation="marginal-gain", backend="abacus")
