"""Small random instances that use every rule of the files: for tests that compare two ways to the same answer."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from optsched.errors import InputError
from optsched.instance import Instance, loads

__all__ = ["random_instance"]

SITES = ("main", "south")


def random_instance(seed: int, decides: str | None = None, objective: str | None = None) -> Instance:
    """Return an instance of a seed: two sites, two GPU types, curves of which some are faster on more nodes."""
    random = Random(seed)
    while True:
        try:
            return loads(json.dumps(_record(random, decides, objective)))
        except InputError:  # e.g. a holding that no server has room for: try the next one
            continue


def _record(random: Random, decides: str | None, objective: str | None) -> dict[str, Any]:
    decides = decides or random.choice(("counts", "placement", "network"))
    servers = [
        {
            "id": f"s{number}",
            "count": random.randint(1, 3),
            "gpu_type": random.choice("vw"),
            "gpus": random.randint(1, 4),
            "site": random.choice(SITES),
            "network_gbps": random.choice((10.0, 25.0)),
            **({"cpu_cores": 8.0} if random.random() < 0.6 else {}),
            **({"memory_gb": 32.0} if random.random() < 0.6 else {}),
        }
        for number in range(random.randint(1, 3))
    ]
    return {
        "format": "optsched/1",
        "decides": decides,
        "now_s": random.choice((0.0, 10.0)),
        "cluster": {
            "gpu_types": [{"id": "v", "hourly_price": 3.0}, {"id": "w", "hourly_price": 1.0}],
            "servers": servers,
            "sites": [{"id": site} for site in SITES],
        },
        "curves": {
            "spread": _spread(random),
            "amdahl": {"family": "amdahl", "single": 10.0, "serial": 0.2},
            "ring": RING,
        },
        "jobs": [_job(random, name) for name in "abcd"[: random.randint(1, 4)]],
        "objective": {"name": objective or "progress"},
        **({"max_moves": random.randint(0, 2)} if random.random() < 0.3 else {}),
    }


RING = {
    "family": "allreduce",
    "pass_s": 0.01,
    "example_s": 0.001,
    "sync_s": 0.02,
    "node_exponent": 0.5,
    "reference_gbps": 10.0,
    "max_local_batch": 16,
}


def _spread(random: Random) -> dict[str, Any]:
    """Return a table of throughputs by GPUs and nodes, without order."""
    rows = [
        {"gpus": gpus, "nodes": nodes, "throughput": round(random.uniform(1, 3 * gpus), 3)}
        for gpus in range(1, 6)
        for nodes in range(1, gpus + 1)
        if random.random() < 0.8
    ]
    return {"family": "table", "rows": [{"gpus": 1, "nodes": 1, "throughput": 2.0}, *rows[1:]]}


def _job(random: Random, name: str) -> dict[str, Any]:
    job: dict[str, Any] = {"id": name, "weight": random.choice((0.5, 1.0, 2.0))}
    if random.random() < 0.25:
        job["configurations"] = [
            {
                "gpu_type": random.choice("vw"),
                "gpus": gpus,
                "throughput": round(random.uniform(1, 9), 3),
                **({"nodes": random.randint(1, gpus)} if random.random() < 0.5 else {}),
                **({"site": random.choice(SITES)} if random.random() < 0.3 else {}),
            }
            for gpus in (random.randint(1, 4) for _ in range(3))
        ]
    else:
        curves = {gpu: random.choice(("spread", "amdahl", "ring")) for gpu in ("v", "w") if random.random() < 0.8}
        job["curves"] = curves or {"v": "amdahl"}
        job |= {"min_gpus": random.randint(1, 2), "gpu_multiple": random.randint(1, 2)}
        if random.random() < 0.5:
            job["max_gpus"] = random.randint(2, 5)
        if "ring" in job["curves"].values():
            kind = random.choice(("global_batches", "local_batches"))
            job[kind] = random.sample((4, 8, 16, 32, 48), 2)
            if random.random() < 0.5:
                job["efficiency"] = {"noise_scale": 50.0, "reference_batch": 8.0}
    if random.random() < 0.3:
        job["max_gpus_per_server"] = random.randint(1, 2)
    if random.random() < 0.3:
        job["sites"] = [random.choice(SITES)]
    if random.random() < 0.3:
        job["affinity"] = {random.choice(SITES): random.choice((0.5, 1.5))}
    if random.random() < 0.5:
        job |= {"cpu_cores_per_gpu": random.choice((1.0, 3.0)), "memory_gb_per_gpu": random.choice((4.0, 12.0))}
    if random.random() < 0.5:
        job["remaining_examples"] = random.choice((50.0, 5000.0))
        if random.random() < 0.5:
            job["deadline_s"] = random.choice((60.0, 900.0))
        if random.random() < 0.3:
            job["budget"] = random.choice((0.1, 2.0))
    if random.random() < 0.1:
        job["arrival_s"] = 5.0
    if random.random() < 0.1:
        job["required"] = True
    if random.random() < 0.3:
        gpus = random.randint(1, 3)
        job["holds"] = {"gpu_type": "v", "gpus": gpus, "site": "main"}
        job["restart_s"] = 30.0
        if random.random() < 0.5:
            job["holds"]["nodes"] = random.randint(1, gpus)
    return job
