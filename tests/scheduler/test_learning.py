"""Throughput that is learnt from what is observed: profiles of applications, and corrections of models."""

from __future__ import annotations

import numpy as np
import pytest

import optsched
from optsched.prediction.curves import Amdahl, Points
from optsched.scheduler.corrections import OPTIMISM, factors, ratios_to
from optsched.scheduler.profiles import MEMORY, fitted, observed, refitted
from tests.support.rounds import CLUSTER, CURVES, job


def true(application, gpu_type, gpus):
    """Return the examples/s that the tests' cluster really yields."""
    return (100.0 if application == "bert" else 400.0) * (3.0 if gpu_type == "b" else 1.0) * gpus**0.8


def test_profiles_find_a_power_law_and_tell_new_applications_of_gpu_types():
    profiles = {}
    for application in ("bert", "resnet"):
        for gpu_type, gpus in (("a", 1), ("a", 2), ("a", 4), ("b", 1), ("b", 4)):
            for _ in range(3):
                rate = true(application, gpu_type, gpus)
                profiles[application] = observed(profiles.get(application), gpu_type, gpus, 1, 32.0, rate)
    profiles = refitted(profiles, profiles.keys(), ["a", "b"])
    points = Points.of([1, 2, 8], nodes=1, local_batch=32)
    curve = fitted(profiles["bert"], profiles, "b", 1.0)
    assert curve.throughput(points) == pytest.approx([true("bert", "b", g) for g in (1, 2, 8)], rel=0.05)
    # of an application that ran on one type only, the other type's speed is that of the others, in part
    profiles["new"] = observed(None, "a", 1, 1, 32.0, 10.0)
    profiles = refitted(profiles, ["new"], ["a", "b"])
    assert 15 < fitted(profiles["new"], profiles, "b", 1.0).single < 35


def test_observations_are_means_over_a_number_of_rounds():
    profile = None
    for _ in range(5 * MEMORY):
        profile = observed(profile, "a", 1, 1, 32.0, 10.0)
    for _ in range(5 * MEMORY):
        profile = observed(profile, "a", 1, 1, 32.0, 20.0)
    assert len(profile.cells) == 1
    assert np.exp(profile.cells[0].log_rate) == pytest.approx(20.0, rel=0.02)


def test_corrections_by_hand():
    ratios = {("a", 1): (np.log(2.0), 1), ("a", 4): (0.0, 3), ("b", 1): (np.log(0.5), 2)}
    mean = (np.log(2.0) + 2 * np.log(0.5)) / 6
    q1, q4 = 1 / 2 / 2, 3 / 4 / 2
    borrowed = (mean / 2 + q1 * np.log(2.0)) / (1 / 2 + q1 + q4)
    q4_from_1 = 3 / 4 / 4
    own = 0.5 * np.log(2.0) + 0.5 * (mean / 2) / (1 / 2 + q4_from_1)
    found = factors(ratios, "a", np.array([1.0, 2.0]))
    assert found == pytest.approx([np.exp(own), np.exp(borrowed) * OPTIMISM])
    assert factors({}, "a", np.array([1.0, 2.0])).tolist() == [1.0, 1.0]


def test_ratios_compare_with_the_curve():
    cells = observed(None, "a", 2, 1, 16.0, 30.0).cells
    curve = Amdahl(single=10.0, serial=0.0)
    assert ratios_to({"a": curve}, cells)["a", 2] == (pytest.approx(np.log(1.5)), 1)
    assert ratios_to({}, cells) == {}


