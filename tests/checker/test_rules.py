"""Valid plans broken by one rule each: the checker must name that rule, and no other."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

import optsched.checker
from optsched.checker import check
from optsched.instance import Instance
from optsched.instance.solution import Allocation
from optsched.problem.build import build_problem
from tests.checker.test_placement import CASES as PLACES
from tests.support.builders import ALLREDUCE, cluster, instance, job, listed, plan

replace = msgspec.structs.replace
Plan = tuple[Allocation, ...]

TWO_SITES = {
    "gpu_types": [{"id": "v", "hourly_price": 36.0}, {"id": "w"}],
    "sites": [{"id": "main"}, {"id": "south"}],
    "servers": [
        {"id": "s", "gpu_type": "v", "gpus": 4, "count": 2, "cpu_cores": 16},
        {"id": "u", "gpu_type": "w", "gpus": 4, "cpu_cores": 16},
        {"id": "t", "gpu_type": "v", "gpus": 4, "site": "south"},
    ],
}
LINKED = {
    **TWO_SITES,
    "switches": ["hub"],
    "links": [
        {"id": "a", "ends": ["main", "hub"], "capacity_gbps": 20.0},
        {"id": "b", "ends": ["hub", "south"], "capacity_gbps": 10.0},
    ],
}
WORK = {"remaining_examples": 1600.0}


@dataclass(frozen=True)
class Case:
    """A valid plan of so many GPUs for each job, what breaks it, and the rule that is broken then."""

    rule: str
    case: Instance
    gpus: tuple[int, ...]
    breaks: Callable[[Plan], Plan] = lambda plan: plan
    placed: tuple[dict[str, int] | None, ...] = ()
    claims: dict[str, float] = field(default_factory=dict)
    then: Instance | None = None
    """The instance that the plan breaks, where the instance changes and not the plan."""


def one(**changes):
    """Return what changes the first allocation."""
    return lambda plan: (replace(plan[0], **changes), *plan[1:])


def at(gpus, rate=None, **more):
    """Return what gives the first job another count of Amdahl's curve, with true claims."""
    rate = rate or 10 / (0.25 + 0.75 / gpus)
    return one(gpus=gpus, throughput=rate, progress=rate / 10, **more)


def batched(**more):
    return instance(job(**more), curves={"c": {**ALLREDUCE, "max_local_batch": 64}})


def on_batch(gpus, batch, reference, passes=1):
    """Return what gives the first job another batch on one node, with true claims (see ALLREDUCE)."""
    sync = 0.0 if gpus == 1 else 0.01 * (gpus / 2) ** 0.5
    rate = gpus * batch * passes / (passes * (0.01 + 0.001 * batch) + sync)
    base = reference / (0.01 + 0.001 * reference)
    return one(local_batch=batch, accumulation=passes, throughput=rate, progress=rate / base)


def limited(*limits):
    return instance(job("a"), job("b"), limits=list(limits))


TWO = instance(job("a"), job("b"))
SITES = instance(job("a"), job("b"), cluster=TWO_SITES)
PLACED = instance(job("a", max_gpus_per_server=4), job("b"), cluster=cluster(4, 4))
RACKS = cluster(4, 4, 4)
RACKS["servers"] = [
    {**server, "rack": rack, "labels": {"zone": rack}} for server, rack in zip(RACKS["servers"], "AAB", strict=True)
]
LABELLED = instance(
    job(server_labels={"zone": ["A"]}, max_gpus=4), decides="placement", cluster={**RACKS, "draining": ["s1"]}
)
SERVED = {"scaling": "parameter_servers", "parameter_servers": {"minimum": 1, "maximum": 2}}

