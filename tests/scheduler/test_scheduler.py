"""Rounds: what is remembered, what becomes of plans, and what may go wrong between two of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import optsched
from optsched.scheduler import LiveJob
from tests.support.rounds import CLUSTER, CURVES, job, kinds


def scheduler(**more):
    return optsched.Scheduler(CLUSTER, curves=CURVES, **more)


def checked(plan):
    report = optsched.check(plan.instance, plan.allocations, claimed=plan.value)
    assert report.ok, report.violations
    assert plan.bound >= plan.value - 1e-9
    return plan


def test_what_was_started_is_kept_without_being_told_again():
    s = scheduler()
    first = checked(s.step(now=0, jobs=[job("x"), job("y")]))
    assert kinds(first) == {"x": "start", "y": "start"}
    second = checked(s.step(now=60, jobs=[job("x"), job("y")]))
    assert kinds(second) == {"x": "keep", "y": "keep"}
    assert {a.job: a.gpus for a in first.allocations} == {a.job: a.gpus for a in second.allocations}
    assert second.version == first.version + 1


def test_jobs_are_dicts_dataclasses_or_records_with_numbers_of_numpy():
    @dataclasses.dataclass
    class Mine:
        id: str
        curves: dict
        remaining_examples: np.float32
        max_gpus: np.int64
        holds: None = None

    plan = scheduler().step(
        now=np.float64(3),
        jobs=[
            job("dict", weight=np.float32(2), max_gpus=np.int32(2)),
            Mine("dataclass", {"a": "m/a"}, np.float32(500), np.int64(4)),
            LiveJob(id="live", curves={"b": "m/b"}, remaining_examples=10.0),
            optsched.instance.Job(id="record", curves={"b": "m/b"}, max_gpus=1, remaining_examples=10.0),
        ],
    )
    assert {a.job for a in checked(plan).allocations} == {"dict", "dataclass", "live", "record"}


def test_refused_jobs_hold_what_they_held_and_pending_ones_what_they_are_to_hold():
    s = scheduler()
    jobs = [job("x"), job("y"), job("z")]
    first = s.step(now=0, jobs=jobs)
    second = checked(s.step(now=60, jobs=jobs, version=first.version, refused=["x"], pending=["y"]))
    assert kinds(second)["x"] == "start"
    assert kinds(second)["y"] == "keep"
    assert "under way" in second.of("y").reason
    third = s.step(now=120, jobs=jobs, done=["x"])  # of the others nothing is known, so that they wait for it
    assert kinds(third)["x"] == "keep"


def test_what_the_caller_says_counts_before_what_is_remembered():
    s = scheduler()
    s.step(now=0, jobs=[job("x")])
    assert kinds(s.step(now=60, jobs=[job("x", holds=None)])) == {"x": "start"}
    held = {"gpu_type": "b", "gpus": 1}
    assert s.step(now=120, jobs=[job("x", holds=held)]).of("x").before.gpus == 1


def test_restarts_are_counted_where_plans_are_carried_out():
    s = scheduler(objective="progress")
    s.step(now=0, jobs=[job("x", max_gpus=1)])
    plan = s.step(now=60, jobs=[job("x", max_gpus=4)])
    assert kinds(plan) == {"x": "resize"}
    assert plan.resize[0].restart_s == 30
    refused = s.step(now=120, jobs=[job("x", max_gpus=4)], refused=["x"])
    assert refused.instance.jobs[0].restarts == 0
    assert s.step(now=180, jobs=[job("x", max_gpus=4)]).instance.jobs[0].restarts == 1


def test_a_saved_scheduler_goes_on_as_the_one_that_it_was(tmp_path):
    s = scheduler()
    jobs = [job("x"), job("y", remaining_examples=50), job("z", pinned=True)]
    s.step(now=0, jobs=jobs)
    s.save(tmp_path / "s.json")
    again = optsched.Scheduler.load(tmp_path / "s.json")
    one, two = s.step(now=60, jobs=jobs[1:]), again.step(now=60, jobs=jobs[1:])
    assert one.allocations == two.allocations
    assert kinds(one) == kinds(two)
    assert one.version == two.version


def test_a_step_that_is_refused_changes_nothing():
    s = scheduler()
    s.step(now=10, jobs=[job("x")])
    for wrong in (
        {"now": 5, "jobs": [job("x")]},
        {"now": 20, "jobs": [job("x"), job("x")]},
        {"now": 20, "jobs": [job("x", weight=-1)]},
        {"now": 20, "jobs": [job("x", curves={"a": "none"})]},
        {"now": 20, "jobs": [job("x")], "failed": ["c"]},
        {"now": 20, "jobs": [job("x")], "version": 7},
        {"now": 20, "jobs": [job("x")], "done": ["x"], "refused": ["x"]},
        {"now": float("nan"), "jobs": []},
        {"now": 20, "jobs": 3},
    ):
        with pytest.raises(optsched.InputError):
            s.step(**wrong)
    assert s.version == 1
    assert kinds(s.step(now=20, jobs=[job("x")])) == {"x": "keep"}


def test_errors_name_the_job_in_the_callers_list():
    with pytest.raises(optsched.InputError, match=r"\$\.jobs\[1\]\.weight"):
        scheduler().step(now=0, jobs=[job("x"), job("y", weight="much")])


def test_pinned_jobs_stay_and_an_impossible_one_waits_alone():
    s = scheduler()
    s.step(now=0, jobs=[job("pinned", pinned=True)])
    many = [job("pinned", pinned=True), job("huge", min_gpus=64, max_gpus=64)]
    many += [job(f"j{n}", remaining_examples=1.0, weight=1e3) for n in range(12)]
    plan = checked(s.step(now=60, jobs=many))
    assert kinds(plan)["pinned"] == "keep"
    assert kinds(plan)["huge"] == "wait"
    assert "64" in plan.of("huge").reason


def test_failed_and_drained_servers():
    s = scheduler()
    jobs = [job("x"), job("y"), job("z")]
    s.step(now=0, jobs=jobs)
    plan = checked(s.step(now=60, jobs=jobs, failed={"a/0": 3, "b": None}))
    assert sum(a.gpus for a in plan.allocations) <= 5
    plan = checked(s.step(now=120, jobs=jobs, draining=["a"]))
    before = sum(action.before.gpus for action in (*plan.keep, *plan.resize, *plan.move, *plan.stop))
    assert sum(a.gpus for a in plan.allocations if a.gpu_type == "a") <= before
    empty = s.step(now=180, jobs=jobs, failed=["a", "b"])
    assert not empty.allocations
    assert "no GPU" in empty.of("x").reason
    assert checked(s.step(now=240, jobs=jobs, failed={}, draining=[])).allocations


def test_no_job_moves_for_nothing():
    s = scheduler(objective="progress")
    jobs = [job(f"j{n}", max_gpus=2, restart_s=0, curves={"a": "m/a"}) for n in range(4)]
    first = s.step(now=0, jobs=jobs)
    for now in (60, 120):
        plan = s.step(now=now, jobs=jobs[::-1])
        assert not plan.changes
        assert plan.value == pytest.approx(first.value)


def test_labels_of_configurations_come_back():
    ways = [
        {"gpu_type": "a", "gpus": 1, "throughput": 1.0, "label": "small"},
        {"gpu_type": "b", "gpus": 2, "throughput": 5.0, "label": "large"},
    ]
    plan = scheduler().step(now=0, jobs=[{"id": "x", "configurations": ways, "remaining_examples": 9}])
    assert plan.start[0].allocation.label == "large"
    checked(plan)


def test_objectives_by_name_with_parameters_or_by_function():
    def fewest(rates):
        """As few GPUs as possible, but some."""
        return 100 - rates.gpus

    plan = checked(optsched.Scheduler(CLUSTER, fewest, CURVES).step(now=0, jobs=[job("x"), job("y")]))
    assert [a.gpus for a in plan.allocations] == [1, 1]
    for name in ("progress", "sia", "max-min", "proportional", optsched.ObjectiveSpec("alpha-fair", {"alpha": 2.0})):
        checked(scheduler(objective=name).step(now=0, jobs=[job("x"), job("y")]))
    with pytest.raises(optsched.InputError, match="objective"):
        scheduler(objective="speed")


def test_what_a_checkpoint_leaves_is_lost_by_a_move():
    s = scheduler(objective="progress")
    x = job("x", max_gpus=1, curves={"a": "m/a"}, checkpoint_interval_s=200)
    s.step(now=0, jobs=[x])
    plan = s.step(now=60, jobs=[x | {"max_gpus": 2, "min_gpus": 2}])
    assert kinds(plan) == {"x": "resize"}
    assert plan.resize[0].lost_s == 100
    assert plan.instance.jobs[0].restart_s == 130


def test_sia_with_restarts_longer_than_the_horizon_is_warned_of():
    s = scheduler(objective="sia", round_s=20, horizon_s=20)
    plan = s.step(now=0, jobs=[job("x")])
    assert any("never move" in warning for warning in plan.warnings)
    usual = scheduler(objective="sia", round_s=20).step(now=0, jobs=[job("x")])
    assert any("amortized" in warning for warning in usual.warnings)


def test_required_jobs_that_cannot_run_together_leave_all_as_it_is():
    s = scheduler()
    s.step(now=0, jobs=[job("x")])
    both = [job("x"), *[job(f"r{n}", min_gpus=4, required=True) for n in range(4)]]
    plan = s.step(now=60, jobs=both)
    assert plan.status == "infeasible"
    assert kinds(plan)["x"] == "keep"
    assert plan.warnings


def test_plans_that_decide_on_places_keep_their_servers():
    s = scheduler(decides="placement", objective="flow-time:b=0.5")
    jobs = [job("x"), job("y", pinned=True), job("z", max_gpus=2)]
    first = checked(s.step(now=0, jobs=jobs))
    second = checked(s.step(now=60, jobs=jobs))
    assert set(kinds(second).values()) == {"keep"}
    assert {a.job: a.placement for a in first.allocations} == {a.job: a.placement for a in second.allocations}


def test_a_round_without_jobs():
    plan = scheduler().step(now=0, jobs=[])
    assert (plan.status, plan.changes, plan.allocations) == ("optimal", (), ())
