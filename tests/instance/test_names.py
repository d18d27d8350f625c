"""Names: servers of groups whose ids have slashes, ids that read the same, and names that would collide."""

from __future__ import annotations

import json

import pytest

import optsched
from optsched.cli.report import print_result
from optsched.errors import InputError
from optsched.instance import loads
from optsched.instance.server_names import plain, server_of
from optsched.instance.spelling import same_spelling, similar_ids
from tests.support.builders import instance, job, record


def groups(*named, **more):
    servers = [{"id": name, "count": count, "gpu_type": "v", "gpus": 2} for name, count in named]
    return {"gpu_types": [{"id": "v"}], "servers": servers, **more}


def loaded(*named, **more):
    return instance(job(), job("b"), cluster=groups(*named), **more)


@pytest.mark.parametrize(
    ("first", "second"),
    [(("n", 2), ("n/0", 1)), (("n", 1), ("n/0", 2)), (("n/1", 3), ("n", 1)), (("n", 1), ("n/0/0", 1))],
)
def test_a_group_that_reads_as_a_server_of_another_is_refused(first, second):
    with pytest.raises(InputError, match="cannot be read as a server of the group 'n'") as caught:
        loads(json.dumps(record(job(), cluster=groups(first, second))))
    assert caught.value.path.startswith("$.cluster.servers[")


@pytest.mark.parametrize("named", [[("rack/a", 1), ("rack/b", 2)], [("n/0", 2), ("m/n", 1)], [("n/0", 1)]])
@pytest.mark.parametrize("decides", ["placement", "counts"])
def test_ids_with_slashes_are_placed(named, decides, capsys):
    case = loaded(*named, decides=decides)
    result = optsched.solve(case)
    assert result.status == "optimal"
    assert optsched.check(case, result.allocations, None, result.value).ok
    print_result(case, result)
    known = {group.id: group for group in case.cluster.servers}
    if decides == "placement":
        assert all(server_of(name, known) for a in result.allocations for name in a.placement)


def test_every_server_has_names_of_its_own():
    case = loaded(("a", 1), ("b", 3), ("x/y", 1), ("x/7", 2))
    known = {group.id: group for group in case.cluster.servers}
    for name, server in {
        "a": ("a", 0),
        "a/0": ("a", 0),
        "b/2": ("b", 2),
        "x/y": ("x/y", 0),
        "x/y/0": ("x/y", 0),
        "x/7/1": ("x/7", 1),
        "a/1": None,
        "b": None,
        "b/3": None,
        "b/02": None,
        "b/-1": None,
        "x/7": None,
        "x": None,
        "b/\u0661": None,
    }.items():
        assert server_of(name, known) == server, name
    assert plain("a/0") == plain("a")
    assert plain("x/y/0") == plain("x/y")
    assert len({plain(name) for name in ("a", "b/0", "b/1", "b/2", "x/y", "x/7/0", "x/7/1")}) == 7


def test_pools_of_one_name_are_refused():
    cluster = {
        "gpu_types": [{"id": "a@b"}, {"id": "a"}],
        "sites": [{"id": "c"}, {"id": "b@c"}],
        "servers": [
            {"id": "one", "gpu_type": "a@b", "gpus": 1, "site": "c"},
            {"id": "two", "gpu_type": "a", "gpus": 1, "site": "b@c"},
        ],
    }
    with pytest.raises(InputError, match="a@b@c"):
        loads(json.dumps(record(job(curves={"a": "c"}), cluster=cluster)))


@pytest.mark.parametrize(
    ("one", "other"),
    [("V100", "v100"), ("caf\u00e9", "cafe\u0301"), ("a b", "a  b"), ("\uff21", "A"), ("stra\u00dfe", "STRASSE")],
)
def test_ids_that_read_the_same_are_pointed_out(one, other):
    assert same_spelling(one, other)
    case = instance(job(one), job(other))
    (note,) = similar_ids(case)
    assert "jobs" in note
    assert any("read the same" in line for line in optsched.solve(case).notes)
    with pytest.raises(InputError) as caught:
        loads(
            json.dumps(
                record(
                    job(curves={other: "c"}),
                    cluster={"gpu_types": [{"id": one}], "servers": [{"id": "s", "gpu_type": one, "gpus": 1}]},
                )
            )
        )
    assert "is spelled differently" in caught.value.expected


def test_different_ids_are_not():
    assert similar_ids(instance(job("a1"), job("a2"), job("b"))) == ()
