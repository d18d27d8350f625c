"""Rules of clusters against brute force: the same values, the same infeasible instances, and every plan checked."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

import optsched
from optsched.instance import Instance
from optsched.instance.result import Result
from tests.support.rules_oracle import best_values

Record = dict[str, Any]


def record(seed: int) -> Record:
    """Return a small instance by counts; each rule is there or not by chance."""
    random = Random(seed)
    servers = [
        {"id": f"s{gpu}", "count": random.randint(1, 2), "gpu_type": gpu, "gpus": random.randint(2, 4)} for gpu in "vw"
    ]
    jobs = [_job(random, number) for number in range(random.randint(2, 5))]
    made: Record = {
        "format": "optsched/1",
        "cluster": {"gpu_types": [{"id": "v"}, {"id": "w"}], "servers": servers},
        "jobs": jobs,
        "now_s": 100.0,
        "round_s": 360.0,
    }
    if random.random() < 0.6:
        made["priority_classes"] = [
            {"id": name, "preempts": random.random() < 0.6}
            for name in ("high", "middle", "low")[: random.randint(1, 3)]
        ]
        for job in jobs:
            if random.random() < 0.8:
                job["priority"] = random.choice(made["priority_classes"])["id"]
        if random.random() < 0.4:
            made["aging"] = {"every_s": random.choice((30.0, 60.0)), "most": random.randint(0, 2)}
    if random.random() < 0.7:
        made["tenants"] = _tenants(random)
        for job in jobs:
            job["tenant"] = random.choice(made["tenants"])["id"]
    return made


def _tenants(random: Random) -> list[Record]:
    """Return a forest of up to two levels, in which some have quotas."""
    found: list[Record] = []
    for number in range(random.randint(1, 4)):
        tenant: Record = {"id": f"t{number}"}
        if found and random.random() < 0.4:
            tenant["parent"] = random.choice(found)["id"]
        quotas = []
        for gpu in random.choice((["v"], ["w"], [None], ["v", "w"], [])):
            quota: Record = {"nominal": random.randint(0, 5)} | ({} if gpu is None else {"gpu_type": gpu})
            quota |= {key: random.randint(0, 3) for key in ("borrow", "lend") if random.random() < 0.5}
            quotas.append(quota)
        found.append(tenant | {"quotas": quotas})
    return found


def _job(random: Random, number: int) -> Record:
    ways = {(random.choice("vw"), random.randint(1, 4)) for _ in range(random.randint(1, 3))}
    job: Record = {
        "id": f"j{number}",
        "weight": random.choice((1.0, 2.0, 5.0)),
        "reference": {"goodput": 1.0},
        "arrival_s": random.choice((0.0, 50.0, 100.0)),
        "configurations": [
            {"gpu_type": gpu, "gpus": gpus, "throughput": round(random.uniform(1, 3) * gpus, 2)}
            for gpu, gpus in sorted(ways)
        ],
    }
    if random.random() < 0.5:
        gpu, gpus = random.choice(sorted(ways))
        job["current"] = {"gpu_type": gpu, "gpus": gpus}
        job["restart_s"] = random.choice((0.0, 90.0))
        if random.random() < 0.3:
            job["pinned"] = True
        elif random.random() < 0.2:
            job["pinned_until_s"] = random.choice((99.0, 101.0))
    if random.random() < 0.1:
        job["required"] = True
    return job


def compare(made: Record, **options: Any) -> None:
    instance = optsched.loads(json.dumps(made))
    result = optsched.solve(instance, gap=1e-6, **options)
    best = best_values(made)
    if best is None:
        assert result.status == "infeasible"
        assert result.reason
        return
    assert result.status == "optimal"
    assert not optsched.check(instance, result.allocations, result.objective, result.value).violations
    assert values(result) == pytest.approx(best, rel=1e-5, abs=1e-9)
    assert_bounds(instance, result)


def values(result: Result) -> list[float]:
    assert result.value is not None
    return [goal.value for goal in result.goals] or [result.value]


def assert_bounds(instance: Instance, result: Result) -> None:
    for goal in result.goals:
        assert goal.bound is not None
        assert goal.bound >= goal.value - 1e-9
        assert not optsched.check(instance, result.allocations, goal.objective, goal.value).violations


@pytest.mark.parametrize("seed", range(40))
def test_brute_force(seed: int) -> None:
    compare(record(seed))


@pytest.mark.parametrize("formulation", ["configuration", "prices"])
@pytest.mark.parametrize("seed", range(8))
def test_every_method_keeps_the_rules(seed: int, formulation: str) -> None:
    made = record(seed)
    instance = optsched.loads(json.dumps(made))
    result = optsched.solve(instance, formulation=formulation)
    best = best_values(made)
    assert (result.status == "infeasible") <= (best is None)
    if result.value is not None:
        assert best is not None
        assert values(result)[0] <= best[0] * (1 + 1e-6)
        assert not optsched.check(instance, result.allocations, result.objective, result.value).violations