def test_jobs_without_curves_grow_with_what_their_application_has_run():
    s = optsched.Scheduler(CLUSTER)
    jobs = [{"id": f"j{k}", "application": "bert", "max_gpus": 8, "remaining_examples": 1e5} for k in range(2)]
    most = 1
    for now in range(0, 600, 60):
        plan = s.step(now=now, jobs=jobs)
        assert optsched.check(plan.instance, plan.allocations, claimed=plan.value).ok
        assert max(a.gpus for a in plan.allocations) <= most
        most = 2 * max(a.gpus for a in plan.allocations)
        for a in plan.allocations:
            s.observe(a.job, "bert", a, step_time=32 * a.gpus / true("bert", a.gpu_type, a.gpus), batch=32 * a.gpus)
    assert sum(a.gpus for a in plan.allocations) > 6
    ran = {(a.gpu_type, a.gpus) for a in s.step(now=600, jobs=jobs).allocations}
    for a in s.step(now=660, jobs=jobs).allocations:
        if (a.gpu_type, a.gpus) in ran:
            assert a.throughput == pytest.approx(true("bert", a.gpu_type, a.gpus), rel=0.4)


def test_curves_are_corrected_for_all_jobs_of_an_application_and_for_no_other():
    s = optsched.Scheduler(CLUSTER, "progress", CURVES)
    jobs = [job("x", application="m"), job("y", application="m"), job("z", application="n")]
    s.step(now=0, jobs=jobs)
    for _ in range(20):
        s.observe("x", "m", {"gpu_type": "a", "gpus": 1}, step_time=1.0, batch=3)  # three times what the curve says
    plan = s.step(now=60, jobs=jobs)
    by_name = {j.id: j for j in plan.instance.jobs}
    point = Points.of(1, nodes=1, local_batch=3)
    rates = {n: plan.instance.curves[by_name[n].curves["a"]].throughput(point)[0] for n in "xyz"}
    assert rates["x"] == rates["y"] == pytest.approx(3.0, rel=0.15)
    assert rates["z"] == pytest.approx(1.0)
    assert optsched.check(plan.instance, plan.allocations, claimed=plan.value).ok


def test_configurations_are_corrected_too():
    s = optsched.Scheduler(CLUSTER)
    ways = [{"gpu_type": "a", "gpus": g, "throughput": float(g)} for g in (1, 2)]
    x = {"id": "x", "application": "m", "configurations": ways, "remaining_examples": 10.0}
    s.step(now=0, jobs=[x])
    s.observe("x", step_time=1.0, batch=1.0)
    found = s.step(now=60, jobs=[x]).instance.jobs[0].configurations
    # it ran on two GPUs, half as fast as it was said to
    assert [c.throughput for c in found] == pytest.approx([0.5 * OPTIMISM, 1.0])


def test_noise_sets_the_efficiency_and_all_that_is_learnt_is_saved(tmp_path):
    s = optsched.Scheduler(CLUSTER, curves=CURVES)
    x = job("x", application="m", efficiency={"noise_scale": 1.0, "reference_batch": 8}, global_batches=[8, 16])
    s.step(now=0, jobs=[x])
    s.observe("x", gradient_noise=77.0)
    s.observe("x", step_time=0.5, batch=8)
    s.save(tmp_path / "s.json")
    again = optsched.Scheduler.load(tmp_path / "s.json")
    for one in (s, again):
        plan = one.step(now=60, jobs=[x])
        assert plan.instance.jobs[0].efficiency.noise_scale == 77.0
    assert again.step(now=120, jobs=[x]).instance == s.step(now=120, jobs=[x]).instance


@pytest.mark.parametrize(
    "wrong",
    [
        {"step_time": 0, "batch": 1},
        {"step_time": 1, "batch": float("nan")},
        {"step_time": 1, "batch": 1, "configuration": {"gpu_type": "c", "gpus": 1}},
        {"step_time": 1, "batch": 1, "configuration": {"gpu_type": "a"}},
        {"step_time": 1, "batch": 1, "application": None},
        {"gradient_noise": -1},
    ],
)
def test_what_is_no_observation_is_refused(wrong):
    s = optsched.Scheduler(CLUSTER)
    with pytest.raises(optsched.InputError):
        s.observe("x", **({"application": "m", "configuration": {"gpu_type": "a", "gpus": 1}} | wrong))


def test_a_job_of_which_nothing_is_known_is_refused():
    with pytest.raises(optsched.InputError, match=r"\$\.jobs\[0\].*application"):
        optsched.Scheduler(CLUSTER).step(now=0, jobs=[{"id": "x", "remaining_examples": 1}])
