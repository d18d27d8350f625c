"""What is read, what is planned and what is told, without a Slurm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optsched import InputError
from optsched.cli import answer
from optsched.integrations.comment import told
from optsched.integrations.slurm.companion import Companion
from optsched.integrations.slurm.records import expanded, gpus_in, read_nodes, read_queue
from optsched.integrations.slurm.view import view_of

RECORDED = Path(__file__).parents[3] / "instances" / "slurm"


def job(number, comment="optsched", state="PENDING", **more):
    base = {"job_id": number, "name": "wrap", "job_state": state, "priority": 0, "comment": comment}
    return base | {"partition": "gpu", "tres_per_node": "gres:gpu:2", "node_count": 1} | more


def node(name, gres="gpu:v100:4", state="idle", flags=()):
    return {"name": name, "gres": gres, "state": state, "state_flags": list(flags), "partitions": ["gpu"]}


def queue_of(*jobs):
    return read_queue(json.dumps({"jobs": jobs}).encode())


def nodes_of(*nodes):
    return read_nodes(json.dumps({"nodes": nodes}).encode())


class Still:
    """A Slurm that stays as it is, and keeps what it is told."""

    def __init__(self, jobs, nodes):
        self.jobs, self.at, self.heard = jobs, nodes, []

    def queue(self):
        return queue_of(*self.jobs)

    def nodes(self):
        return nodes_of(*self.at)

    def tell(self, commands):
        self.heard += commands
        return ["error for job 1"] if commands else []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node1", ["node1"]),
        ("node[1-3,07],login", ["node1", "node2", "node3", "node07", "login"]),
        ("n[08-10]", ["n08", "n09", "n10"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("", []),
        ("n[1-99999999]", []),
    ],
)
def test_host_lists(text, names):
    assert expanded(text) == names


def test_gpus_of_all_spellings():
    assert gpus_in("gpu:v100:4(S:0-1),craynetwork:1") == [("v100", 4)]
    assert gpus_in("gres:gpu:2") == gpus_in("gres/gpu:2") == gpus_in("gres/gpu=2") == [("", 2)]
    assert gpus_in("gpu") == [("", 1)]
    assert gpus_in("license:7") == []


def test_later_versions_wrap_numbers_and_list_states():
    wrapped = {"set": True, "infinite": False, "number": 0}
    (found,) = queue_of(job(7, job_state=["PENDING"], priority=wrapped, node_count=wrapped | {"number": 2}))
    assert (found.state, found.held, found.node_count) == ("PENDING", True, 2)
    (at,) = nodes_of(node("n0", state=["IDLE", "DRAIN"]))
    assert not at.usable


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"jobs": 3}', b'{"jobs": [3]}', b"\xff", b"[" * 10_000])
def test_what_is_no_queue(content):
    with pytest.raises(InputError):
        read_queue(content)


def test_comments():
    assert told("another tool's") is None
    assert told("lr=3 optsched") == {}
    found = told("optsched application=bert max_gpus=8 pinned=yes throughput=v100:4:120.5,v100:8x2:200")
    assert found["throughput"][1] == {"gpu_type": "v100", "gpus": 8, "throughput": 200.0, "nodes": 2}
    assert (found["max_gpus"], found["pinned"]) == (8, True)


@pytest.mark.parametrize(
    "words", ["fast", "speed=3", "max_gpus=many", "weight=nan", "max_gpus=0", "pinned=maybe", "throughput=v100"]
)
def test_a_wrong_comment_names_what_is_wrong(words):
    with pytest.raises(InputError, match=r"comment|max_gpus|weight"):
        told(f"optsched {words}")


def test_gpus_of_other_jobs_are_taken_and_broken_jobs_are_left_alone():
    jobs = (
        job(1),
        job(2, "optsched speed=3"),
        job(3, "", "RUNNING", nodes="n0", gres_detail=["gpu:v100:3(IDX:0-2)"]),
        job(4, "optsched gpu_types=h100"),
        job(5, "optsched", tres_per_node=""),
    )
    view = view_of(queue_of(*jobs), nodes_of(node("n0"), node("n1", state="down")))
    assert [(group.id, group.gpus) for group in view.cluster.servers] == [("n0", 1)]
    assert [live.id for live in view.jobs] == ["1"]
    assert len([note for note in view.notes if "left alone" in note]) == 2


def test_a_released_job_keeps_its_place_until_it_starts_and_one_on_a_lost_node_does_not():
    placed = {"priority": 5, "required_nodes": "n0"}
    view = view_of(queue_of(job(1, **placed)), nodes_of(node("n0")))
    assert (view.jobs[0].holds.placement, view.jobs[0].pinned, view.stray) == ({"n0": 2}, True, ())
    view = view_of(queue_of(job(1, **placed)), nodes_of(node("n0", state="down"), node("n1")))
    assert (view.jobs[0].holds, view.stray) == (None, (1,))


def test_a_job_whose_node_is_lost_is_held_and_placed_anew():
    slurm = Still([job(1, priority=5, required_nodes="n0")], [node("n0", state="down"), node("n1")])
    changes = Companion(slurm).round(dry_run=True).changes
    assert changes.commands[0] == "hold 1"
    assert "ReqNodeList=n1 NumNodes=1-1 StartTime=now" in changes.commands[1]
    assert changes.commands[2] == "release 1"


def test_a_released_job_that_never_starts_is_planned_anew():
    slurm = Still([job(1, priority=5, required_nodes="n0", state_reason="Resources")], [node("n0")])
    companion = Companion(slurm, patience_s=0.0)
    assert not companion.round(dry_run=True).changes.commands
    late = companion.round(dry_run=True)
    assert late.changes.commands[0] == "hold 1"
    assert any("Resources" in note for note in late.notes)


def test_an_update_that_never_holds_is_refused_and_not_released():
    slurm = Still([job(1)], [node("n0")])
    done = Companion(slurm).round()
    assert (done.released, done.refused) == ((), {1: "error for job 1"})
    assert not any(command.startswith("release") for command in slurm.heard)


def test_nodes_get_equally_many_gpus_where_the_job_asks_by_node():
    one = job(1, "optsched throughput=v100:3x2:10", tres_per_node="gres:gpu:2", node_count=2)
    other = [job(2, "", "RUNNING", nodes="n0", gres_detail=["gpu:v100:3"])]
    slurm = Still([one, *other], [node("n0"), node("n1")])
    (target,) = Companion(slurm).round(dry_run=True).changes.targets
    assert target.on == {"n0": 1, "n1": 1}
    assert "TresPerNode=gres:gpu:1" in target.command


def test_several_partitions_and_none():
    two = [node("n0"), node("n1") | {"partitions": ["other"]}]
    with pytest.raises(InputError, match="gpu, other"):
        view_of([], nodes_of(*two))
    assert view_of(queue_of(job(1)), nodes_of(*two), partition="other").jobs == []
    assert view_of([], nodes_of()).cluster is None
    assert Companion(Still([job(1)], [])).round().plan is None


def test_the_command_plans_recorded_files_and_says_what_is_wrong(capsys, tmp_path, monkeypatch):
    files = ["--queue", str(RECORDED / "queue.json"), "--nodes", str(RECORDED / "nodes.json")]
    assert answer(["slurm", *files]) == 0
    assert "scontrol release 1" in capsys.readouterr().out
    assert answer(["slurm", *files[:2]]) == 2
    assert answer(["slurm", *files, "--partition", "cpu"]) == 2
    monkeypatch.setenv("PATH", str(tmp_path))
    assert answer(["slurm"]) == 2
    assert "squeue" in capsys.readouterr().err


def test_what_was_learnt_is_kept(tmp_path):
    state = tmp_path / "state.json"
    comment = "optsched application=gpt min_gpus=1 max_gpus=4 rate=10 batch=32"
    slurm = Still([job(1, comment, "RUNNING", nodes="n0", gres_detail=["gpu:v100:2"])], [node("n0")])
    Companion(slurm, state=state).round(dry_run=True)
    assert "gpt" in json.loads(state.read_bytes())["state"]["profiles"]
    assert Companion(slurm, state=state).round(dry_run=True).plan.version == 2
