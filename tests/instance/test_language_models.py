"""Instances of language models: plans as configurations, and what is refused of them."""

from __future__ import annotations

import msgspec
import pytest

import optsched
from optsched.errors import InputError
from optsched.instance import Configuration, ParallelismPlan
from optsched.instance.generators.language_models import generate_language_models, label_of

PLAN = ParallelismPlan(tensor=4, pipeline=2, data=2)
LISTED = Configuration(gpu_type="h100", gpus=16, nodes=2, throughput=10.0, local_batch=2.0, label="wide", plan=PLAN)


@pytest.fixture(scope="module")
def instance():
    return generate_language_models({"h100": 64}, 5, seed=3)


def with_plan(instance, **changes):
    """Return the instance with one job that lists one configuration."""
    job = msgspec.structs.replace(instance.jobs[0], configurations=(msgspec.structs.replace(LISTED, **changes),))
    return msgspec.structs.replace(instance, jobs=(job,))


def test_every_configuration_carries_a_plan_of_its_gpus(instance):
    listed = [c for job in instance.jobs for c in job.configurations]
    assert listed
    for c in listed:
        assert c.plan is not None
        assert c.plan.tensor * c.plan.pipeline * c.plan.context * c.plan.data == c.gpus
        assert (c.gpus // c.nodes) % c.plan.tensor == 0
        assert c.label == label_of(c.plan, int(c.local_batch))


def test_equal_seeds_make_equal_instances(instance):
    assert generate_language_models({"h100": 64}, 5, seed=3) == instance
    assert generate_language_models({"h100": 64}, 5, seed=4) != instance


def test_a_plan_of_the_cluster_names_the_parallelism_plans(instance):
    result = optsched.solve(instance)
    assert result.status == "optimal"
    labels = {(job.id, c.label) for job in instance.jobs for c in job.configurations}
    assert result.allocations
    assert {(a.job, a.label) for a in result.allocations} <= labels
    assert optsched.check(instance, result.allocations, claimed=result.value).ok


def test_a_label_of_another_configuration_is_a_violation(instance):
    result = optsched.solve(instance)
    a = result.allocations[0]
    job = next(job for job in instance.jobs if job.id == a.job)
    other = next(c.label for c in job.configurations if c.gpus != a.gpus)
    false = msgspec.structs.replace(a, label=other)
    report = optsched.check(instance, (false, *result.allocations[1:]))
    assert {v.rule for v in report.violations} == {"label"}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"gpus": 8}, "$.jobs[0].configurations[0].plan"),
        ({"nodes": None}, "$.jobs[0].configurations[0].plan"),
        ({"nodes": 8}, "$.jobs[0].configurations[0].plan.tensor"),
        ({"plan": ParallelismPlan(tensor=4, pipeline=2, data=2, expert=3)}, "$.jobs[0].configurations[0].plan.expert"),
    ],
)
def test_impossible_plans_are_refused(instance, changes, path):
    with pytest.raises(InputError) as refused:
        optsched.instance.validate(with_plan(instance, **changes))
    assert path in str(refused.value)


def test_the_command_makes_the_same_instance(run, tmp_path, instance):
    out = tmp_path / "llm.json"
    assert run("generate", "--llm", "--jobs", 5, "--gpus", "h100=64", "--seed", 3, "--out", out).returncode == 0
    assert optsched.load(out) == instance
