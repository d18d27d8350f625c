"""Boosts from recorded objects, and their way to an emulated API server by the official client."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path

import pytest

from optsched import InputError
from optsched.cli import answer
from optsched.integrations.kueue.api import Api, ApiError
from optsched.integrations.kueue.boosts import BOOST
from optsched.integrations.kueue.companion import carry_out, planned
from optsched.integrations.kueue.gates import GATE
from optsched.integrations.kueue.view import OWNER, view_of
from optsched.integrations.objects import read_objects
from tests.support.kubernetes_server import RESOURCES, serving

FILE = Path(__file__).parents[3] / "instances" / "kueue" / "objects.json"


@pytest.fixture
def objects():
    return copy.deepcopy(read_objects([FILE]))


def named(objects, name):
    return next(one for one in objects if one["metadata"]["name"] == name)


def test_flavors_are_gpu_types_and_queues_are_tenants(objects):
    view = view_of(objects)
    assert {(group.id, group.gpu_type, group.gpus) for group in view.cluster.servers} == {
        ("a1", "a100", 8),
        ("t1", "t4", 4),
        ("t2", "t4", 4),
    }
    assert {tenant.id: tenant.parent for tenant in view.tenants} == {
        "cohort all": None,
        "vision": "cohort all",
        "text": "cohort all",
    }
    jobs = {job.id: job for job in view.jobs}
    assert jobs["text/bert"].holds.gpu_type == "a100"
    assert (jobs["vision/resnet"].min_gpus, jobs["vision/resnet"].max_gpus) == (4, 4)
    assert "text/tokenize" not in jobs  # it has no GPUs


def test_what_runs_in_the_plan_comes_before_all_that_does_not(objects):
    done = planned(objects)
    effective = {
        boost.workload: named(objects, boost.workload.partition("/")[2])["spec"]["priority"] + int(boost.after or 0)
        for boost in done.boosts
    }
    runs = {a.job for a in done.plan.allocations}
    assert runs
    assert runs != effective.keys()
    assert min(effective[job] for job in runs) > max(effective[job] for job in effective.keys() - runs)


def test_a_queue_without_a_cohort_keeps_to_its_quota(objects):
    for one in objects:
        if one["kind"] == "ClusterQueue":
            del one["spec"]["cohort"]
    done = planned(objects)
    assert sum(a.gpus for a in done.plan.allocations if a.job.startswith("text/")) <= 4


def test_a_cordoned_node_takes_nothing_and_gpus_of_other_pods_are_taken(objects):
    named(objects, "t1")["spec"] = {"unschedulable": True}
    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "x"}, "status": {"phase": "Running"}}
    pod["spec"] = {"nodeName": "t2", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "3"}}}]}
    view = view_of([*objects, pod])
    assert {group.id: group.gpus for group in view.cluster.servers} == {"a1": 8, "t2": 1}
    assert any("t1 takes nothing new" in note for note in view.notes)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"queueName": "none"}, "local queue"),
        ({"podSets": [{"count": "x"}]}, ""),
        ({"podSets": 3}, ""),
        (
            {
                "podSets": [
                    {
                        "count": 1,
                        "template": {"spec": {"containers": [{"resources": {"requests": {"nvidia.com/gpu": "1.5"}}}]}},
                    }
                ]
            },
            "whole",
        ),
    ],
)
def test_a_workload_that_is_wrong_hurts_no_other(objects, change, what):
    named(objects, "resnet")["spec"] |= change
    view = view_of(objects)
    assert len(view.jobs) == 3
    assert any("vision/resnet is left alone" in note and what in note for note in view.notes)


def test_files_of_all_forms(objects, tmp_path):
    import yaml

    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(objects))
    assert len(read_objects([tmp_path / "all.yaml"])) == len(objects)
    bare = [{k: v for k, v in one.items() if k != "kind"} for one in objects if one["kind"] == "Node"]
    with zipfile.ZipFile(tmp_path / "snapshot.zip", "w") as archive:
        archive.writestr("snapshot.json", json.dumps({"config": {}, "rawObjects": {"nodes": bare, "pods": None}}))
    assert [one["kind"] for one in read_objects([tmp_path / "snapshot.zip"])] == ["Node"] * 3
    for content in (b"", b"[1, 2]", b"\xff\xfe", b"a: b: c"):
        (tmp_path / "wrong").write_bytes(content)
        with pytest.raises(InputError):
            read_objects([tmp_path / "wrong"])


def test_the_command_shows_a_table_and_writes_nothing(capsys):
    assert answer(["kueue", str(FILE)]) == 0
    assert "vision/resnet" in capsys.readouterr().out
    assert answer(["kueue", str(FILE.with_name("missing.json"))]) == 2


@pytest.fixture
def client():
    pytest.importorskip("kmock")
    from kubernetes import client

    made = []

    def connect(url):
        settings = client.Configuration(host=url)
        settings.retries = 0
        made.append(client.ApiClient(settings))
        return Api(client=made[-1], timeout_s=10)

    yield connect
    for one in made:
        one.close()


def test_boosts_reach_the_server_and_one_that_is_gone_is_passed_over(objects, client):
    with serving(objects) as (emulator, url):
        api = client(url)
        found = api.objects()
        assert len(found) == len(objects)
        done = planned(found)
        assert carry_out(done, api) == []
        for boost in done.boosts:
            space, _, name = boost.workload.partition("/")
            annotations = emulator.objects[RESOURCES["Workload"], space, name].raw["metadata"]["annotations"]
            assert annotations.get(BOOST) == boost.after
        again = planned(api.objects())
        assert not any(boost.changes for boost in again.boosts)
        gone = [
            {**one, "metadata": {**one["metadata"], "name": "gone"}} for one in objects if one["kind"] == "Workload"
        ]
        missed = carry_out(planned([*objects, gone[0]]), api)
        assert not missed or all("gone: PATCH" in line for line in missed)


def test_gated_gangs_go_whole_to_the_nodes_of_the_plan(objects, client):
    resnet = named(objects, "resnet")
    resnet["metadata"]["annotations"]["optsched/job"] += " pinned=yes"
    resnet["status"] = {
        "admission": {"podSetAssignments": [{"flavors": {"nvidia.com/gpu": "t4"}, "count": 2}]},
        "conditions": [{"type": "QuotaReserved", "status": "True"}],
    }
    pods = [
        {
            "kind": "Pod",
            "metadata": {"name": f"r{number}", "namespace": "vision", "annotations": {OWNER: "resnet"}},
            "spec": {
                "schedulingGates": [{"name": GATE}, {"name": "other"}],
                "containers": [{"resources": {"requests": {"nvidia.com/gpu": "2"}}}],
            },
            "status": {"phase": "Pending"},
        }
        for number in range(2)
    ]
    done = planned([*objects, *pods], gates=True)
    placement = next(a.placement for a in done.plan.allocations if a.job == "vision/resnet")
    assert sum(placement.values()) == 4
    assert [host for _, host in done.places] == [
        node for node in sorted(placement) for _ in range(placement[node] // 2)
    ]
    with serving([*objects, *pods]) as (emulator, url):
        api = client(url)
        api.objects()
        assert carry_out(done, api) == []
        pod = emulator.objects[RESOURCES["Pod"], "vision", "r0"].raw
        assert pod["spec"]["nodeSelector"] == {"kubernetes.io/hostname": done.places[0][1]}
        assert pod["spec"]["schedulingGates"] == [{"name": "other"}]
    for pod in pods:
        pod["spec"]["nodeName"] = "t2"
    running = {job.id: job for job in view_of([*objects, *pods]).jobs}["vision/resnet"]
    assert running.holds.placement == {"t2": 4}
    short = planned([*objects, pods[0]], gates=True)
    assert short.places == ()
    assert any("stay gated" in note for note in short.notes)


def test_a_server_that_is_away(client):
    with pytest.raises(ApiError):
        client("http://127.0.0.1:9").objects()
