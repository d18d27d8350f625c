"""Labels, taints, draining servers and levels of the topology against brute force, every plan checked."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

import optsched
from tests.support.selection_oracle import best_value

Record = dict[str, Any]


def record(seed: int) -> Record:
    """Return a small instance that decides on placement; each rule is there or not by chance."""
    random = Random(seed)
    servers = [
        {
            "id": f"s{number}",
            "count": random.choice((1, 1, 2)),
            "gpu_type": "g",
            "gpus": random.randint(1, 4),
            **({"rack": random.choice("AB")} if random.random() < 0.8 else {}),
            **({"labels": {"zone": random.choice("xy")}} if random.random() < 0.7 else {}),
            **({"taints": ["t"]} if random.random() < 0.2 else {}),
        }
        for number in range(random.randint(2, 3))
    ]
    names = [
        name
        for group in servers
        for name in ([group["id"]] if group["count"] == 1 else [f"{group['id']}/{k}" for k in range(group["count"])])
    ]
    cluster: Record = {"gpu_types": [{"id": "g"}], "servers": servers}
    if random.random() < 0.4:
        cluster["draining"] = random.sample(names, 1)
    levels = (["rack"] if any("rack" in s for s in servers) else []) + (
        ["zone"] if any("labels" in s for s in servers) else []
    )
    size = {name: group["gpus"] for group in servers for name in names if name.split("/")[0] == group["id"]}
    return {
        "format": "optsched/1",
        "decides": "placement",
        "cluster": cluster,
        "jobs": [_job(random, number, names, size, levels) for number in range(random.randint(1, 3))],
        "objective": {"name": random.choice(("progress", "progress", "max-min"))},
    }


def _job(random: Random, number: int, names: list[str], size: dict[str, int], levels: list[str]) -> Record:
    ways = {(gpus := random.randint(1, 5), random.randint(1, min(gpus, 3))) for _ in range(random.randint(1, 3))}
    job: Record = {
        "id": f"j{number}",
        "weight": random.choice((1.0, 2.0, 5.0)),
        "reference": {"goodput": 1.0},
        "configurations": [
            {"gpu_type": "g", "gpus": gpus, "nodes": nodes, "throughput": round(random.uniform(1, 3) * gpus, 2)}
            for gpus, nodes in sorted(ways)
        ],
    }
    if levels and random.random() < 0.4:
        job["within"] = random.choice(levels)
    if random.random() < 0.3:
        job["server_labels"] = {"zone": random.sample("xy", random.randint(1, 2))}
    if random.random() < 0.4:
        job["tolerates"] = ["t"]
    if random.random() < 0.5:
        gpus, nodes = random.choice(sorted(ways))
        parts = [gpus // nodes + (k < gpus % nodes) for k in range(nodes)]
        if nodes <= len(names):
            places = dict(zip(random.sample(names, nodes), parts, strict=True))
            if all(count <= size[name] for name, count in places.items()):
                job["current"] = {"gpu_type": "g", "gpus": gpus, "nodes": nodes, "placement": places}
                job["restart_s"] = random.choice((0.0, 90.0))
                job["pinned"] = random.random() < 0.3
    return job


@pytest.mark.parametrize("seed", range(40))
def test_brute_force(seed: int) -> None:
    compare(record(seed))


@pytest.mark.parametrize("formulation", ["placement", "one-by-one"])
@pytest.mark.parametrize("seed", range(6))
def test_every_method_keeps_the_rules(seed: int, formulation: str) -> None:
    made = record(seed) | {"objective": {"name": "progress"}}
    instance = optsched.loads(json.dumps(made))
    result = optsched.solve(instance, formulation=formulation)
    best = best_value(made)
    if result.value is not None:
        assert best is not None
        assert result.value <= best * (1 + 1e-6)
        assert not optsched.check(instance, result.allocations, result.objective, result.value).violations


def compare(made: Record) -> None:
    instance = optsched.loads(json.dumps(made))
    result = optsched.solve(instance, gap=1e-6)
    best = best_value(made)
    if best is None:
        assert result.status == "infeasible"
        assert result.reason
        return
    assert result.status == "optimal"
    assert result.value == pytest.approx(best, rel=1e-5, abs=1e-9)
    assert result.bound is not None
    assert result.bound >= best - 1e-9
    assert not optsched.check(instance, result.allocations, result.objective, result.value).violations
