"""The table of configurations: which rows there are, what they yield, use and keep."""

from __future__ import annotations

import numpy as np
import pytest

from optsched.problem.configurations import tabulate
from tests.support.builders import ALLREDUCE, cluster, instance, job, listed, table


def rows(*jobs, **more):
    return tabulate(instance(*jobs, **more))


def test_counts_and_throughputs_of_a_curve():
    found = rows(job())
    assert found.columns.gpus.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(found.columns.throughput, [10, 16, 20, 160 / 7])
    assert found.reference.tolist() == [10.0]
    assert found.reasons == {}


@pytest.mark.parametrize(
    ("limits", "counts"),
    [
        ({"min_gpus": 2}, [2, 3, 4, 5, 6]),
        ({"max_gpus": 3}, [1, 2, 3]),
        ({"gpu_multiple": 2}, [1, 3, 5]),
        ({"min_gpus": 2, "gpu_multiple": 2}, [2, 4, 6]),
        ({"min_gpus": 3, "gpu_multiple": 4}, [3]),
    ],
)
def test_counts_start_at_the_minimum_and_go_in_steps(limits, counts):
    assert rows(job(**limits), cluster=cluster(4, 2)).columns.gpus.tolist() == counts


def test_jobs_follow_each_other():
    found = rows(job("a", max_gpus=2), job("b", min_gpus=3), job("c", max_gpus=1))
    assert found.job.tolist() == [0, 0, 1, 1, 2]
    assert found.first.tolist() == [0, 2, 4, 5]
    assert found.jobs == 3


def test_nodes_are_as_few_as_possible():
    found = rows(job(), cluster=cluster(1, 4, 2))
    assert found.columns.nodes.tolist() == [1, 1, 1, 1, 2, 2, 3]


def test_a_count_that_the_curve_does_not_know_is_left_out():
    found = rows(job(), curves={"c": table(5, 0, 7, 8)})
    assert found.columns.gpus.tolist() == [1, 3, 4]
    assert rows(job(min_gpus=2, max_gpus=2), curves={"c": table(5, 0, 7)}).reasons[0].startswith("no batch")


def test_before_its_arrival_a_job_has_no_rows():
    early = job(arrival_s=100, deadline_s=900, remaining_examples=1)
    assert len(rows(early, now_s=100)) == 4
    found = rows(early, now_s=99)
    assert len(found) == 0
    assert "arrives at 100 s" in found.reasons[0]


def test_deadline_leaves_out_what_is_too_slow():
    # 1600 examples at 10, 16, 20, 22.9 examples/s end after 160, 100, 80, 70 s
    work = {"remaining_examples": 1600}
    assert rows(job(**work, deadline_s=110), now_s=10).columns.gpus.tolist() == [2, 3, 4]
    assert rows(job(**work, deadline_s=109.9), now_s=10).columns.gpus.tolist() == [3, 4]
    assert "by its deadline at 50 s" in rows(job(**work, deadline_s=50)).reasons[0]


def test_deadline_counts_what_a_restart_takes():
    held = {"holds": {"gpu_type": "v", "gpus": 2}, "restart_s": 25.0}
    found = rows(job(remaining_examples=1600, deadline_s=100, **held))
    assert found.columns.gpus.tolist() == [2, 4], "3 GPUs end at 80 + 25 s"


def test_budget_leaves_out_what_is_too_dear():
    # at 36 an hour and GPU: 0.01 x GPUs x seconds = 1.6, 2.0, 2.4, 2.8
    priced = cluster(4)
    priced["gpu_types"] = [{"id": "v", "hourly_price": 36.0}]
    found = rows(job(remaining_examples=1600, budget=2.4), cluster=priced)
    assert found.columns.gpus.tolist() == [1, 2, 3]
    assert "within its budget" in rows(job(remaining_examples=1600, budget=1.5), cluster=priced).reasons[0]


