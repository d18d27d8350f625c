"""What would become of a job, and of a round, if something were different."""

from __future__ import annotations

import pytest

import optsched
from tests.support.rounds import kinds

CLUSTER = {"gpu_types": [{"id": "a"}], "servers": [{"id": "a", "count": 1, "gpu_type": "a", "gpus": 4}]}
CURVES = {"m": {"family": "amdahl", "single": 1.0, "serial": 0.0}}


def job(name, **more):
    return {"id": name, "curves": {"a": "m"}, "min_gpus": 4, "max_gpus": 4, "remaining_examples": 400.0} | more


@pytest.fixture
def busy():
    s = optsched.Scheduler(CLUSTER, curves=CURVES, round_s=10)
    s.step(now=0, jobs=[job("x")])
    return s


def test_a_job_starts_when_those_before_it_have_ended(busy):
    found = busy.admit(job("y", remaining_examples=4000.0))
    assert (found.starts, found.start_s) == ("later", 100.0)
    assert found.allocation.gpus == 4
    assert found.reasons
    assert {change.lever for change in found.sooner} >= {"gpus:a@main", "min_gpus:y"}
    two = busy.admit(job("z", remaining_examples=9000.0), jobs=[job("x"), job("y", remaining_examples=4000.0)])
    assert two.start_s == pytest.approx(1100.0)


def test_a_job_that_is_worth_more_starts_now_and_says_who_stops(busy):
    found = busy.admit(job("y", remaining_examples=1.0, weight=100.0))
    assert (found.starts, found.start_s) == ("now", 0.0)
    assert [(a.kind, a.job) for a in found.others] == [("stop", "x")]


def test_a_job_that_fits_nowhere_says_so(busy):
    found = busy.admit(job("y", min_gpus=8, max_gpus=8))
    assert found.starts == "unknown"
    assert found.start_s is None
    assert "8 a" in found.reasons[0]


def test_nothing_changes_by_questions(busy):
    busy.admit(job("y"))
    busy.what_if(cancel=["x"], submit=[job("y")])
    assert busy.version == 1
    assert kinds(busy.step(now=10, jobs=[job("x")])) == {"x": "keep"}


def test_what_if(busy):
    assert kinds(busy.what_if(cancel=["x"], submit=[job("y")])) == {"y": "start"}
    assert kinds(busy.what_if(failed=["a"])) == {"x": "stop"}
    resized = busy.what_if(change={"x": {"min_gpus": 1, "max_gpus": 2}}, objective="progress")
    assert kinds(resized) == {"x": "resize"}
    assert resized.instance.objective.name == "progress"
    with pytest.raises(optsched.InputError, match="last step"):
        busy.what_if(cancel=["nobody"])
    with pytest.raises(optsched.InputError, match=r"change.*weight"):
        busy.what_if(change={"x": {"weight": -1}})


def test_only_new_jobs_can_be_admitted(busy):
    with pytest.raises(optsched.InputError, match="not there yet"):
        busy.admit(job("x"))
    with pytest.raises(optsched.InputError, match=r"\$\.job\.weight"):
        busy.admit(job("y", weight="a lot"))
