"""Constraints in conflict: the set alone has no plan, and each member's removal gives one; repairs repair."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

import optsched
from optsched.errors import InputError
from optsched.explain import Conflict, conflict, constraints_of, relaxed, without
from optsched.instance import Instance
from tests.support.builders import cluster, instance, job, listed
from tests.support.placement_instances import made
from tests.support.strategies import instances


def feasible(problem: Instance) -> bool:
    found = optsched.solve(problem, objective="running", gap=1.0)
    assert found.status != "unknown"
    return found.status != "infeasible"


def keys(found: Conflict) -> set[str]:
    return {one.key for one in found.constraints}


def is_minimal(problem: Instance, found: Conflict) -> None:
    """Make the set alone, and without each member, and ask."""
    every = {one.key for one in constraints_of(problem)}
    inside = keys(found)
    assert inside
    assert inside <= every
    assert not feasible(without(problem, every - inside))
    for key in inside:
        assert feasible(without(problem, (every - inside) | {key})), key
    for repair in found.repairs:
        assert feasible(relaxed(problem, *repair.changes)), repair
        if (
            len(repair.changes) == 1
            and repair.changes[0].unit in ("GPUs", "moves", "s")
            and repair.changes[0].amount > 1
        ):
            (change,) = repair.changes
            grain = 1.0 if change.unit != "s" else max(1.0, change.amount // 100)
            assert not feasible(relaxed(problem, replace(change, amount=change.amount - grain))), repair


def test_too_many() -> None:
    """Three jobs of two GPUs, and one of no matter, on five."""
    pair = listed(0, 1.0)
    one = instance(
        *(job(name, configurations=pair, required=True, remaining_examples=1.0, deadline_s=9.0) for name in "abc"),
        job("free", configurations=pair),
        cluster=cluster(5),
    )
    found = conflict(one)
    assert found.status == "minimal"
    assert keys(found) == {"gpus:v@main", "required:a", "required:b", "required:c"}
    (repair,) = found.repairs
    assert (repair.changes[0].text, repair.size, repair.least) == ("+1 v in main", pytest.approx(0.2), True)
    is_minimal(one, found)


def test_a_deadline() -> None:
    """1000 examples at 10 a second, however many GPUs: 100 s."""
    late = {"configurations": listed(10.0), "remaining_examples": 1000.0, "required": True}
    one = instance(job("late", deadline_s=61.0, budget=5.0, **late), job("early", deadline_s=161.0, **late))
    found = conflict(one)
    assert keys(found) == {"deadline:late", "required:late"}
    (repair,) = found.repairs
    assert (repair.changes[0].lever, repair.changes[0].amount, repair.least) == ("deadline:late", 39.0, True)
    is_minimal(one, found)


def test_two_deadlines_together() -> None:
    """Two jobs of 100 s of 2 GPUs, or 200 s of one, share two GPUs: one deadline alone keeps both from running."""
    work = {"configurations": listed(5.0, 10.0), "remaining_examples": 1000.0, "required": True, "deadline_s": 140.0}
    one = instance(job("a", **work), job("b", **work), cluster=cluster(2))
    found = conflict(one)
    deadlines = {"deadline:a", "deadline:b"}
    assert keys(found) - deadlines == {"gpus:v@main", "required:a", "required:b"}
    assert len(keys(found) & deadlines) == 1
    joint = next(repair for repair in found.repairs if len(repair.changes) == 2)
    assert [change.amount for change in joint.changes] == [60.0, 60.0]
    assert joint.least
    assert [r.changes[0].amount for r in found.repairs if r.changes[0].lever == "gpus:v@main"] == [2.0]
    is_minimal(one, found)


def test_two_pools_together() -> None:
    """No single pool is enough: one GPU more of each is."""
    types = {"gpu_types": [{"id": "v"}, {"id": "w"}]}
    servers = [{"id": gpu, "gpu_type": gpu, "gpus": 1} for gpu in "vw"]
    one = instance(
        *(job(f"{gpu}{k}", configurations=listed(1.0, gpu_type=gpu), required=True) for gpu in "vw" for k in range(2)),
        cluster={**types, "servers": servers},
    )
    found = conflict(one)
    assert found.status == "minimal"
    (repair,) = found.repairs
    assert {change.lever: change.amount for change in repair.changes} == {"gpus:v@main": 1.0, "gpus:w@main": 1.0}
    is_minimal(one, found)


def test_moves_and_limits() -> None:
    holds = {"gpu_type": "v", "gpus": 4}
    base = {"configurations": listed(1.0, 1.0, 1.0, 1.0), "holds": holds}
    one = instance(job("a", **base), job("b", configurations=listed(1.0), required=True), max_moves=0)
    found = conflict(one)
    assert keys(found) == {"gpus:v@main", "max_moves", "required:b"}
    assert {repair.changes[0].lever for repair in found.repairs} == {"gpus:v@main", "moves"}
    is_minimal(one, found)
    dear = {**cluster(4), "gpu_types": [{"id": "v", "hourly_price": 2.0}]}
    two = instance(
        job("a", configurations=listed(0, 1.0), required=True),
        cluster=dear,
        limits=[{"objective": {"name": "cost"}, "at_most": 3.0}],
    )
    found = conflict(two)
    assert keys(found) == {"limit:0", "required:a"}
    assert [repair.changes[0].amount for repair in found.repairs] == [1.0]
    is_minimal(two, found)


def test_anti_affinity() -> None:
    """Four GPUs, one on a server, and two servers."""
    one = instance(
        job("apart", min_gpus=4, max_gpus=4, max_gpus_per_server=1, required=True),
        cluster=cluster(4, 4),
        decides="placement",
    )
    found = conflict(one)
    assert keys(found) == {"gpus:v@main", "max_gpus_per_server:apart", "min_gpus:apart", "required:apart"}
    amounts = {repair.changes[0].lever: repair.changes[0].amount for repair in found.repairs}
    assert amounts["servers:s0"] == 2.0
    assert amounts["max_gpus_per_server:apart"] == 1.0
    is_minimal(one, found)


def test_sites_memory_and_arrival() -> None:
    two = {
        "gpu_types": [{"id": "v"}],
        "sites": [{"id": "main"}, {"id": "south"}],
        "servers": [{"id": "m", "gpu_type": "v", "gpus": 1}, {"id": "s", "site": "south", "gpu_type": "v", "gpus": 4}],
    }
    one = instance(job("here", configurations=listed(0, 1.0), sites=["main"], required=True), cluster=two)
    found = conflict(one)
    assert "sites:here" in keys(found)
    assert "site:south:here" in {repair.changes[0].lever for repair in found.repairs}
    is_minimal(one, found)
    soon = instance(job("soon", arrival_s=70.0, required=True), now_s=60.0)
    found = conflict(soon)
    assert keys(found) == {"arrival:soon", "required:soon"}
    is_minimal(soon, found)
    curve = {"family": "table", "max_local_batch": 8, "rows": [{"gpus": 1, "throughput": 5.0}]}
    big = instance(job("big", local_batches=[16], required=True), curves={"c": curve})
    found = conflict(big)
    assert keys(found) == {"memory:big", "required:big"}
    assert [repair.changes[0].lever for repair in found.repairs] == ["batch:big"]
    is_minimal(big, found)


def test_what_is_no_conflict() -> None:
    one = instance(job("a", required=True))
    assert conflict(one).status == "feasible"
    assert conflict(one, time_limit=1e-9).status == "unknown"
    with pytest.raises(InputError, match="the key of a constraint"):
        without(one, ["required:b"])


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(instances(most_jobs=3))
def test_random_counts(one: Instance) -> None:
    tight = replace(one, jobs=tuple(replace(each, required=True) for each in one.jobs))
    if optsched.solve(tight, objective="running", gap=1.0).status != "infeasible":
        return
    found = conflict(tight)
    assert found.status == "minimal"
    is_minimal(tight, found)


@pytest.mark.parametrize(("seed", "decides"), [(1, "placement"), (9, "placement"), (11, "network")])
def test_random_places(seed: int, decides: str) -> None:
    one = made(seed, decides)
    tight = replace(one, jobs=tuple(replace(each, required=True) for each in one.jobs))
    found = conflict(tight, repairs=False)
    if found.status != "feasible":
        assert found.status == "minimal"
        is_minimal(tight, found)
