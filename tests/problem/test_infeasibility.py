"""Reasons why a problem has no plan."""

from __future__ import annotations

from optsched.problem.build import build_problem
from optsched.problem.infeasibility import impossible, why_infeasible
from optsched.solvers import Limits
from tests.support.builders import cluster, instance, job, listed


def test_a_impossible_says_why():
    cannot = job("a", configurations=listed(0, 0, 0, 0, 9), required=True)
    assert impossible(build_problem(instance(cannot))).startswith(
        "required job 'a' cannot run: none of its configurations"
    )
    assert impossible(build_problem(instance(job(required=True)))) == ""


def test_a_conflict_is_named_without_those_that_can_be_spared():
    jobs = [job(name, configurations=listed(0, 0, 9), required=True) for name in "ab"]
    spare = job("c", configurations=listed(1, gpu_type="w"), required=True)
    two = {**cluster(4), "gpu_types": [{"id": "v"}, {"id": "w"}]}
    two["servers"] = [*two["servers"], {"id": "w", "gpu_type": "w", "gpus": 1}]
    reason = why_infeasible(build_problem(instance(*jobs, spare, cluster=two)), Limits())
    assert "jobs a, b cannot run together: they need at least 2 more GPUs of v@main" in reason


def test_too_few_moves_are_named():
    jobs = [job(name, min_gpus=2, holds={"gpu_type": "v", "gpus": 4}) for name in "ab"]
    reason = why_infeasible(build_problem(instance(*jobs, max_moves=0)), Limits())
    assert "without more than 0 jobs losing or changing" in reason
