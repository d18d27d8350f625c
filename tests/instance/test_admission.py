"""The door for Python: paths and objects are validated where they enter, with the errors that files give."""

from __future__ import annotations

import io
import json

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

import optsched
from optsched.errors import InputError
from optsched.explain import audit, conflict, explain, sensitivity, worths
from optsched.instance import Cluster, Configuration, GpuType, Instance, Job, ServerGroup, Site, admit, loads
from optsched.instance.solution import Allocation
from optsched.prediction.curves import Amdahl
from optsched.schedule import plan
from optsched.search.multiobjective import in_order, pareto
from optsched.timeshare.reading import market_of


def small(**job):
    """Return an instance that no file was read for: two servers of two GPUs, and two jobs of one curve."""
    groups = (ServerGroup(id="s", count=2, gpu_type="v", gpus=2),)
    first = Job(id="a", curves={"v": "c"}, remaining_examples=100.0)
    return Instance(
        format="optsched/1",
        cluster=Cluster(gpu_types=(GpuType(id="v"),), servers=groups),
        curves={"c": Amdahl(single=10.0, serial=0.25)},
        jobs=(first, replace(first, **{"id": "b", **job})),
    )


FAULTS = {
    "unknown curve": ({"curves": {"v": "none"}}, '$.jobs[1].curves["v"]'),
    "unknown GPU type": ({"curves": {"h100": "c"}}, '$.jobs[1].curves["h100"]'),
    "doubled id": ({"id": "a"}, "$.jobs[1].id"),
    "number for an id": ({"id": 7}, "$.jobs[1].id"),
    "text for a weight": ({"weight": "much"}, "$.jobs[1].weight"),
    "negative weight": ({"weight": -1.0}, "$.jobs[1].weight"),
    "negative weight of numpy": ({"weight": np.float64(-1.0)}, "$.jobs[1].weight"),
    "weight that is no number": ({"weight": float("nan")}, "$.jobs[1].weight"),
    "deadline that is no number": ({"deadline_s": float("nan")}, "$.jobs[1].deadline_s"),
    "half a GPU": ({"min_gpus": 1.5}, "$.jobs[1].min_gpus"),
    "truth for a number": ({"max_gpus": True}, "$.jobs[1].max_gpus"),
    "an object": ({"weight": object()}, "$.jobs[1].weight"),
    "a list of curves": ({"curves": ["c"]}, "$.jobs[1].curves"),
}


