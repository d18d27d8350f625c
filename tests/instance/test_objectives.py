"""Objectives by hand: values, totals, signs, parties; what is refused, and how it is said."""

from __future__ import annotations

import math

import numpy as np
import pytest

import optsched
from optsched.errors import InputError
from optsched.instance import ObjectiveSpec
from optsched.instance.objectives import OBJECTIVES, objective
from optsched.problem.build import build_problem
from optsched.problem.problem import Plan
from tests.support.builders import best_rows, cluster, instance, job, listed

PRICED = {"gpu_types": [{"id": "v", "hourly_price": 2.0, "watts": 300.0}], "servers": cluster(4)["servers"]}


def case(**more):
    """Job a may have 1 or 2 GPUs at 10 or 16 examples/s, job b of weight 2 1 GPU at 5, on 4 GPUs."""
    a = job("a", configurations=listed(10, 16), remaining_examples=100.0, tenant="red")
    b = job("b", configurations=listed(5), weight=2.0, remaining_examples=50.0, tenant="blue")
    return instance(a, b, cluster=PRICED, **more)


def values(name, case_=None, **parameters):
    return build_problem(case_ or case(), ObjectiveSpec(name=name, parameters=parameters)).value.tolist()


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("progress", {}, [1, 1.6, 2]),
        ("throughput", {}, [10, 16, 5]),
        ("goodput", {}, [10, 16, 5]),
        ("running", {}, [1, 1, 1]),
        ("kept", {}, [0, 0, 0]),
        ("max-min", {}, [1, 1.6, 0.5]),
        ("cost", {}, [-2, -4, -2]),
        ("energy", {}, [-300, -600, -300]),
        ("profit", {"worth": 3.0}, [1, 0.8, 4]),
        ("proportional", {"epsilon": 0.5}, [math.log(3), math.log(4.2), 2 * math.log(3)]),
        ("alpha-fair", {"alpha": 0.0}, [1, 1.6, 2]),
        ("alpha-fair", {"alpha": 0.5}, [2, 2 * math.sqrt(1.6), 4]),
        ("alpha-fair", {"alpha": 1.0, "epsilon": 0.5}, [math.log(3), math.log(4.2), 2 * math.log(3)]),
        ("alpha-fair", {"alpha": 2.0, "epsilon": 0.5}, [2 - 1 / 1.5, 2 - 1 / 2.1, 2 * (2 - 1 / 1.5)]),
        ("alpha-fair", {"alpha": "inf"}, [1, 1.6, 0.5]),
        ("alpha-fair", {"alpha": 0.0, "most": 1.5}, [1, 1.5, 2]),
        ("alpha-fair", {"alpha": 0.0, "of": "max-min"}, [1, 1.6, 0.5]),
        ("alpha-fair", {"alpha": 2.0, "epsilon": 0.5, "of": "max-min", "most": 1.0}, [2 - 1 / 1.5, 2 - 1 / 1.5, 1]),
        ("alpha-fair", {"alpha": 0.0, "of": "dominant-share"}, [0.25, 0.5, 0.125]),
        ("dominant-share", {}, [0.25, 0.5, 0.125]),
        ("dominant-share", {"among": "tenants"}, [0.25, 0.5, 0.25]),
        ("least-attained-service", {}, [1, 1.6, 2]),
        ("tenants", {"inner": "running"}, [1, 1, 1]),
    ],
)
def test_values(name, parameters, expected):
    np.testing.assert_allclose(values(name, **parameters), expected)


def test_sia_by_hand():
    """SOSP'23, sec. 3.4, p = -0.5 and lambda = 1.1: G is 1 at a job's least, so that running there is worth 0.1.

    With 16 examples/s, G = 1.6. A job that is 90 s old, was restarted once and loses 10 s by it has the factor
    (90 - 1 x 10) / (90 + 10) = 0.8 in all ways but the one that it holds; the share of the round is not counted again.
    """
    np.testing.assert_allclose(values("sia"), [0.1, 1.1 - 1.6**-0.5, 2 * 0.1])
    np.testing.assert_allclose(values("sia", p=1.0, penalty=0.5), [1.5, 2.1, 3.0])
    holds = {"site": "main", "gpu_type": "v", "gpus": 1}
    held = job("a", configurations=listed(10, 16), holds=holds, restart_s=10.0, restarts=1)
    np.testing.assert_allclose(values("sia", instance(held, now_s=90.0)), [0.1, 1.1 - (0.8 * 1.6) ** -0.5])


