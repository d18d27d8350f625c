"""Valid plans with places and network rates broken by one rule each: the checker must name that rule, and no other."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from optsched.checker import check
from optsched.instance import Instance
from optsched.instance.solution import Allocation
from tests.support.builders import instance, listed

replace = msgspec.structs.replace

RACKS = {
    "gpu_types": [{"id": "v"}, {"id": "w"}],
    "sites": [{"id": "main"}, {"id": "south"}],
    "servers": [
        {"id": "s", "count": 2, "rack": "r1", "gpu_type": "v", "gpus": 4, "cpu_cores": 8, "network_gbps": 10},
        {"id": "t", "rack": "r2", "gpu_type": "v", "gpus": 4, "cpu_cores": 8, "memory_gb": 64, "network_gbps": 10},
        {"id": "c", "count": 2, "rack": "r2", "cpu_cores": 4, "network_gbps": 10},
        {"id": "d", "count": 2, "cpu_cores": 4, "network_gbps": 10},
        {"id": "w", "gpu_type": "w", "gpus": 4, "network_gbps": 10},
        {"id": "far", "site": "south", "gpu_type": "v", "gpus": 4, "network_gbps": 40},
    ],
    "switches": ["x"],
    "links": [
        {"id": "up1", "ends": ["r1", "x"], "capacity_gbps": 6},
        {"id": "up2", "ends": ["x", "r2"], "capacity_gbps": 8},
        {"id": "core", "ends": ["main", "x"], "capacity_gbps": 20},
    ],
}
"""Two servers in the rack r1, one with GPUs and two without in r2; two without a rack, and one of another site."""

CURVES = {
    "ring": {"family": "allreduce", "example_s": 0.01, "sync_s": 0.08, "reference_gbps": 10},
    "unrated": {"family": "allreduce", "example_s": 0.01, "sync_s": 0.08},
    "star": {
        "family": "parameter-server",
        "reference_gbps": 10,
        "members": [
            {
                "form": "sync-incast",
                "fixed_s": 0.02,
                "example_s": 0.01,
                "update_s": 0,
                "transfer_s": 0.1,
                "worker_s": 0,
                "sharpness": 1,
            }
        ],
    },
    "flat": {"family": "amdahl", "single": 10, "serial": 0},
}

ONE = {"reference": {"goodput": 1.0}}
BATCH = {"local_batches": [8], **ONE}


def ringing(name="a", curve="ring", **more):
    return {"id": name, "curves": {"v": curve}, **BATCH, **more}


def served(name="a", **more):
    wanted = {"minimum": 1, "maximum": 2, "cpu_cores": 2, "memory_gb": 16}
    return {
        "id": name,
        "curves": {"v": "star"},
        "scaling": "parameter_servers",
        "parameter_servers": wanted,
        **BATCH,
        **more,
    }


def flat(name="a", **more):
    return {"id": name, "curves": {"v": "flat", "w": "flat"}, **ONE, **more}


def case(*jobs, decides="network", **more):
    used = {name for job in jobs for name in job.get("curves", {}).values()}
    curves = {name: CURVES[name] for name in CURVES if name in used}
    return instance(*jobs, cluster=RACKS, curves=curves, decides=decides, **more)


def held(job, rate, placement, **more):
    """Return an allocation on named servers whose claims are these: progress is goodput, by ``ONE``."""
    gpus = sum(placement.values())
    claims = {"throughput": rate, "progress": rate, "site": "main", "gpu_type": "v"}
    return Allocation(job=job, **{**claims, "gpus": gpus, "nodes": len(placement), "placement": placement, **more})


def ring(job, placement, gbps=None, **more):
    """A step of 8 examples a GPU takes 0.08 s, and 0.8 / rate to synchronize over nodes."""
    sync = 0.8 / gbps if gbps else 0.0
    return held(job, sum(placement.values()) * 8 / (0.08 + sync), placement, gbps=gbps, local_batch=8.0, **more)


def star(job, placement, servers, gbps, **more):
    """A step takes 0.1 s, and for its transfers 1 / rate (1 + workers / servers)."""
    workers, count = sum(placement.values()), sum(servers.values())
    step = 0.1 + (1 + workers / count) / gbps
    own = {"gbps": gbps, "servers": count, "server_placement": servers, "local_batch": 8.0}
    return held(job, workers * 8 / step, placement, **{**own, **more})


def even(job, placement, **more):
    return held(job, 10.0 * sum(placement.values()), placement, **more)


@dataclass(frozen=True)
class Broken:
    """A valid plan, and one that breaks one rule."""

    rule: str
    case: Instance
    valid: tuple[Allocation, ...]
    broken: tuple[Allocation, ...]
    then: Instance | None = None
    """The instance that the plan breaks, where the instance changes."""


def changed(rule, case, valid, **changes):
    return Broken(rule, case, (valid,), (replace(valid, **changes),))


PLACED = case(flat(), flat("b"), decides="placement")
TWO = even("a", {"s/0": 2})
RING, RINGS = case(ringing()), case(ringing(), ringing("b"))
STAR = case(served())
LISTED = [*listed(0, 20, gbps=3, nodes=2), *listed(10)]
ASKS = case({"id": "a", "configurations": LISTED, **ONE})
HOLDS = {"gpu_type": "v", "gpus": 2, "servers": 1, "server_placement": {"c/0": 1}}
KEPT = case(served(holds=HOLDS), max_moves=0)
AT_C = star("a", {"s/0": 2}, {"c/0": 1}, 2)

CASES = {
    "no servers are named": changed("placement", PLACED, TWO, placement=None),
    "no servers are named, over the network": changed("placement", RING, ring("a", {"s/0": 2}), placement=None),
    "servers with too few GPUs": changed("placement", PLACED, TWO, placement={"s/0": 1}),
    "fewer servers than nodes": changed("placement", PLACED, even("a", {"s/0": 1, "t": 1}), placement={"t": 2}),
    "one server under two names": changed(
        "placement", PLACED, even("a", {"s/0": 1, "t": 1}), placement={"t": 1, "t/0": 1}
    ),
    "a server that does not exist": changed("placement", PLACED, TWO, placement={"s/2": 2}),
    "a group of many servers": changed("placement", PLACED, TWO, placement={"s": 2}),
    "servers of another GPU type": changed("placement", PLACED, TWO, placement={"w": 2}),
    "servers of another site": changed("placement", PLACED, TWO, placement={"far": 2}),
    "parameter servers nowhere": changed("placement", STAR, AT_C, server_placement=None),
    "parameter servers on a server that does not exist": changed("placement", STAR, AT_C, server_placement={"c": 1}),
    "parameter servers in another site": changed("placement", STAR, AT_C, server_placement={"far": 1}),
    "one parameter server of two": changed(
        "placement", STAR, star("a", {"s/0": 2}, {"c/0": 1, "c/1": 1}, 2), server_placement={"c/0": 1}
    ),
    "places of parameter servers that there are not": changed("placement", PLACED, TWO, server_placement={"c/0": 1}),
    "uneven pieces": changed("even", PLACED, even("a", {"s/0": 2, "s/1": 2}), placement={"s/0": 3, "s/1": 1}),
    "two parameter servers on one server": changed(
        "apart", STAR, star("a", {"s/0": 2}, {"c/0": 1, "c/1": 1}, 2), server_placement={"c/0": 2}
    ),
    "a parameter server beside a worker": changed(
        "apart", STAR, star("a", {"t": 2}, {"c/0": 1}, 2), server_placement={"t": 1}
    ),
    "parameter servers in two racks": changed(
        "one-rack", STAR, star("a", {"s/0": 2}, {"c/0": 1, "c/1": 1}, 2), server_placement={"c/0": 1, "s/1": 1}
    ),
    "parameter servers in a rack and in none": changed(
        "one-rack", STAR, star("a", {"s/0": 2}, {"d/0": 1, "d/1": 1}, 2), server_placement={"d/0": 1, "c/0": 1}
    ),
    "more GPUs than the server has": Broken(
        "capacity",
        PLACED,
        (even("a", {"s/0": 3}), even("b", {"s/1": 2})),
        (even("a", {"s/0": 3}), even("b", {"s/0": 2})),
    ),
    "more cores than the server has": Broken(
        "capacity",
        case(flat(cpu_cores_per_gpu=3), flat("b", cpu_cores_per_gpu=4), decides="placement"),
        (even("a", {"s/0": 1}), even("b", {"s/1": 2})),
        (even("a", {"s/0": 1}), even("b", {"s/0": 2})),
    ),
    "more cores for parameter servers than the server has": Broken(
        "capacity",
        case(served(), served("b"), served("c")),
        (AT_C, star("b", {"s/1": 1}, {"c/0": 1}, 1), star("c", {"s/1": 1}, {"c/1": 1}, 1)),
        (AT_C, star("b", {"s/1": 1}, {"c/0": 1}, 1), star("c", {"s/1": 1}, {"c/0": 1}, 1)),
    ),
    "more memory than the server has": Broken(
        "capacity",
        case(flat(memory_gb_per_gpu=40), decides="placement"),
        (even("a", {"s/0": 2}),),  # which says nothing of its memory
        (even("a", {"t": 2}),),
    ),
    "no rate over two nodes": changed("rate", RING, ring("a", {"s/0": 1, "s/1": 1}, 10), gbps=None),
    "a rate on one node": changed("rate", RING, ring("a", {"s/0": 2}), gbps=5.0),
    "a negative rate": changed("rate", RING, ring("a", {"s/0": 1, "s/1": 1}, 10), gbps=-1.0),
    "less than the least rate": Broken(
        "rate", RING, (ring("a", {"s/0": 1, "s/1": 1}, 0.1),), (ring("a", {"s/0": 1, "s/1": 1}, 0.099),)
    ),
    "a rate of a curve without a network": changed("rate", case(flat()), even("a", {"s/0": 1, "s/1": 1}), gbps=5.0),
    "a rate where only places are decided": changed(
        "rate",
        case(ringing(), decides="placement"),
        replace(ring("a", {"s/0": 1, "s/1": 1}, 10), gbps=None),
        gbps=10.0,
    ),
    "a rate where only counts are decided": changed(
        "rate", case(flat(), decides="counts"), even("a", {"s/0": 2}), gbps=10.0
    ),
    "no rate to the parameter servers": Broken(
        "rate",
        STAR,
        (AT_C,),
        (replace(AT_C, gbps=None, throughput=16 / 0.4, progress=16 / 0.4),),  # as at the rate that was measured
    ),
    "another rate than the list asks for": changed(
        "rate", ASKS, held("a", 20.0, {"s/0": 1, "s/1": 1}, gbps=3.0), gbps=2.9
    ),
    "no rate where the list asks for one": changed(
        "rate", ASKS, held("a", 20.0, {"s/0": 1, "s/1": 1}, gbps=3.0), gbps=None
    ),
    "a rate where the list asks for none": changed("rate", ASKS, held("a", 10.0, {"s/0": 1}), gbps=3.0),
    "two rings through one server": Broken(
        "network",
        RINGS,
        (ring("a", {"s/0": 1, "s/1": 1}, 6), ring("b", {"s/0": 1, "s/1": 1}, 4)),
        (ring("a", {"s/0": 1, "s/1": 1}, 6), ring("b", {"s/0": 1, "s/1": 1}, 5)),
    ),
    "a ring across a link": Broken(
        "network",
        RING,
        (ring("a", {"s/0": 1, "t": 1}, 6),),
        (ring("a", {"s/0": 1, "t": 1}, 6.1),),
    ),
    "two rings across the second link": Broken(
        "network",
        case(ringing(), flat("b"), {"id": "c", "configurations": [*listed(0, 20, nodes=2, gbps=5)], **ONE}),
        (ring("a", {"s/0": 1, "t": 1}, 1), held("c", 20.0, {"s/1": 1, "t": 1}, gbps=5.0)),
        (ring("a", {"s/0": 1, "t": 1}, 1.1), held("c", 20.0, {"s/1": 1, "t": 1}, gbps=5.0)),
    ),
    "workers of one server to two others": Broken(  # which sends 4 / 4 x (4 x 2) of the rate
        "network",
        case(served(cpu_cores_per_gpu=0)),
        (star("a", {"t": 4}, {"c/0": 1, "c/1": 1}, 5),),
        (star("a", {"t": 4}, {"c/0": 1, "c/1": 1}, 5.1),),
    ),
    "workers on both sides of a link": Broken(  # 2 of 3 workers send 2 / 3 of the rate across to the one server
        "network",
        STAR,
        (star("a", {"s/0": 1, "s/1": 1, "t": 1}, {"c/0": 1}, 9),),
        (star("a", {"s/0": 1, "s/1": 1, "t": 1}, {"c/0": 1}, 9.1),),
    ),
    "a listed configuration with parameter servers": Broken(  # 2 workers send 8 / 2 each to each of two
        "network",
        case({"id": "a", "configurations": listed(0, 20, servers=2, gbps=5), **ONE}),
        (held("a", 20.0, {"t": 2}, gbps=5.0, servers=2, server_placement={"c/0": 1, "c/1": 1}),),
        (held("a", 20.0, {"s/0": 2}, gbps=5.0, servers=2, server_placement={"c/0": 1, "c/1": 1}),),
    ),
    "a rate that means nothing": Broken(
        "configuration",
        case(ringing(curve="unrated")),
        (ring("a", {"s/0": 2}),),
        (ring("a", {"s/0": 1, "s/1": 1}, 5),),
    ),
    "a parameter server is moved": changed("moves", KEPT, AT_C, server_placement={"c/1": 1}),
    "a worker is moved": changed(
        "moves",
        case(flat(holds={"gpu_type": "v", "gpus": 2, "placement": {"s/0": 2}}), max_moves=0),
        TWO,
        placement={"s/1": 2},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_broken_rule_is_named(name):
    one = CASES[name]
    assert check(one.case, one.valid).violations == ()
    report = check(one.then or one.case, one.broken)
    assert {violation.rule for violation in report.violations} == {one.rule}
    assert all(violation.who and violation.how for violation in report.violations)


VALID = {
    "another rate is no move": (
        case(ringing(holds={"gpu_type": "v", "gpus": 2, "placement": {"s/0": 1, "s/1": 1}}), max_moves=0),
        ring("a", {"s/0": 1, "s/1": 1}, 3),
    ),
    "another name is no move": (
        case(flat(holds={"gpu_type": "v", "gpus": 2, "placement": {"t": 2}}), max_moves=0),
        even("a", {"t/0": 2}),
    ),
    "places that are not known are no move": (
        case(served(holds={"gpu_type": "v", "gpus": 2, "servers": 1}), max_moves=0),
        AT_C,
    ),
    "counts need no places": (case(flat(), decides="counts"), replace(TWO, placement=None)),
    "a ring inside a rack uses no link": (RING, ring("a", {"s/0": 2, "s/1": 2}, 10)),
    "servers without a rack hang on the site": (STAR, star("a", {"t": 2}, {"d/0": 1}, 8)),
    "what is listed for one node may name its rate": (
        case({"id": "a", "configurations": listed(10, gbps=50), **ONE}),
        held("a", 10.0, {"s/0": 1}, gbps=50.0),
    ),
    "or leave it out": (
        case({"id": "a", "configurations": listed(10, gbps=50), **ONE}),
        held("a", 10.0, {"s/0": 1}),
    ),
}


@pytest.mark.parametrize("name", VALID)
def test_what_is_allowed(name):
    one, allocation = VALID[name]
    assert check(one, [allocation]).violations == ()


def test_of_two_listed_rates_the_assigned_one_counts():
    rates = [*listed(0, 20, nodes=2, gbps=3), *listed(0, 30, nodes=2, gbps=9)]
    one = case({"id": "a", "configurations": rates, **ONE})
    on = {"s/0": 1, "s/1": 1}
    assert check(one, [held("a", 30.0, on, gbps=9.0)]).ok
    report = check(one, [held("a", 30.0, on, gbps=3.0)])
    assert {violation.rule for violation in report.violations} == {"claimed-throughput", "claimed-progress"}


def test_progress_is_measured_on_the_fewest_nodes_without_a_rate():
    """At least 6 GPUs: over two nodes as the curve was measured, 48 / 0.16; also where the plan may spread them out."""
    one = case({**ringing(min_gpus=6), "reference": None})
    plan = ring("a", {"s/0": 2, "s/1": 2, "t": 2}, 5)
    assert plan.throughput == pytest.approx(200)
    assert check(one, [replace(plan, progress=200 / 300)]).ok


def test_a_batch_that_is_only_held_goes_with_its_places():
    holds = {"gpu_type": "v", "gpus": 2, "local_batch": 16, "placement": {"s/0": 2}}
    one = case(ringing(holds=holds))
    kept = replace(ring("a", {"s/0": 2}), local_batch=16.0)
    assert check(one, [kept]).ok
    for other in (replace(kept, placement={"s/1": 2}), replace(kept, accumulation=2)):
        assert {violation.rule for violation in check(one, [other]).violations} == {"batch"}
