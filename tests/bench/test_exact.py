"""Rational arithmetic: what floating point cannot tell, and what breaks a plan."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

import optsched
from optsched.bench.exact import exact
from optsched.bench.library import known_in, plan_of, verify
from optsched.instance import Instance
from optsched.instance.result import load_result, save_result
from optsched.instance.solution import Allocation
from tests.support.builders import instance, job, listed

LIBRARY = Path(__file__).resolve().parents[2] / "instances"
NETWORK = "micro/shared-link.json"


def held(name: str, gpus: int = 1) -> Allocation:
    return Allocation(job=name, site="main", gpu_type="v", gpus=gpus, nodes=1, throughput=1.0, progress=1.0)


def cores(each: float, there: float) -> Instance:
    """Return three jobs of one GPU, each of which needs some cores, on a server with some."""
    made = instance(*(job(name, configurations=listed(1), cpu_cores_per_gpu=each) for name in "abc"))
    servers = tuple(msgspec.structs.replace(group, cpu_cores=there) for group in made.cluster.servers)
    return msgspec.structs.replace(made, cluster=msgspec.structs.replace(made.cluster, servers=servers))


def test_decimals_are_decimals() -> None:
    """3 x 0.1 is 0.3, though not in floating point; 3 x 0.1 is more than 0.3 - 1e-12, which the checker lets pass."""
    plan = [held(name) for name in "abc"]
    assert 3 * 0.1 > 0.3
    assert exact(cores(0.1, 0.3), plan).violations == ()
    short = cores(0.1, 0.3 - 1e-12)
    assert optsched.check(short, plan).ok
    assert "cpu_cores of main: 3/10 is held" in exact(short, plan).violations[0]


def test_the_sum_of_thirds() -> None:
    thirds = instance(*(job(n, configurations=listed(1), reference={"goodput": 3.0}) for n in "abc"))
    found = exact(thirds, [held(name) for name in "abc"])
    assert found.value == 1
    assert not found.by_curves


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ([held("a"), held("a")], "a is there twice"),
        ([held("a", 3), held("b", 3)], "GPUs v@main: 6 is held, 4 is there"),
        ([held("a", 5)], "a has 5 GPUs, which it cannot run on"),
    ],
)
def test_what_is_broken_is_named(plan: list[Allocation], says: str) -> None:
    small = instance(*(job(name, configurations=listed(1, 2, 3)) for name in "ab"))
    assert any(says in said for said in exact(small, plan).violations)


def test_the_network_to_the_last_digit() -> None:
    made = optsched.load(LIBRARY / NETWORK)
    plan = load_result(plan_of(LIBRARY, NETWORK)).allocations
    assert sum(Fraction(repr(a.gbps)) for a in plan) == 12
    assert exact(made, plan).violations == ()
    more = [msgspec.structs.replace(plan[0], gbps=9.2 + 1e-9), *plan[1:]]
    assert optsched.check(made, more).ok
    assert [said.split(":")[0] for said in exact(made, more).violations] == ["Gb/s of up1", "Gb/s of up2"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": 19.5}, "claimed"),
        ({"exact": "20/15"}, "20/15 is claimed, and 19/15 is true"),
        ({"bound": 2.0}, "called optimal at a gap"),
        ({"sha256": "0"}, "not the one that was meant"),
    ],
)
def test_false_words_are_found(change: dict[str, object], says: str) -> None:
    name = "micro/restart.json"
    known = msgspec.structs.replace(known_in(LIBRARY)[name], **change)
    assert any(says in said for said in verify(LIBRARY, name, known))


def test_a_false_plan_is_found(tmp_path: Path) -> None:
    name = "affinity.json"
    known = known_in(LIBRARY)[f"micro/{name}"]
    (tmp_path / name).write_bytes((LIBRARY / "micro" / name).read_bytes())
    plan = load_result(plan_of(LIBRARY, f"micro/{name}"))
    (tmp_path / "solutions").mkdir()
    save_result(plan, plan_of(tmp_path, name))
    assert verify(tmp_path, name, known) == []
    save_result(msgspec.structs.replace(plan, allocations=plan.allocations[1:]), plan_of(tmp_path, name))
    assert any("claimed" in said for said in verify(tmp_path, name, known))
