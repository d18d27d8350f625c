"""What is written is what is read: instances, results and fingerprints."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

import optsched
from optsched.instance import Instance, fingerprint, load, loads, save
from optsched.instance.result import load_result, save_result
from tests.support.builders import instance, job, record
from tests.support.strategies import instances

FILES = {
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
    "derandomize": True,
    "deadline": None,
}


@settings(max_examples=150, **FILES)
@given(case=instances(with_servers=True))
def test_an_instance_survives_its_file(case, tmp_path):
    save(case, tmp_path / "instance.json")
    again = load(tmp_path / "instance.json")
    assert again == case
    assert fingerprint(again) == fingerprint(case)


@settings(max_examples=60, **FILES)
@given(case=instances())
def test_a_result_survives_its_file(case, tmp_path):
    result = optsched.solve(case)
    save_result(result, tmp_path / "result.json")
    assert load_result(tmp_path / "result.json") == result
    assert result.instance == fingerprint(case)


def test_a_result_file_says_its_format(tmp_path):
    save_result(optsched.solve(instance(job())), tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_bytes())["format"] == "optsched-result/1"


def test_a_fingerprint_does_not_depend_on_the_order_of_keys():
    whole = record(job("a", curves={"v": "c", "w": "d"}), curves={"c": {"family": "amdahl", "single": 1, "serial": 0}})
    whole["curves"]["d"] = whole["curves"]["c"]
    whole["cluster"]["gpu_types"].append({"id": "w"})
    turned = json.dumps({key: whole[key] for key in reversed(whole)})
    other = json.loads(turned)
    other["curves"] = dict(reversed(other["curves"].items()))
    other["jobs"][0]["curves"] = {"w": "d", "v": "c"}
    first = loads(json.dumps(whole))
    assert fingerprint(first) == fingerprint(loads(turned)) == fingerprint(loads(json.dumps(other)))


@pytest.mark.parametrize(
    "change",
    [
        {"now_s": 1.0},
        {"round_s": 1.0},
        {"max_moves": 0},
        {"name": "x"},
        {"objective": {"name": "max-min"}},
        {"jobs": ()},
    ],
)
def test_a_fingerprint_sees_every_change(change):
    first = instance(job())
    changed = {**msgspec.to_builtins(first), **change}
    assert fingerprint(msgspec.convert(changed, Instance)) != fingerprint(first)


def test_equal_instances_have_equal_fingerprints():
    short, long = job("a"), job("a", weight=1.0, min_gpus=1, tenant="default", required=False)
    assert instance(short) == instance(long)
    assert fingerprint(instance(short)) == fingerprint(instance(long))
