"""Broken plans that once passed."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

import optsched
from optsched.checker import check
from optsched.errors import InputError
from optsched.instance.objectives import OBJECTIVES
from optsched.instance.solution import Allocation
from optsched.problem.build import build_problem
from tests.support.builders import cluster, instance, job, listed, plan
from tests.support.random_instances import random_instance

replace = msgspec.structs.replace


def test_more_nodes_than_servers():
    case = instance(job(), cluster=cluster(4, 4))
    (held,) = plan(build_problem(case), 4)
    assert not check(case, [replace(held, nodes=4)]).ok


@pytest.mark.parametrize("other", ["s0/0", "s0/00"])
def test_one_server_under_two_names(other):
    case = instance(job("a"), job("b"), cluster=cluster(4, 4))
    a, b = plan(build_problem(case), 4, 4)
    assert not check(case, [replace(a, placement={"s0": 4}), replace(b, placement={other: 4})]).ok


def test_a_server_number_that_is_none():
    case = instance(job())
    (held,) = plan(build_problem(case), 4)
    assert not check(case, [replace(held, placement={"s0/²": 4})]).ok


def test_rates_of_two_listed_configurations_are_not_mixed():
    twice = [*listed(10), *listed(12, efficiency=0.5)]
    case = instance(job(configurations=twice), objective={"name": "throughput"})
    problem = build_problem(case)
    assert check(case, plan(problem, 1), claimed=12.0).ok


def test_the_same_allocation_twice():
    case = instance(job())
    (held,) = plan(build_problem(case), 2)
    assert not check(case, [held, held]).ok


def _counted(**more):
    """Two servers of two GPUs, and a job that is faster on two nodes."""
    rows = [
        {"gpus": g, "nodes": n, "throughput": x} for g, n, x in ((1, 1, 4.0), (2, 1, 5.0), (2, 2, 7.0), (4, 2, 8.0))
    ]
    return instance(
        job(**more),
        curves={"c": {"family": "table", "rows": rows}},
        cluster={"gpu_types": [{"id": "v"}], "servers": [{"id": "s", "count": 2, "gpu_type": "v", "gpus": 2}]},
    )


def _of(gpus, nodes, throughput, reference=4.0):
    return Allocation(
        job="a",
        site="main",
        gpu_type="v",
        gpus=gpus,
        nodes=nodes,
        throughput=throughput,
        progress=throughput / reference,
    )


def test_a_plan_by_counts_takes_the_fewest_nodes():
    case = _counted()
    assert check(case, [_of(2, 1, 5.0)]).ok
    assert [v.rule for v in check(case, [_of(2, 2, 7.0)]).violations] == ["nodes"]
    best = optsched.solve(case, gap=0.0)
    assert best.status == "optimal"
    assert best.value == best.bound == 8 / 4


def test_a_job_keeps_the_nodes_that_it_holds():
    case = _counted(holds={"gpu_type": "v", "gpus": 2, "nodes": 2}, max_gpus=2)
    assert check(case, [_of(2, 2, 7.0)]).ok
    assert check(case, [_of(2, 1, 5.0)]).ok
    assert optsched.solve(case, gap=0.0).value == 7 / 4
    unknown = _counted(holds={"gpu_type": "v", "gpus": 2})
    assert [v.rule for v in check(unknown, [_of(2, 2, 7.0)]).violations] == ["nodes"]


@pytest.mark.parametrize(("gpus", "nodes"), [(4, 1), (3, 1), (3, 3), (4, 4), (4, 9)])
def test_a_limit_on_each_server_that_makes_a_count_impossible(gpus, nodes):
    case = instance(
        job(max_gpus_per_server=1),
        curves={"c": {"family": "amdahl", "single": 10.0, "serial": 0.0}},
        cluster={"gpu_types": [{"id": "v"}], "servers": [{"id": "s", "count": 2, "gpu_type": "v", "gpus": 2}]},
    )
    assert "nodes" in {v.rule for v in check(case, [_of(gpus, nodes, 10.0 * gpus, 10.0)]).violations}
    assert optsched.solve(case).allocations[0].gpus == 2


_SITES = ("main", "south", "nowhere")


@pytest.mark.parametrize("block", range(4))
def test_the_checker_never_raises(block):
    """Plans of any records: unknown sites, types and servers, counts of any size, rates and batches of any sign."""
    random = Random(block)
    for seed in range(60 * block, 60 * block + 60):
        case = random_instance(seed)
        spec = random.choice(sorted(OBJECTIVES))
        names = ["s0", "s0/0", "s1/1", "s2", "s2/7", "x/y/0", "/"]
        plan = [
            Allocation(
                job=random.choice("abcdz"),
                site=random.choice(_SITES),
                gpu_type=random.choice("vwx"),
                gpus=random.choice((1, 2, 3, 10**9)),
                nodes=random.choice((1, 2, 3, 10**9)),
                servers=random.choice((0, 0, 0, 1, 3)),
                local_batch=random.choice((None, None, 4.0, 0.0, -1.0, float("inf"), float("nan"), 16.0)),
                accumulation=random.choice((1, 1, 2)),
                gbps=random.choice((None, None, 0.0, -3.0, 5.0, float("inf"), float("nan"))),
                placement=random.choice((None, {}, {random.choice(names): 1, random.choice(names): 2})),
                server_placement=random.choice((None, None, {random.choice(names): 1})),
                throughput=random.choice((1.0, 0.0, -1.0, float("nan"))),
                progress=random.choice((1.0, float("inf"))),
            )
            for _ in range(random.randint(0, 4))
        ]
        try:
            report = check(case, plan, spec, random.choice((None, 1.0, float("nan"))))
        except InputError:
            assert spec in (
                "energy",
                "finish-time",
                "flow-time",
                "in-class",
                "profit",
            )  # for want of power, work, classes
            continue
        assert all(violation.rule and violation.who for violation in report.violations)
