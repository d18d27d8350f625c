"""Random small instances that decide on places or network rates, one for each seed."""

from __future__ import annotations

import json
import random
from typing import Any

from optsched.errors import InputError
from optsched.instance import Instance, loads
from tests.support.builders import AMDAHL

__all__ = ["made"]

RING = {
    "family": "allreduce",
    "pass_s": 0.01,
    "example_s": 0.002,
    "local_sync_s": 0.01,
    "local_exponent": 0.5,
    "sync_s": 0.06,
    "node_exponent": 0.5,
    "gpu_exponent": 0.25,
    "reference_gbps": 10,
}


def star(**form: Any) -> dict[str, Any]:
    return {"family": "parameter-server", "members": [form], "reference_gbps": 10}


CURVES: dict[str, dict[str, Any]] = {
    "flat": AMDAHL,
    "linear": {"family": "amdahl", "single": 4.0, "serial": 0.0},
    "ring": RING,
    "overlapping": {**RING, "overlap": 2.5, "serial": 0.3, "two_nodes": 0.7, "max_local_batch": 24},
    "hosted": {**RING, "sync_s": 0.3, "local_sync_s": 0.0, "host_s_per_gbit": 0.05},
    "unrated": {**RING, "reference_gbps": None},
    "packs": {
        "family": "table",
        "rows": [
            {"gpus": 1, "throughput": 5},
            {"gpus": 2, "nodes": 1, "throughput": 9},
            {"gpus": 2, "nodes": 2, "throughput": 7},
            {"gpus": 3, "throughput": 11},
            {"gpus": 4, "nodes": 2, "throughput": 12},
        ],
    },
    "spreads": {
        "family": "table",
        "rows": [{"gpus": g, "nodes": n, "throughput": 3 * g + 2 * n} for g in range(1, 7) for n in range(1, g + 1)],
    },
    "incast": star(
        form="sync-incast", fixed_s=0.02, example_s=0.002, update_s=0.02, transfer_s=0.05, worker_s=0.001, sharpness=3
    ),
    "capacity": star(
        form="sync-capacity",
        fixed_s=0.02,
        example_s=0.002,
        update_s=0.01,
        transfer_s=0.04,
        worker_s=0.002,
        sharpness=2,
        server_exponent=0.8,
    ),
    "async": star(form="async-capacity", example_s=0.004, server_s=0.05, transfer_share=0.7, sharpness=4),
}
COUNTS = ("flat", "linear", "packs", "spreads")
RINGS = ("ring", "overlapping", "hosted", "unrated")
STARS = ("incast", "capacity", "async")


def cluster(draw: random.Random) -> dict[str, Any]:
    """Draw two to five servers in at most two racks and two sites; links that are soon full."""
    sites = ["main", "south"] if draw.random() < 0.2 else ["main"]
    types = ["v", "w"] if draw.random() < 0.25 else ["v"]
    racks = draw.choice([{}, {"r1": "main"}, {"r1": "main", "r2": sites[-1]}, {"r1": "main", "r2": "main"}])
    groups, left = [], draw.choice([2, 3, 3, 4, 4, 5])
    while left > 0:
        count = draw.randint(1, left) if draw.random() < 0.4 else 1
        left -= count
        group: dict[str, Any] = {"id": f"s{len(groups)}", "count": count, "network_gbps": draw.choice([4, 10, 10, 25])}
        group["site"] = draw.choice(sites)
        near = [rack for rack, site in racks.items() if site == group["site"]]
        if near and draw.random() < 0.8:
            group["rack"] = draw.choice(near)
        if not groups or draw.random() < 0.8:
            group |= {"gpu_type": draw.choice(types), "gpus": draw.choice([1, 1, 2, 2, 3])}
        for field, low, high in (("cpu_cores", 2, 8), ("memory_gb", 8, 40)):
            if draw.random() < 0.3:
                group[field] = draw.randint(low, high)
        groups.append(group)
    racks = {rack: site for rack, site in racks.items() if any(group.get("rack") == rack for group in groups)}
    switches, links = [], []
    switched = bool(racks) and draw.random() < 0.5
    if switched:
        switches = ["x"]
        links = [{"id": "core", "ends": ["x", "main"], "capacity_gbps": draw.choice([3, 6, 20])}]
    for rack, site in racks.items():
        if draw.random() < 0.8:
            up = "x" if switched and site == "main" else site
            links.append({"id": f"up-{rack}", "ends": [rack, up], "capacity_gbps": draw.choice([2, 3, 5, 8, 12])})
    prices = [{"id": "v", "hourly_price": 2.0}, {"id": "w", "hourly_price": 0.5}][: len(types)]
    sites_there = [{"id": site} for site in sites]
    return {"gpu_types": prices, "sites": sites_there, "servers": groups, "switches": switches, "links": links}