def test_sia_counts_a_jobs_fewest_gpus():
    """N_min = 2: with 2 GPUs at the least goodput G = 2, so that p = 1 is worth 2."""
    lone = instance(job("a", configurations=listed(0, 10, 0, 30)))
    np.testing.assert_allclose(values("sia", lone, p=1.0, penalty=0.0), [2.0, 6.0])


def test_sia_maximizes_what_its_program_minimizes():
    """Of all plans of two jobs on 2 GPUs: the least sum of G^p and lambda for who waits is the best value here.

    Both at 1 GPU: 1 + 1 = 2. a at 2 GPUs (G = 1.6), b waits: 0.79 + 1.1 = 1.89, which p = -0.5 prefers.
    """
    two = instance(job("a", configurations=listed(10, 16)), job("b", configurations=listed(5)), cluster=cluster(2))
    result = optsched.solve(two, objective="sia")
    least = 2 * 1.1 - result.value
    assert least == pytest.approx(1.6**-0.5 + 1.1)
    assert [(a.job, a.gpus) for a in result.allocations] == [("a", 2)]
    fair = optsched.solve(two, objective=ObjectiveSpec(name="sia", parameters={"p": -4.0}))
    assert 2 * 1.1 - fair.value == pytest.approx(min(2.0, 1.6**-4 + 1.1))


def test_finish_time_by_hand():
    """NSDI'20, sec. 3.1: rho = T_shared / T_independent.

    Two jobs on 4 GPUs: half of them is 2, so that a alone runs at 16 examples/s and b at 5. a has done 60 of 160
    examples in 20 s: T_independent = 160 / 16 = 10 s. On 1 GPU T_shared = 20 + 100 / 10 = 30 s, on two 20 + 100 / 16.
    b, just here, needs 50 / 5 = 10 s in both worlds, by its weight of 2: 1/2.
    """
    a = job("a", configurations=listed(10, 16), remaining_examples=100.0, done_examples=60.0)
    b = job("b", configurations=listed(5), weight=2.0, remaining_examples=50.0, arrival_s=20.0)
    found = values("finish-time", instance(a, b, now_s=20.0))
    np.testing.assert_allclose(found, [10 / 30, 10 / (20 + 100 / 16), 0.5])


def test_an_isolated_share_below_a_jobs_gpus_is_a_part_of_the_time():
    """Three jobs on 3 GPUs have one each; one that needs 2 GPUs has them for half of the time."""
    jobs = [job(n, configurations=listed(0, 12), remaining_examples=60.0) for n in "abc"]
    found = values("finish-time", instance(*jobs, cluster=cluster(3)))
    np.testing.assert_allclose(found, 12 / 6)


def test_least_attained_service_halves_at_its_parameter():
    old = instance(job("a", configurations=listed(10), attained_gpu_s=7200.0))
    assert values("least-attained-service", old) == [pytest.approx(1 / 3)]
    assert values("least-attained-service", old, half_gpu_s=7200.0) == [pytest.approx(1 / 2)]


def test_weights_of_tenants_divide():
    tenants = [{"id": "red", "weight": 4.0}, {"id": "blue"}]
    np.testing.assert_allclose(values("tenants", case(tenants=tenants)), [0.25, 0.4, 2.0])


def test_totals():
    """a on 2 GPUs and b on 1: sums, the least of jobs, and the least of tenants."""
    for name, total in (("progress", 3.6), ("max-min", 0.5), ("tenants", 1.6), ("cost", -6.0)):
        problem = build_problem(case(), ObjectiveSpec(name=name))
        assert problem.total(Plan(best_rows(problem, 2, 1))) == pytest.approx(total), name
    waits = build_problem(case(), ObjectiveSpec(name="max-min"))
    assert waits.total(Plan(best_rows(waits, 2, 0))) == 0


def test_who_counts():
    jobs = job("a"), job("b", weight=0.0), job("c", arrival_s=5.0), job("d", tenant="other")
    four = instance(*jobs)
    assert objective(ObjectiveSpec(name="max-min")).parties(four).tolist() == [0, -1, -1, 1]
    assert objective(ObjectiveSpec(name="tenants")).parties(four).tolist() == [0, -1, -1, 1]
    assert objective(ObjectiveSpec(name="progress")).parties(four).tolist() == [0, 0, 0, 0]
    nobody = objective(ObjectiveSpec(name="max-min"))
    assert nobody.total(np.array([3.0]), np.array([-1])) == 0


