"""Tiny instances whose optima are worked out by hand, on every formulation and backend."""

from __future__ import annotations

import pytest

import optsched
from optsched.checker import check
from tests.support.builders import cluster, instance, job, listed

A = listed(10, 18, 24, 28)
"""The first job's throughput on 1 to 4 GPUs: gains of 10, 8, 6, 4."""
B = listed(6, 12, 18, 24)
"""The second job's: gains of 6 each."""
THROUGHPUT = {"name": "throughput"}


def held(result):
    return {a.job: a.gpus for a in result.allocations}


def solved(case, way, value, **more):
    """Solve, compare with the value by hand, and check."""
    result = optsched.solve(case, gap=1e-6, **way, **more)
    assert result.status == "optimal"
    assert result.value == pytest.approx(value, rel=1e-6)
    assert result.bound == pytest.approx(value, rel=3e-6, abs=1e-9)
    assert check(case, result.allocations, claimed=result.value).violations == ()
    return result


def test_two_jobs_share_four_gpus(way):
    """By gains 10, 8, 6 | 6: 2 and 2 GPUs (or 3 and 1) yield 18 + 12 = 24 + 6 = 30."""
    case = instance(job("a", configurations=A), job("b", configurations=B), objective=THROUGHPUT)
    assert held(solved(case, way, 30.0)) in ({"a": 2, "b": 2}, {"a": 3, "b": 1})


def test_progress_counts_references(way):
    """References 10 and 6: a's gains are 1, 0.8, 0.6, 0.4 and b's are 1 each: 1 + 3 = 4 with 1 and 3 GPUs."""
    case = instance(job("a", configurations=A), job("b", configurations=B))
    assert held(solved(case, way, 4.0)) in ({"a": 1, "b": 3}, {"b": 4})


def test_weights(way):
    """With weight 3 a's gains are 3, 2.4, 1.8, 1.2: all above b's 1."""
    case = instance(job("a", configurations=A, weight=3.0), job("b", configurations=B))
    assert held(solved(case, way, 8.4)) == {"a": 4}


def test_max_min(way):
    """Of (1, 3), (2, 2), (3, 1) GPUs the least progress is 1, min(1.8, 2) = 1.8, 1."""
    case = instance(job("a", configurations=A), job("b", configurations=B), objective={"name": "max-min"})
    assert held(solved(case, way, 1.8)) == {"a": 2, "b": 2}


def test_max_min_leaves_out_jobs_without_weight(way):
    """b does not count: a takes all, 28 / 10."""
    jobs = job("a", configurations=A), job("b", configurations=B, weight=0.0)
    case = instance(*jobs, objective={"name": "max-min"})
    assert held(solved(case, way, 2.8)) == {"a": 4}


def test_greedy_is_not_enough(way):
    """On 3 GPUs: a needs 2 for 10, b 3 for 14; the best per GPU (a) leaves 1 GPU of no use."""
    jobs = job("a", configurations=listed(0, 10)), job("b", configurations=listed(0, 0, 14))
    case = instance(*jobs, cluster=cluster(3), objective=THROUGHPUT)
    assert held(solved(case, way, 14.0)) == {"b": 3}


def test_a_curve_that_is_not_concave(way):
    """1, 2, 9 and 10 on 1 to 4 GPUs: one job on 3 and the other on 1, not 2 and 2."""
    case = instance(*(job(name, configurations=listed(1, 2, 9, 10)) for name in "ab"), objective=THROUGHPUT)
    assert sorted(held(solved(case, way, 10.0)).values()) in ([1, 3], [4])


def test_counts_in_steps_of_two(way):
    """From 1 in steps of 2 there are 1 and 3 GPUs: Amdahl yields 10 and 20 examples/s; 20 + 10."""
    jobs = (job(name, gpu_multiple=2) for name in "ab")
    case = instance(*jobs, objective=THROUGHPUT)
    assert sorted(held(solved(case, way, 30.0)).values()) == [1, 3]