def test_restart_costs_a_share_of_the_round():
    held = {"holds": {"gpu_type": "v", "gpus": 2}, "restart_s": 90.0}
    found = rows(job("a", **held), job("b", restart_s=90.0), round_s=360)
    assert found.kept.tolist() == [False, True, False, False] + [False] * 4
    np.testing.assert_allclose(found.share, [0.75, 1, 0.75, 0.75] + [1] * 4, err_msg="who holds nothing, starts free")
    assert rows(job(**held), round_s=60).share.tolist() == [0, 1, 0, 0]


def test_what_is_held_on_more_nodes_is_a_row_of_its_own():
    batches = {"local_batches": [16, 32]}
    found = rows(
        job(**batches, holds={"gpu_type": "v", "gpus": 2, "nodes": 2}),
        cluster=cluster(2, 2),
        curves={"c": ALLREDUCE},
    )
    assert found.columns.nodes.tolist() == [1, 1, 2, 2, 2]
    assert found.kept.sum() == 1
    held = found.columns.take(found.kept)
    assert (held.gpus[0], held.nodes[0], held.local_batch[0]) == (2, 2, 32)


def test_a_held_batch_is_a_row_of_its_own():
    holds = {"gpu_type": "v", "gpus": 3, "local_batch": 24.0}
    found = rows(job(local_batches=[16, 32], holds=holds), curves={"c": ALLREDUCE})
    assert found.columns.take(found.kept).local_batch.tolist() == [24]
    assert len(found) == 5


@pytest.mark.parametrize("known", [{"nodes": 1}, {"local_batch": 32.0}, {"nodes": 1, "local_batch": 32.0}])
def test_what_is_held_is_listed_once(known):
    held = {"gpu_type": "v", "gpus": 4, **known}
    assert len(rows(job(local_batches=[32], holds=held), curves={"c": ALLREDUCE})) == 4


def test_best_batches_of_each_count_by_goodput_and_by_throughput():
    # efficiency (32 + 32) / (32 + M): 1 at M = 32, 2/3 at 64; on 1 GPU 32 examples take 42 ms, 64 take 74 ms
    efficiency = {"noise_scale": 32, "reference_batch": 32}
    found = rows(job(local_batches=[32, 64], efficiency=efficiency, max_gpus=1), curves={"c": ALLREDUCE})
    assert found.columns.local_batch.tolist() == [32, 64]
    three = rows(job(local_batches=[16, 32, 64], efficiency=efficiency, max_gpus=1), curves={"c": ALLREDUCE})
    assert three.columns.local_batch.tolist() == [32, 64]
    assert rows(job(local_batches=[32, 64], max_gpus=1), curves={"c": ALLREDUCE}).columns.local_batch.tolist() == [64]


def test_a_global_batch_that_does_not_fit_is_accumulated():
    curve = {**ALLREDUCE, "max_local_batch": 30}
    found = rows(job(global_batches=[120]), curves={"c": curve})
    assert found.columns.accumulation.tolist() == [4, 2, 2, 1]
    assert found.columns.local_batch.tolist() == [30, 30, 20, 30]
    one_gpu_step = 4 * (0.01 + 0.001 * 30)
    assert found.columns.throughput[0] == pytest.approx(120 / one_gpu_step)


def test_a_global_batch_smaller_than_the_gpus_is_no_configuration():
    assert rows(job(global_batches=[2]), curves={"c": ALLREDUCE}).columns.gpus.tolist() == [1, 2]


def test_a_local_batch_that_does_not_fit_is_left_out():
    curve = {**ALLREDUCE, "max_local_batch": 30}
    assert set(rows(job(local_batches=[16, 32]), curves={"c": curve}).columns.local_batch) == {16}
    assert "fits the memory" in rows(job(local_batches=[32]), curves={"c": curve}).reasons[0]


def test_efficiency_without_a_batch_is_one():
    assert len(rows(job(efficiency={"noise_scale": 10, "reference_batch": 10}))) == 4