def test_what_is_to_be_minimized_is_shown_as_it_is():
    both = case(limits=[{"objective": {"name": "running"}, "at_least": 2}])
    result = optsched.solve(both, objective="cost")
    assert (result.value, result.status) == (4.0, "optimal")
    assert result.bound == pytest.approx(4.0, rel=1e-6)
    assert optsched.check(both, result.allocations, ObjectiveSpec(name="cost"), claimed=4.0).ok
    assert not optsched.check(both, result.allocations, ObjectiveSpec(name="cost"), claimed=-4.0).ok
    assert math.copysign(1, optsched.solve(case(), objective="cost").value) == 1, "no -0.0"


def test_an_unknown_objective_names_the_known_ones():
    with pytest.raises(InputError, match=r"\$\.objective\.name: found 'speed'") as error:
        objective(ObjectiveSpec(name="speed"))
    assert all(name in str(error.value) for name in OBJECTIVES)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_unknown_parameter_is_refused(name):
    with pytest.raises(InputError, match=r"\$\.objective\.parameters.*'colour'"):
        objective(ObjectiveSpec(name=name, parameters={"colour": 1}))


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("sia", {"p": 0.0}, "a power other than 0"),
        ("alpha-fair", {"alpha": -1.0}, "alpha"),
        ("alpha-fair", {"of": "goodput"}, "a least value of jobs"),
        ("alpha-fair", {"of": "tenants"}, "a least value of jobs"),
        ("alpha-fair", {"of": "max-min", "alpha": "inf"}, "a finite alpha"),
        ("tenants", {"inner": "max-min"}, "a sum to be maximized"),
        ("tenants", {"inner": "cost"}, "a sum to be maximized"),
        ("tenants", {"inner": "profit", "parameters": {"worth": 0.1}}, "never negative"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(name, parameters, says):
    with pytest.raises(InputError, match=says):
        values(name, **parameters)


def test_what_an_objective_needs_is_asked_for():
    bare = instance(job("a"), job("b", remaining_examples=10.0))
    with pytest.raises(InputError, match="watts of GPU types v"):
        build_problem(bare, ObjectiveSpec(name="energy"))
    with pytest.raises(InputError, match="hourly_price > 0"):
        build_problem(bare, ObjectiveSpec(name="cost"))
    with pytest.raises(InputError, match="remaining_examples of job 'a'"):
        build_problem(bare, ObjectiveSpec(name="finish-time"))


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({"objective": {"name": "cost"}}, r"\$\.limits\[0\]: found neither, expected at_least, at_most"),
        ({"objective": {"name": "cost"}, "at_least": 2, "at_most": 1}, "in order"),
        ({"objective": {"name": "max-min"}, "at_most": 1}, r"\$\.limits\[0\]\.at_most.*no linear row"),
        ({"objective": {"name": "speed"}, "at_most": 1}, r"\$\.limits\[0\].*found 'speed'"),
    ],
)
def test_limits_that_mean_nothing_are_refused(limit, says):
    with pytest.raises(InputError, match=says):
        build_problem(case(limits=[limit]))


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({"objective": {"name": "progress"}, "at_least": 3.7}, "no plan keeps limit 0: progress at least 3.7"),
        ({"objective": {"name": "max-min"}, "at_least": 0.6}, "limit 0: max-min at least 0.6"),
        ({"objective": {"name": "tenants"}, "at_least": 1.7}, "limit 0: tenants at least 1.7"),
    ],
)
def test_a_limit_that_no_plan_keeps_is_the_reason(limit, says):
    result = optsched.solve(case(limits=[limit]))
    assert result.status == "infeasible"
    assert says in result.reason


def test_limits_that_only_together_no_plan_keeps():
    limits = [{"objective": {"name": "cost"}, "at_most": 4.0}, {"objective": {"name": "progress"}, "at_least": 3.5}]
    result = optsched.solve(case(limits=limits))
    assert result.status == "infeasible"
    assert "limit 0: cost at most 4 and limit 1: progress at least 3.5" in result.reason


def test_the_checker_names_a_broken_limit():
    free = optsched.solve(case())
    report = optsched.check(case(limits=[{"objective": {"name": "cost"}, "at_most": 5.0}]), free.allocations)
    assert [str(v) for v in report.violations] == ["limit: cost: is 6, and must be at most 5"]


def test_tenants_are_known():
    with pytest.raises(InputError, match=r"\$\.jobs\[0\]\.tenant: found 'red'"):
        case(tenants=[{"id": "green"}])
    with pytest.raises(InputError, match=r"\$\.tenants\[1\]\.id"):
        case(tenants=[{"id": "red"}, {"id": "red"}])