def test_counts_from_a_minimum(way):
    """At least 3 GPUs each: only one of them runs, on 4: 160 / 7."""
    case = instance(job("a", min_gpus=3), job("b", min_gpus=3), objective=THROUGHPUT)
    assert list(held(solved(case, way, 160 / 7)).values()) == [4]


def test_a_required_job_runs_where_it_does_not_pay(way):
    """a must run: 1 GPU of its own (2), 3 for b (18)."""
    jobs = job("a", configurations=listed(2), required=True), job("b", configurations=B)
    assert held(solved(instance(*jobs, objective=THROUGHPUT), way, 20.0)) == {"a": 1, "b": 3}


def test_cores_bind(way):
    """8 cores at 3 a GPU leave 2 GPUs to b (12); a needs none and takes the others (2)."""
    limited = cluster(4)
    limited["servers"][0]["cpu_cores"] = 8
    jobs = job("a", configurations=listed(1, 2)), job("b", configurations=B, cpu_cores_per_gpu=3)
    assert held(solved(instance(*jobs, cluster=limited, objective=THROUGHPUT), way, 14.0)) == {"a": 2, "b": 2}


@pytest.mark.parametrize(("restart_s", "value", "gpus"), [(72, 20.0, 2), (30, 22.0, 3)])
def test_a_restart_costs_part_of_the_round(way, restart_s, value, gpus):
    """3 GPUs yield 24: less 20 % (72 of 360 s) they are 19.2 < 20 of what is held, less 30 / 360 they are 22."""
    one = job("a", configurations=listed(0, 20, 24), holds={"gpu_type": "v", "gpus": 2}, restart_s=restart_s)
    assert held(solved(instance(one, objective=THROUGHPUT), way, value)) == {"a": gpus}


@pytest.mark.parametrize(("moves", "value"), [(0, 16.0), (1, 30.0), (2, 30.0), (None, 30.0)])
def test_limit_on_moves(way, moves, value):
    """Both hold 1 GPU (10 + 6). One move: b to 3 (10 + 18 = 28) or a to 3 (24 + 6 = 30)."""
    jobs = (
        job("a", configurations=A, holds={"gpu_type": "v", "gpus": 1}),
        job("b", configurations=B, holds={"gpu_type": "v", "gpus": 1}),
    )
    more = {} if moves is None else {"max_moves": moves}
    solved(instance(*jobs, objective=THROUGHPUT, **more), way, value)


def test_two_pools(way):
    """a runs on w only, b on both: b takes v (12), and a w (5)."""
    two = {
        "gpu_types": [{"id": "v"}, {"id": "w"}],
        "servers": [{"id": "s", "gpu_type": "v", "gpus": 2}, {"id": "t", "gpu_type": "w", "gpus": 1}],
    }
    b = listed(6, 12) + listed(11, gpu_type="w")
    jobs = job("a", configurations=listed(5, gpu_type="w")), job("b", configurations=b)
    result = solved(instance(*jobs, cluster=two, objective=THROUGHPUT), way, 17.0)
    assert {a.job: a.gpu_type for a in result.allocations} == {"a": "w", "b": "v"}


def test_the_nearest_to_free_lunch(way):
    """One job on one GPU."""
    case = instance(job("a", configurations=listed(7)), cluster=cluster(1), objective=THROUGHPUT)
    result = solved(case, way, 7.0)
    assert result.waiting == ()


def test_infeasible_names_the_conflict(way):
    """Two required jobs of 3 GPUs on 4: 2 more are needed; c could be spared."""
    three = listed(0, 0, 5)
    jobs = [job(name, configurations=three, required=True) for name in "ab"]
    result = optsched.solve(instance(*jobs, job("c", configurations=A)), **way)
    assert result.status == "infeasible"
    assert result.allocations == ()
    assert "jobs a, b cannot run together" in result.reason
    assert "2 more GPUs of v@main" in result.reason


def test_equal_input_gives_an_equal_answer(way):
    case = instance(*(job(name) for name in "abc"))
    first, second = (optsched.solve(case, **way, seed=3) for _ in range(2))
    assert first.hash == second.hash
    assert first.value == second.value