NAMED = [
    {"gpu_type": "v", "gpus": 1, "throughput": 3.0, "label": "narrow"},
    {"gpu_type": "v", "gpus": 2, "throughput": 5.0, "label": "wide"},
]
CASES = {
    "a job that does not exist": Case("unknown-job", TWO, (2, 2), lambda p: (*p, replace(p[0], job="ghost"))),
    "two allocations of a job": Case("one-allocation", TWO, (1, 1), lambda p: (*p, replace(p[0]))),
    "a forbidden site": Case("site", instance(job(sites=["main"]), cluster=TWO_SITES), (2,), one(site="south")),
    "before the arrival": Case("arrival", TWO, (2, 2), then=instance(job("a", arrival_s=5.0), job("b"))),
    "a count that is not listed": Case(
        "configuration", instance(job(configurations=listed(5, 0, 9))), (3,), one(gpus=2)
    ),
    "listed for another batch": Case(
        "configuration", instance(job(configurations=listed(5, local_batch=8))), (1,), one(local_batch=16.0)
    ),
    "a GPU type without a curve": Case("configuration", SITES, (1, 0), one(gpu_type="w")),
    "fewer GPUs than the minimum": Case(
        "gpu-count", instance(job(min_gpus=2, reference={"goodput": 10.0})), (2,), at(1)
    ),
    "more GPUs than the maximum": Case("gpu-count", instance(job(max_gpus=2)), (2,), at(3)),
    "between two steps": Case("gpu-count", instance(job(gpu_multiple=2)), (3,), at(2)),
    "servers where there are none": Case("parameter-servers", TWO, (2, 2), one(servers=1)),
    "too many parameter servers": Case("parameter-servers", instance(job(**SERVED)), (2,), one(servers=3)),
    "too few parameter servers": Case("parameter-servers", instance(job(**SERVED)), (2,), one(servers=0)),
    "more than the memory holds": Case(
        "memory",
        batched(global_batches=[256]),
        (4,),
        on_batch(4, 64.0, 64.0),
        then=instance(
            job(global_batches=[256], reference={"goodput": 64 / 0.074}),
            curves={"c": {**ALLREDUCE, "max_local_batch": 63}},
        ),
    ),
    "a batch that is not offered": Case("batch", batched(local_batches=[16, 32]), (2,), on_batch(2, 24.0, 32.0)),
    "passes of a local batch": Case("batch", batched(local_batches=[32]), (2,), on_batch(2, 32.0, 32.0, passes=2)),
    "no batch where there must be one": Case("batch", instance(job(local_batches=[32])), (2,), one(local_batch=None)),
    "a batch where there is none": Case("batch", TWO, (2, 2), one(local_batch=8.0)),
    "more nodes than GPUs": Case("nodes", TWO, (2, 2), one(nodes=3)),
    "fewer nodes than hold the GPUs": Case("nodes", instance(job(), cluster=cluster(2, 2)), (3,), one(nodes=1)),
    "later than the deadline": Case("deadline", instance(job(deadline_s=100, **WORK)), (2,), at(1)),
    "dearer than the budget": Case("budget", instance(job(budget=2.0, **WORK), cluster=TWO_SITES), (2,), at(4)),
    "more GPUs than the pool has": Case("capacity", TWO, (1, 2), at(3)),
    "GPUs of a site without any": Case(
        "capacity", instance(job(), cluster={**TWO_SITES, "servers": TWO_SITES["servers"][:2]}), (2,), one(site="south")
    ),
    "more cores than the site has": Case(
        "capacity", SITES, (4, 4), then=instance(job("a", cpu_cores_per_gpu=13), job("b"), cluster=TWO_SITES)
    ),
    "more memory than the site has": Case(
        "capacity",
        SITES,
        (4, 4),
        then=instance(
            job("a", memory_gb_per_gpu=6.0),
            job("b"),
            cluster={**TWO_SITES, "servers": [{**s, "memory_gb": 7.0} for s in TWO_SITES["servers"]]},
        ),
    ),
    "more GPUs than the server has": Case(
        "capacity", PLACED, (3, 3), lambda p: (p[0], replace(p[1], placement={"s0": 3})), placed=({"s0": 3}, {"s1": 3})
    ),
    "servers that hold other counts": Case("placement", PLACED, (3, 0), one(placement={"s0": 2}), placed=({"s0": 3},)),
    "on other nodes than it claims": Case(
        "placement", PLACED, (3, 0), one(placement={"s0": 2, "s1": 1}), placed=({"s0": 3},)
    ),
    "on a server that does not exist": Case("placement", PLACED, (3, 0), one(placement={"s9": 3}), placed=({"s0": 3},)),
    "on a server past the last": Case("placement", SITES, (3, 0), one(placement={"s/2": 3}), placed=({"s/1": 3},)),
    "on a group that is no single server": Case(
        "placement", SITES, (3, 0), one(placement={"s": 3}), placed=({"s/1": 3},)
    ),
    "on a server of another site": Case("placement", SITES, (3, 0), one(placement={"t": 3}), placed=({"s/0": 3},)),
    "too much on one server": Case(
        "spread",
        instance(job(max_gpus_per_server=3), cluster=cluster(4, 4)),
        (5,),
        one(placement={"s0": 4, "s1": 1}),
        placed=({"s0": 3, "s1": 2},),
    ),
    "a required job waits": Case("required", instance(job("a", required=True), job("b")), (2, 2), lambda p: p[1:]),
    "one move too many": Case("moves", instance(job(holds={"gpu_type": "v", "gpus": 2}), max_moves=0), (2,), at(3)),
    "what is held is taken away": Case(
        "moves", instance(job(holds={"gpu_type": "v", "gpus": 2}), max_moves=0), (2,), lambda p: ()
    ),
    "held in another place": Case(
        "moves",
        instance(job(holds={"gpu_type": "v", "gpus": 2, "placement": {"s0": 2}}), cluster=cluster(4, 4), max_moves=0),
        (2,),
        one(placement={"s1": 2}),
        placed=({"s0": 2},),
    ),
    "a pinned job changes": Case("pinned", instance(job(pinned=True, holds={"gpu_type": "v", "gpus": 2})), (2,), at(3)),
    "a pinned job waits": Case(
        "pinned", instance(job(pinned_until_s=9.0, holds={"gpu_type": "v", "gpus": 2})), (2,), lambda p: ()
    ),
    "more than the quota": Case(
        "quota",
        instance(job(tenant="t"), tenants=[{"id": "t", "quotas": [{"nominal": 2, "borrow": 0}]}, {"id": "u"}]),
        (2,),
        at(3),
    ),
    "more than the others lend": Case(
        "quota",
        instance(job(tenant="t"), tenants=[{"id": "t"}, {"id": "u", "quotas": [{"nominal": 3, "lend": 2}]}]),
        (2,),
        at(3),
    ),
    "on servers without the label": Case("servers", LABELLED, (2,), one(placement={"s2": 2}), placed=({"s0": 2},)),
    "on a draining server": Case("draining", LABELLED, (2,), one(placement={"s1": 2}), placed=({"s0": 2},)),
    "in two domains": Case(
        "within",
        instance(job(within="rack", max_gpus_per_server=2), decides="placement", cluster=RACKS),
        (4,),
        one(placement={"s0": 2, "s2": 2}),
        placed=({"s0": 2, "s1": 2},),
    ),
    "a throughput that is not true": Case("claimed-throughput", TWO, (2, 2), one(throughput=16.001)),
    "a progress that is not true": Case("claimed-progress", TWO, (2, 2), one(progress=1.601)),
    "a progress without the restart": Case(
        "claimed-progress",
        TWO,
        (2, 2),
        then=instance(job("a", holds={"gpu_type": "v", "gpus": 1}, restart_s=36.0), job("b")),
    ),
    "an objective that is not true": Case("claimed-objective", TWO, (2, 2), claims={"before": 3.2, "after": 3.3}),
    "an objective of another plan": Case(
        "claimed-objective", TWO, (2, 1), lambda p: p[:1], claims={"before": 2.6, "after": 2.6}
    ),
    "the label of another configuration": Case("label", instance(job(configurations=NAMED)), (2,), one(label="narrow")),
    "above a limit": Case("limit", TWO, (2, 2), then=limited({"objective": {"name": "throughput"}, "at_most": 31.9})),
    "below a limit": Case("limit", TWO, (2, 2), then=limited({"objective": {"name": "running"}, "at_least": 3})),
    "data without a link to where they are copied": Case(
        "copy",
        instance(job(home="south", data_gb=450.0), cluster=LINKED),
        (2,),
        then=instance(job(home="south", data_gb=450.0), cluster=LINKED | {"links": LINKED["links"][:1]}),
    ),
    "more data than a link carries": Case(
        "copy",
        instance(job(home="south", data_gb=450.0), cluster=LINKED),
        (2,),
        then=instance(job(home="south", data_gb=451.0), cluster=LINKED),
    ),
    "a nan for a throughput": Case("claimed-throughput", TWO, (2, 2), one(throughput=float("nan"))),
}