def test_listed_configurations_stand_wherever_they_fit():
    both = {
        "gpu_types": [{"id": "v"}, {"id": "w"}],
        "sites": [{"id": "north"}, {"id": "south"}],
        "servers": [
            {"id": "a", "site": "north", "gpu_type": "v", "gpus": 2},
            {"id": "b", "site": "south", "gpu_type": "v", "gpus": 4},
            {"id": "c", "site": "south", "gpu_type": "w", "gpus": 4},
        ],
    }
    found = rows(job(configurations=listed(3, 0, 8)), cluster=both)
    assert [(str(found.pools[p]), g) for p, g in zip(found.columns.pool, found.columns.gpus, strict=True)] == [
        ("v@north", 1),
        ("v@south", 1),
        ("v@south", 3),
    ]
    assert len(rows(job(configurations=listed(3, site="south"), sites=["north"]), cluster=both)) == 0
    assert len(rows(job(configurations=listed(3, site="south")), cluster=both)) == 1


def test_of_listed_configurations_that_no_plan_can_tell_apart_the_most_efficient_stays():
    ways = [*listed(3, efficiency=0.5), *listed(3, 5), *listed(3, efficiency=0.8), *listed(2), *listed(3, efficiency=1)]
    found = rows(job(configurations=ways, holds={"gpu_type": "v", "gpus": 1}, restart_s=90)).columns
    assert list(zip(found.gpus, found.throughput, found.efficiency, strict=True)) == [(1, 3, 1), (1, 2, 1), (2, 5, 1)]


def test_listed_nodes_that_are_too_few_are_left_out():
    configurations = [
        {"gpu_type": "v", "gpus": 4, "nodes": 1, "throughput": 9.0},
        {"gpu_type": "v", "gpus": 4, "nodes": 2, "throughput": 7.0, "efficiency": 0.5},
    ]
    found = rows(job(configurations=configurations), cluster=cluster(2, 2))
    assert found.columns.throughput.tolist() == [7.0]
    assert found.columns.goodput.tolist() == [3.5]


def test_use_of_resources():
    workers = job("a", cpu_cores_per_gpu=3, max_gpus=2)
    served = job(
        "b",
        max_gpus=1,
        scaling="parameter_servers",
        memory_gb_per_gpu=5,
        parameter_servers={"minimum": 1, "maximum": 2, "cpu_cores": 4, "memory_gb": 7},
    )
    limited = cluster(4)
    limited["servers"][0] |= {"cpu_cores": 20, "memory_gb": 64}
    found = rows(workers, served, cluster=limited)
    dense = np.zeros((len(found), len(found.capacity)))
    row, resource, amount = found.used
    dense[row, resource] = amount
    assert found.resource_names == ("GPUs of v@main", "CPU cores in main", "GB of memory in main")
    assert found.capacity.tolist() == [4, 20, 64]
    assert dense.tolist() == [[1, 3, 0], [2, 6, 0], [1, 4, 12], [1, 8, 19]]
    assert found.columns.servers.tolist() == [0, 0, 1, 2]
    start, by_row, amounts = found.used_by_row
    for k in range(len(found)):
        mine = slice(start[k], start[k + 1])
        assert dict(zip(by_row[mine], amounts[mine], strict=True)) == {r: a for r, a in enumerate(dense[k]) if a}


@pytest.mark.parametrize(
    ("reference", "goodput"),
    [(None, 10), ({"goodput": 5.0}, 5), ({"gpu_type": "v"}, 10), ({"gpu_type": "v", "gpus": 2}, 16)],
)
def test_reference_goodput(reference, goodput):
    more = {} if reference is None else {"reference": reference}
    assert rows(job(**more)).reference.tolist() == [goodput]


def test_reference_is_the_best_at_the_fewest_gpus_of_any_pool():
    mixed = {
        "gpu_types": [{"id": "v"}, {"id": "w"}],
        "servers": [{"id": "a", "gpu_type": "v", "gpus": 4}, {"id": "b", "gpu_type": "w", "gpus": 4}],
    }
    curves = {"c": table(5, 9), "d": table(0, 99)}
    either = job(curves={"v": "c", "w": "d"})
    assert rows(either, cluster=mixed, curves=curves).reference.tolist() == [5]
    assert rows({**either, "reference": {"gpu_type": "w"}}, cluster=mixed, curves=curves).reference.tolist() == [99]


def test_no_jobs_no_rows():
    found = rows()
    assert (len(found), found.jobs, len(found.capacity)) == (0, 0, 3)
