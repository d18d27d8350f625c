"""A shared cluster under all rules at once: quotas of tenants in a tree, priority classes, racks, labels, pins.

    python benchmarks/rules.py [--jobs 5000] [--servers 1000] [--seconds 10 60] [--decides placement]

Prints for each time limit the value and the gap of each class. The instance is random and has no source but this file.
"""

from __future__ import annotations

import argparse
import json
from random import Random
from typing import Any

import optsched
from optsched.instance import Instance

CLASSES = ("production", "research", "batch")
RACK = 25
"""Servers of a rack."""


def made(jobs: int, servers: int, seed: int, decides: str) -> Instance:
    """Return a random instance: 8 GPUs a server, 2 organizations of 8 teams of 2 users each, and 50 tenants in all."""
    random = Random(seed)
    racks = -(-servers // RACK)
    groups = [
        {
            "id": f"r{k}",
            "count": min(RACK, servers - RACK * k),
            "gpu_type": "h100" if k % 2 else "a100",
            "gpus": 8,
            "rack": f"rack{k}",
            "labels": {"driver": random.choice(("535", "550"))},
        }
        for k in range(racks)
    ]
    gpus = 8 * servers
    tenants: list[dict[str, Any]] = [{"id": org} for org in ("science", "product")]
    tenants += [
        {
            "id": f"{org['id']}-{team}",
            "parent": org["id"],
            "quotas": [{"nominal": gpus // 16, "borrow": gpus // 32, **({"lend": gpus // 32} if team < 3 else {})}],
        }
        for org in list(tenants)
        for team in range(8)
    ]
    tenants += [
        {"id": f"{team['id']}-{user}", "parent": team["id"], "quotas": [{"nominal": 0, "borrow": gpus // 16}]}
        for team in tenants[2:]
        for user in range(2)
    ]
    users = [tenant["id"] for tenant in tenants[18:]]
    records = [_job(random, number, users, decides) for number in range(jobs)]
    free = [(f"r{k}/{n}", groups[k]["gpu_type"]) for k in range(racks) for n in range(groups[k]["count"])]
    for job, (server, gpu) in zip(
        random.sample(records, min(len(free), jobs) // 20), random.sample(free, len(free)), strict=False
    ):
        size = job["configurations"][0]["gpus"]
        if size > 8:
            continue
        job |= {"pinned": True, "current": {"gpu_type": gpu, "gpus": size, "nodes": 1}}
        if decides != "counts":
            job["current"]["placement"] = {server: size}
            job.pop("within", None)
    record = {
        "format": "optsched/1",
        "name": f"rules-{jobs}",
        "cluster": {"gpu_types": [{"id": "a100"}, {"id": "h100"}], "servers": groups},
        "jobs": records,
        "tenants": tenants,
        "priority_classes": [{"id": name} for name in CLASSES],
        "decides": decides,
    }
    return optsched.loads(json.dumps(record))


def _job(random: Random, number: int, users: list[str], decides: str) -> dict[str, Any]:
    least = random.choice((1, 1, 1, 1, 1, 2, 2, 2, 4, 8, 8, 16))
    speed = random.uniform(0.5, 2.0)
    exponent = random.uniform(0.6, 0.95)
    ways = [
        {
            "gpu_type": gpu,
            "gpus": size,
            "nodes": -(-size // 8),
            "throughput": round(factor * speed * (size / least) ** exponent, 4),
        }
        for gpu, factor in (("a100", 1.0), ("h100", random.uniform(1.2, 2.5)))
        for size in (least, 2 * least)
    ]
    job: dict[str, Any] = {
        "id": f"j{number}",
        "tenant": random.choice(users),
        "priority": random.choices(CLASSES, (1, 3, 6))[0],
        "weight": random.choice((1.0, 2.0)),
        "configurations": ways,
        "reference": {"goodput": speed},
    }
    if decides != "counts" and least >= 8 and random.random() < 0.3:
        job["within"] = "rack"
    return job


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 60.0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--decides", default="placement", choices=("counts", "placement"))
    options = parser.parse_args()
    instance = made(options.jobs, options.servers, options.seed, options.decides)
    for seconds in options.seconds:
        result = optsched.solve(instance, time_limit=seconds, gap=1e-3)
        run = f"{len(result.allocations)} of {options.jobs} jobs run"
        print(f"{options.decides}, {seconds:g} s: {result.status} after {result.total_s:.1f} s, {run}")
        for goal in result.goals:
            gap = "none" if goal.gap is None else f"{100 * goal.gap:.3g} %"
            print(f"  {goal.objective.parameters['name']}: {goal.value:.6g}, bound {goal.bound}, gap {gap}")


if __name__ == "__main__":
    main()