@pytest.mark.parametrize("name", CASES)
def test_the_broken_rule_is_named(name):
    case = CASES[name]
    valid = plan(build_problem(case.case), *case.gpus)
    placements = [*case.placed, *[None] * (len(valid) - len(case.placed))]
    valid = tuple(replace(a, placement=p) for a, p in zip(valid, placements, strict=True))
    assert check(case.case, valid, claimed=case.claims.get("before")).violations == ()
    report = check(case.then or case.case, case.breaks(valid), claimed=case.claims.get("after"))
    assert {violation.rule for violation in report.violations} == {case.rule}
    assert not report.ok
    assert all(violation.who and violation.how for violation in report.violations)


def rules_in_the_source():
    """Return the rules that the checker can name, from the calls in its source; f-strings by their beginning."""
    files = sorted(Path(optsched.checker.__file__).parent.glob("*.py"))
    files = [file for file in files if file.name != "arrays.py"]  # of tables: see tests/search/test_table.py
    for node in itertools.chain.from_iterable(ast.walk(ast.parse(file.read_text())) for file in files):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Violation", "broken"):
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield first.value, True
            elif isinstance(first, ast.JoinedStr):
                yield first.values[0].value, False


def test_every_rule_of_the_checker_is_broken_here():
    covered = {case.rule for case in [*CASES.values(), *PLACES.values()]}
    named = list(rules_in_the_source())
    assert len(named) > 15
    for rule, whole in named:
        assert rule in covered if whole else sum(c.startswith(rule) for c in covered) >= 2, rule
    assert covered == {
        "unknown-job",
        "one-allocation",
        "site",
        "arrival",
        "configuration",
        "gpu-count",
        "parameter-servers",
        "memory",
        "batch",
        "nodes",
        "deadline",
        "budget",
        "capacity",
        "placement",
        "spread",
        "copy",
        "required",
        "pinned",
        "quota",
        "servers",
        "draining",
        "within",
        "label",
        "moves",
        "limit",
        "even",
        "apart",
        "one-rack",
        "rate",
        "network",
        "claimed-throughput",
        "claimed-progress",
        "claimed-objective",
    }
