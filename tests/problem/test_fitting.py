"""Jobs that can never run wait with their reason, and the others are planned as if they were not there."""

from __future__ import annotations

import pytest

import optsched
from tests.support.builders import cluster, instance, job, listed

SERVER = {"id": "n", "gpu_type": "v", "gpus": 4, "memory_gb": 64, "count": 2}
IMPOSSIBLE = {
    "memory": ({"memory_gb_per_gpu": 80, "configurations": listed(5.0)}, "needs 80 GB of memory"),
    "gang": ({"configurations": [{"gpu_type": "v", "gpus": 16, "throughput": 16.0}]}, "at least 16 GPUs"),
    "deadline": ({"remaining_examples": 1e6, "deadline_s": 1.0, "curves": {"v": "c"}}, "no configuration ends by"),
    "drained": ({"configurations": listed(9.0, gpu_type="w")}, "there is no w where it may run"),
}


@pytest.mark.parametrize("decides", ["counts", "placement"])
@pytest.mark.parametrize("objective", ["progress", "max-min", "proportional", "dominant-share"])
@pytest.mark.parametrize("kind", IMPOSSIBLE)
def test_an_impossible_job_hurts_no_other(kind, objective, decides):
    more, reason = IMPOSSIBLE[kind]
    there = {"gpu_types": [{"id": "v"}, {"id": "w"}], "servers": [SERVER]}
    others = [job(f"j{k}", max_gpus=3, reference={"goodput": 1}) for k in range(3)]
    case = {"cluster": there, "decides": decides, "objective": {"name": objective}}
    alone = optsched.solve(instance(*others, **case))
    result = optsched.solve(instance(job("never", **more), *others, **case))
    assert (alone.status, result.status) == ("optimal", "optimal")
    assert result.value == pytest.approx(alone.value, rel=1e-4)
    assert result.value > 0
    (waits,) = [one for one in result.waiting if one.job == "never"]
    assert reason in waits.reason


def test_a_required_impossible_job_is_infeasible_with_a_reason():
    result = optsched.solve(instance(job("never", required=True, configurations=listed(0, 0, 0, 0, 9.0)), job("b")))
    assert result.status == "infeasible"
    assert "'never'" in result.reason
    assert "at least 5 GPUs" in result.reason


def test_a_limit_at_most_can_need_a_batch_that_is_not_the_best():
    work = {
        "efficiency": {"noise_scale": 0.0, "reference_batch": 32.0},
        "global_batches": [32, 96],
        "max_gpus": 1,
        "weight": 3.0,
    }
    limits = [{"objective": {"name": "progress"}, "at_most": 2.0}]
    result = optsched.solve(instance(job(**work), cluster=cluster(2), objective={"name": "running"}, limits=limits))
    assert (result.status, result.value) == ("optimal", 1.0)
    assert result.allocations[0].local_batch == 96.0