def entries():
    """Return every public function that takes an instance, with the rest of its arguments."""
    return {
        "solve": optsched.solve,
        "check": lambda i: optsched.check(i, ()),
        "export": lambda i: optsched.export(i, "out.lp", formulation="configuration"),
        "plan": plan,
        "explain": lambda i: explain(i, ()),
        "conflict": conflict,
        "audit": lambda i: audit(i, ()),
        "sensitivity": lambda i: sensitivity(i, ()),
        "worths": worths,
        "in_order": lambda i: in_order(i, "max-min,progress"),
        "pareto": lambda i: pareto(i, "progress,cost"),
        "market_of": market_of,
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_an_object_is_named_as_in_a_file(fault):
    changes, path = FAULTS[fault]
    with pytest.raises(InputError) as caught:
        admit(small(**changes))
    assert caught.value.path == path
    assert caught.value.expected
    assert not caught.value.file


@pytest.mark.parametrize("entry", entries())
def test_every_entry_validates(entry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for bad in (small(curves={"v": "none"}), small(id="a"), 3, None):
        with pytest.raises(InputError):
            entries()[entry](bad)
    with pytest.raises(InputError) as caught:
        entries()[entry](tmp_path / "none.json")
    assert caught.value.file.endswith("none.json")
    assert not list(tmp_path.iterdir())


def test_faults_of_lists_curves_and_clusters_have_paths():
    whole = small()
    rows = ({"gpu_type": "v", "gpus": 1, "throughput": -1.0},)
    for broken, path in (
        (replace(whole, jobs=[*whole.jobs, "c"]), "$.jobs[2]"),
        (replace(whole, jobs=None), "$.jobs"),
        (replace(whole, curves={"c": Amdahl(single=-1.0, serial=0.0)}), '$.curves["c"].single'),
        (replace(whole, curves={"c": 3}), '$.curves["c"]'),
        (replace(whole, cluster=replace(whole.cluster, servers=())), "$.cluster.servers"),
        (replace(whole, decides="all"), "$.decides"),
        (
            replace(whole, jobs=(replace(whole.jobs[0], curves={}, configurations=rows),)),
            "$.jobs[0].configurations[0].throughput",
        ),
    ):
        with pytest.raises(InputError) as caught:
            admit(broken)
        assert caught.value.path == path


def test_numpy_scalars_and_arrays_become_numbers():
    made = small(weight=np.float64(2.0), min_gpus=np.int64(1), required=np.bool_(True), local_batches=np.array([4, 8]))
    plain = small(weight=2.0, min_gpus=1, required=True, local_batches=(4, 8))
    assert admit(made) == plain
    assert type(admit(made).jobs[1].weight) is float
    assert optsched.solve(made).hash == optsched.solve(plain).hash


def test_an_instance_is_validated_once(monkeypatch):
    counted = []
    whole, made = loads(msgspec.json.encode(small())), small()
    monkeypatch.setattr("optsched.instance.admission.validate", lambda i: counted.append(i) or i)
    assert admit(whole) is whole
    assert admit(made) is admit(made)
    assert admit(admit(made)) is admit(made)
    assert len(counted) == 1


def test_a_path_is_an_instance(tmp_path):
    file = tmp_path / "i.json"
    optsched.save(small(), file)
    result = optsched.solve(str(file))
    assert result.hash == optsched.solve(file).hash == optsched.solve(small()).hash
    assert optsched.check(file, result.allocations).ok
    assert plan(file).status == "optimal"


def test_standard_input_is_a_dash(monkeypatch):
    class Stdin:
        buffer = io.BytesIO(msgspec.json.encode(small()))

    monkeypatch.setattr("sys.stdin", Stdin)
    assert optsched.load("-") == small()


def test_objectives_are_texts():
    whole = small()
    found = optsched.solve(whole, objective="max-min,progress")
    assert [goal.objective.name for goal in found.goals] == ["max-min", "progress"]
    fair = optsched.solve(whole, objective="alpha-fair:alpha=2:epsilon=0.1")
    assert fair.objective.parameters == {"alpha": 2, "epsilon": 0.1}
    assert optsched.check(whole, fair.allocations, "alpha-fair:alpha=2:epsilon=0.1", fair.value).ok
    for wrong in ("nonsense", "alpha-fair:beta=2", "alpha-fair:alpha=-1", "progress,", 3):
        with pytest.raises(InputError):
            optsched.solve(whole, objective=wrong)
        with pytest.raises(InputError):
            optsched.check(whole, (), wrong)


def test_allocations_are_checked_for_their_types():
    good = Allocation(job="a", site="main", gpu_type="v", gpus=2, nodes=1, throughput=16.0, progress=1.6)
    whole = small()
    assert optsched.check(whole, [replace(good, gpus=np.int64(2), throughput=np.float64(16.0))]).ok
    for wrong, path in (
        ([replace(good, gpus="two")], "$.allocations[0].gpus"),
        ([good, replace(good, job=None)], "$.allocations[1].job"),
        ([good, {"job": "a"}], "$.allocations[1]"),
        ([replace(good, placement={"s/0": 0})], "$.allocations[0].placement"),
        (good, "$.allocations"),
        (None, "$.allocations"),
    ):
        with pytest.raises(InputError) as caught:
            optsched.check(whole, wrong)
        assert caught.value.path.startswith(path)


@pytest.mark.parametrize("indent", [None, 1])
def test_a_doubled_key_is_refused_with_its_path_and_lines(indent):
    text = msgspec.json.encode(small()).decode()
    whole = json.dumps(json.loads(text), indent=indent)
    for old, new, path in (
        ('"id": "b"', '"weight": 3,\n"id": "b",\n"weight": 5', "$.jobs[1].weight"),
        ('"single"', '"single": 1.0,\n"single"', "$.curves.c.single"),
        ('"v": "c"', '"v": "none", "\\u0076": "c"', "$.jobs[0].curves.v"),
        ('"format"', '"name": "x:y",\n"name": "z", "format"', "$.name"),
    ):
        doubled = whole.replace(old, new, 1)
        with pytest.raises(InputError) as caught:
            loads(doubled)
        assert caught.value.path == path
        assert "every key of an object once" in caught.value.expected
        lines = [int(word.strip(",;")) for word in caught.value.expected.split() if word.strip(",;").isdigit()]
        assert lines == sorted(lines)
        assert all(path.rsplit(".", 1)[1] in doubled.splitlines()[n - 1] or "\\u" in new for n in lines)


def test_texts_that_look_like_keys_are_none():
    strange = 'a":b\\":"\u00e9:'
    for ascii_only in (True, False):
        text = json.dumps({**json.loads(msgspec.json.encode(small())), "name": strange}, ensure_ascii=ascii_only)
        assert loads(text).name == strange


def test_a_byte_order_mark_is_read():
    text = msgspec.json.encode(small())
    assert loads(b"\xef\xbb\xbf" + text) == small()
    with pytest.raises(InputError, match="UTF-8"):
        loads(text.decode().encode("utf-16"))


@pytest.mark.parametrize("decides", ["counts", "placement"])
@pytest.mark.parametrize("objective", ["progress", "max-min"])
@pytest.mark.parametrize(
    "impossible",
    [
        {"min_gpus": 9},
        {"sites": ("south",)},
        {"curves": {}, "configurations": (Configuration(gpu_type="w", gpus=3, throughput=3.0),)},
    ],
)
def test_a_job_that_fits_nowhere_waits_with_its_reason_and_hurts_no_other(impossible, objective, decides):
    whole = small()
    groups = (*whole.cluster.servers, ServerGroup(id="t", gpu_type="w", gpus=2, site="south"))
    cluster = Cluster(
        gpu_types=(GpuType(id="v"), GpuType(id="w")), servers=groups, sites=(Site(id="main"), Site(id="south"))
    )
    whole = replace(whole, cluster=cluster, decides=decides)
    stuck = replace(whole.jobs[0], id="z", **impossible)
    alone = optsched.solve(whole, objective=objective)
    found = optsched.solve(replace(whole, jobs=(stuck, *whole.jobs)), objective=objective)
    assert [w.job for w in found.waiting] == ["z"]
    assert found.waiting[0].reason
    if objective == "progress":
        assert found.status == alone.status == "optimal"
        assert found.value == pytest.approx(alone.value)
    assert {a.job: a.gpus for a in found.allocations} == {a.job: a.gpus for a in alone.allocations}


@pytest.mark.parametrize("decides", ["counts", "placement"])
@pytest.mark.parametrize("objective", ["progress", "max-min"])
def test_a_job_of_a_gpu_type_that_is_gone_waits_and_hurts_no_other(objective, decides):
    alone = replace(small(), decides=decides)
    listed = (Configuration(gpu_type="h100", gpus=1, throughput=3.0),)
    late = replace(alone.jobs[0], id="late", curves={}, configurations=listed)
    instance = admit(replace(alone, jobs=(*alone.jobs, late)))
    result = optsched.solve(instance, objective=objective)
    assert result.value == pytest.approx(optsched.solve(alone, objective=objective).value)
    assert "h100" in {w.job: w.reason for w in result.waiting}["late"]
    assert optsched.check(instance, result.allocations, result.objective, result.value).ok
    assert explain(instance, result.allocations, jobs=["late"])


def test_a_gpu_type_that_is_spelled_differently_is_refused():
    one = small()
    listed = (Configuration(gpu_type="V", gpus=1, throughput=3.0),)
    job = replace(one.jobs[0], id="late", curves={}, configurations=listed)
    with pytest.raises(InputError, match="is spelled differently"):
        admit(replace(one, jobs=(*one.jobs, job)))
