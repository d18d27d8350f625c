"""Corners where forms, backends or the checker once disagreed."""

from __future__ import annotations

import pytest

import optsched
from optsched.checker import check
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from tests.support.builders import ALLREDUCE, cluster, instance, job, listed, table
from tests.support.oracle import best_plan

BACKENDS = ["highs", "cpsat", "pyomo"]
FORMS = ["configuration", "allocation"]


@pytest.mark.parametrize("name", FORMS)
def test_moves_that_cannot_be_avoided_are_infeasible_in_pyomo(name):
    held = job(max_gpus=2, holds={"gpu_type": "v", "gpus": 4})
    result = optsched.solve(instance(held, max_moves=0), formulation=name, backend="pyomo")
    assert result.status == "infeasible"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_required_job_without_weight_runs_beside_others(backend):
    jobs = job("a", required=True, weight=0.0), job("b")
    result = optsched.solve(instance(*jobs), formulation="allocation", backend=backend)
    assert (result.status, len(result.allocations)) == ("optimal", 2)


@pytest.mark.parametrize("backend", ["highs", "pyomo"])
def test_a_required_job_without_weight_runs_alone(backend):
    result = optsched.solve(instance(job(required=True, weight=0.0)), formulation="allocation", backend=backend)
    assert result.status == "optimal"


def test_rows_of_the_allocation_form_have_names_under_max_min():
    case = instance(job("a"), job("b", min_gpus=2), objective={"name": "max-min"})
    names = formulation("allocation").forms["linear"](build_problem(case, error=0.01), DEFAULT).model.row_names()
    assert len(names) == len(set(names))


@pytest.mark.parametrize("backend", ["highs", "pyomo"])
@pytest.mark.parametrize("name", FORMS)
def test_nothing_to_decide_is_optimal(name, backend):
    idle = job(arrival_s=10.0)
    assert optsched.solve(instance(idle), formulation=name, backend=backend).status == "optimal"


@pytest.mark.parametrize("form", ["linear", "pyomo", "cpsat"])
@pytest.mark.parametrize("name", FORMS)
def test_models_of_nothing_are_built(name, form):
    """No search asks for them, but whoever exports one does."""
    empty = build_problem(instance(job(arrival_s=10.0)))
    assert formulation(name).forms[form](empty, DEFAULT).model is not None


@pytest.mark.parametrize("name", FORMS)
def test_names_are_unique(name):
    held = job(local_batches=[32], holds={"gpu_type": "v", "gpus": 4, "nodes": 1})
    problem = build_problem(instance(held, curves={"c": ALLREDUCE}))
    names = formulation(name).forms["linear"](problem, DEFAULT).model.variable_names()
    assert len(names) == len(set(names))


def test_a_held_batch_does_not_change_the_reference():
    held = job(local_batches=[32], holds={"gpu_type": "v", "gpus": 1, "local_batch": 64.0})
    assert optsched.solve(instance(held, curves={"c": ALLREDUCE})).status == "optimal"


@pytest.mark.parametrize("limits", [{"gpu_multiple": 2}, {"max_gpus": 2}])
def test_what_is_held_outside_the_limits_is_no_configuration(limits):
    held = job(**limits, holds={"gpu_type": "v", "gpus": 4, "nodes": 1})
    assert optsched.solve(instance(held)).status == "optimal"


def test_throughput_chooses_the_batch_of_the_highest_throughput():
    efficiency = {"noise_scale": 8.0, "reference_batch": 32.0}
    both = job(local_batches=[32, 64], efficiency=efficiency)
    case = instance(both, curves={"c": ALLREDUCE}, objective={"name": "throughput"})
    value, plan = best_plan(case)
    assert check(case, plan, claimed=value).ok
    assert optsched.solve(case).bound >= value * (1 - 1e-6)


def test_configurations_that_differ_in_their_rates_only():
    twice = [
        {"gpu_type": "v", "gpus": 1, "throughput": 10.0},
        {"gpu_type": "v", "gpus": 1, "throughput": 12.0, "efficiency": 0.5},
    ]
    case = instance(job(configurations=twice), objective={"name": "throughput"})
    assert optsched.solve(case).status == "optimal"


def test_a_listed_configuration_that_fits_nowhere_is_no_reference():
    configurations = [
        {"gpu_type": "v", "gpus": 4, "nodes": 1, "throughput": 9.0},
        {"gpu_type": "v", "gpus": 4, "nodes": 2, "throughput": 7.0},
    ]
    case = instance(job(configurations=configurations), cluster=cluster(2, 2))
    assert optsched.solve(case).status == "optimal"


def test_a_job_is_on_no_more_nodes_than_there_are():
    spread = listed(0, 0, 0, 9, nodes=4)
    assert optsched.solve(instance(job(configurations=spread), cluster=cluster(2, 2))).value == 0


def test_a_least_value_of_zero_is_optimal():
    jobs = job("a", curves={"v": "d"}, min_gpus=2, weight=0.5), job("b", min_gpus=2, weight=0.5, global_batches=[48])
    curves = {"c": ALLREDUCE, "d": table(4, 7)}
    case = instance(*jobs, curves=curves, cluster=cluster(1, 1), objective={"name": "max-min"})
    result = optsched.solve(case)
    assert (result.value, result.status) == (0, "optimal")


def test_of_two_rows_that_keep_what_is_held_the_better_one_stays():
    rows = [*listed(2.0), *listed(3.0, efficiency=0.8)]
    held = job(configurations=rows, holds={"gpu_type": "v", "gpus": 1}, restart_s=90, reference={"goodput": 1})
    result = optsched.solve(instance(held, cluster=cluster(2), decides="placement"), objective="max-min")
    assert (result.status, result.value) == ("optimal", pytest.approx(2.4))


@pytest.mark.parametrize("more", [{}, {"max_local_batch": 16}])
@pytest.mark.parametrize("placement", [{"s0": 1, "s1": 1}, {"s0": 3, "s1": 1}])
def test_a_batch_that_a_job_only_holds_is_not_moved(placement, more):
    gpus = sum(placement.values())
    holds = {"gpu_type": "v", "gpus": gpus, "local_batch": 20.0, "placement": placement}
    held = job(local_batches=[20 if more else 32], holds=holds, restart_s=30)
    one = instance(held, cluster=cluster(4, 4), curves={"c": {**ALLREDUCE, **more}}, decides="placement")
    table = build_problem(one).configurations
    only_held = (table.columns.local_batch == 20) & ~table.kept
    assert not only_held.any()
    assert (table.columns.local_batch == 20).any() == (gpus == 2)  # uneven pieces are no lawful plan: it cannot go on
    assert optsched.solve(one).status == "optimal"


@pytest.mark.parametrize("backend", ["highs", "cpsat"])
def test_a_batch_that_is_held_on_servers_without_names_goes_on_on_any_number_of_them(backend):
    """Two servers of two GPUs each: three jobs stay only if the one with two GPUs stands on two servers."""
    wide = job("w", local_batches=[32], holds={"gpu_type": "v", "gpus": 2, "local_batch": 20.0}, required=True)
    small = [
        job(f"j{n}", local_batches=[32], required=True, holds={"gpu_type": "v", "gpus": 1, "placement": {f"s{n}": 1}})
        for n in range(2)
    ]
    case = instance(wide, *small, cluster=cluster(2, 2), curves={"c": ALLREDUCE}, decides="placement", max_moves=0)
    result = optsched.solve(case, backend=backend)
    assert result.status == "optimal"
    assert {a.job: a.nodes for a in result.allocations}["w"] == 2