def pools(cluster: dict[str, Any]) -> dict[tuple[str, str], list[tuple[str, int]]]:
    """Return the name and the GPUs of each server of each (site, GPU type)."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for group in cluster["servers"]:
        for number in range(group["count"] if "gpus" in group else 0):
            name = group["id"] if group["count"] == 1 else f"{group['id']}/{number}"
            found.setdefault((group["site"], group["gpu_type"]), []).append((name, group["gpus"]))
    return found


def job(draw: random.Random, name: str, cluster: dict[str, Any], kinds: list[str]) -> dict[str, Any]:
    """Draw a job by a curve of some kind, or by a list."""
    types = sorted({gpu for _, gpu in pools(cluster)})
    one: dict[str, Any] = {"id": name, "weight": draw.choice([1.0, 1.0, 0.5, 3.0, 0.0])}
    kind = draw.choice(kinds)
    if kind == "listed":
        one["configurations"] = []
        for _ in range(draw.randint(1, 3)):
            gpus = draw.randint(1, 4)
            entry = {"gpu_type": draw.choice(types), "gpus": gpus, "throughput": draw.choice([3.0, 7.5, 11.0, 16.0])}
            if draw.random() < 0.6:
                entry["nodes"] = draw.randint(1, min(3, gpus))
            if draw.random() < 0.6:
                entry["gbps"] = draw.choice([1.0, 2.5, 4.0])
            if draw.random() < 0.3:
                entry["servers"] = 1
            # equal ones but for the efficiency cannot be told apart in a plan
            if not any(
                entry.items() <= other.items() or other.items() <= entry.items() for other in one["configurations"]
            ):
                one["configurations"].append(entry)
        for entry in one["configurations"]:
            if draw.random() < 0.3:
                entry["efficiency"] = 0.5
    else:
        names = {"counts": COUNTS, "ring": RINGS, "star": STARS}[kind]
        one["curves"] = {gpu: draw.choice(names) for gpu in types if gpu == types[0] or draw.random() < 0.7}
        one["min_gpus"] = draw.choice([1, 1, 2, 2, 3])
        one["max_gpus"] = one["min_gpus"] + draw.randint(0, 3)
        one["gpu_multiple"] = draw.choice([1, 1, 2])
        if kind != "counts":
            field = draw.choice(["global_batches", "local_batches"])
            one[field] = draw.choice([[8], [16], [48], [16, 64]])
            if draw.random() < 0.5:
                one["efficiency"] = {"noise_scale": 50.0, "reference_batch": 32.0}
        if kind == "star":
            wanted = {"minimum": draw.choice([1, 1, 2]), "maximum": 2, "cpu_cores": draw.choice([1.0, 2.0])}
            one |= {"scaling": "parameter_servers", "parameter_servers": wanted}
    if draw.random() < 0.25:
        one["max_gpus_per_server"] = draw.choice([1, 2])
    if draw.random() < 0.3:
        one["cpu_cores_per_gpu"] = draw.choice([0.5, 1.0, 2.0])
    if draw.random() < 0.2:
        one["memory_gb_per_gpu"] = 7.5
    if draw.random() < 0.25:
        one["remaining_examples"] = 3000.0
        if draw.random() < 0.7:
            one["deadline_s"] = draw.choice([117.3, 131.7, 251.3])
        if draw.random() < 0.5:
            one["budget"] = draw.choice([0.0213, 0.0517, 0.213])
    if draw.random() < 0.03:
        one["arrival_s"] = 101.0
    elif draw.random() < 0.12:
        one["required"] = True
    if draw.random() < 0.2:
        one["reference"] = {"goodput": draw.choice([5.0, 40.0])}
    if draw.random() < 0.5:
        one |= holding(draw, one, cluster)
    return one


def holding(draw: random.Random, job: dict[str, Any], cluster: dict[str, Any]) -> dict[str, Any]:
    """Draw what a job holds, its places known or not; nothing where that would not fit."""
    (site, gpu), servers = draw.choice(sorted(pools(cluster).items()))
    gpus = draw.randint(job.get("min_gpus", 1), job.get("max_gpus", 3))
    nodes = draw.randint(1, min(gpus, len(servers)))
    chosen = draw.sample(servers, nodes)
    placement = {name: gpus // nodes + (number < gpus % nodes) for number, (name, _) in enumerate(chosen)}
    if any(placement[name] > size for name, size in chosen):
        return {}
    holds: dict[str, Any] = {"site": site, "gpu_type": gpu, "gpus": gpus}
    if draw.random() < 0.6:
        holds["placement"] = placement
    if draw.random() < 0.5:
        holds["nodes"] = nodes
    if "parameter_servers" in job:
        near = [
            group["id"] if group["count"] == 1 else f"{group['id']}/{number}"
            for group in cluster["servers"]
            for number in range(group["count"])
            if group["site"] == site
        ]
        holds["servers"] = 1
        if draw.random() < 0.5:
            holds["server_placement"] = {draw.choice(near): 1}
    if "local_batches" in job and gpus > job["min_gpus"] and draw.random() < 0.4:
        holds["local_batch"] = draw.choice([20.0, float(job["local_batches"][0])])
    return {"holds": holds, "restart_s": draw.choice([0.0, 30.0, 200.0])}


def made(seed: int, decides: str, jobs: int | None = None) -> Instance:
    """Return an instance that its own validation accepts: one to three jobs, by default, on two to five servers."""
    draw = random.Random(seed)
    number = draw.choice([1, 2, 2, 3, 3])
    kinds = draw.choice([["counts", "ring", "star", "listed"], ["ring"], ["ring", "star"], ["ring", "listed"]])
    while True:
        there = cluster(draw)
        record = {
            "format": "optsched/1",
            "cluster": there,
            "curves": CURVES,
            "now_s": 100.0,
            "round_s": 360.0,
            "jobs": [job(draw, f"j{k}", there, kinds) for k in range(jobs or number)],
            "decides": decides,
            "objective": {"name": draw.choice(["progress", "progress", "throughput", "max-min"])},
            "name": str(seed),
        }
        if any("holds" in one for one in record["jobs"]) and draw.random() < 0.5:
            record["max_moves"] = draw.randint(0, 2)
        try:
            return loads(json.dumps(record))
        except InputError:  # e.g. a job that fits nowhere: the next one
            continue
