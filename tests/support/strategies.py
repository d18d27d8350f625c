"""Random small instances: one to five jobs, one to three pools, and every kind of limit, drawn by hypothesis."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from optsched.instance import Instance, loads
from tests.support.builders import ALLREDUCE, AMDAHL, table

__all__ = ["instances"]

CURVES: dict[str, dict[str, Any]] = {
    "amdahl": AMDAHL,
    "linear": {"family": "amdahl", "single": 3.0, "serial": 0.0},
    "allreduce": ALLREDUCE,
    "tight": {**ALLREDUCE, "max_local_batch": 24, "pass_s": 0.02},
    "dip": table(4, 7, 5, 9, 13, 12),
    "holes": table(0, 6, 0, 10, 11),
    "steps": table(2, 2, 6, 6, 6, 14),
}
RATES = st.sampled_from([1.0, 2.5, 4.0, 6.0, 7.5, 11.0])


@st.composite
def clusters(draw: st.DrawFn) -> dict[str, Any]:
    """Draw at most two sites, two GPU types and three pools of at most 6 GPUs."""
    sites = ["main", "south"][: draw(st.integers(1, 2))]
    types = ["v", "w"][: draw(st.integers(1, 2))]
    places = [(site, gpu) for site in sites for gpu in types]
    chosen = draw(st.lists(st.sampled_from(places), min_size=1, max_size=3, unique=True))
    servers = []
    for number, (site, gpu) in enumerate(chosen):
        count, gpus = draw(st.sampled_from([(1, 3), (2, 2), (1, 4), (3, 2), (2, 1), (1, 1)]))
        limits = {}
        if draw(st.integers(0, 3)) == 3:
            limits["cpu_cores"] = float(draw(st.integers(2, 8)))
        if draw(st.integers(0, 5)) == 5:
            limits["memory_gb"] = float(draw(st.integers(8, 64)))
        servers.append({"id": f"s{number}", "site": site, "gpu_type": gpu, "gpus": gpus, "count": count, **limits})
    return {
        "gpu_types": [{"id": gpu, "hourly_price": price} for gpu, price in zip(types, (2.0, 0.5), strict=False)],
        "sites": [{"id": site} for site in sites],
        "servers": servers,
    }


@st.composite
def jobs(draw: st.DrawFn, name: str, cluster: dict[str, Any], with_servers: bool) -> dict[str, Any]:
    """Draw a job by curves or by a list, with limits, work, and what it holds."""
    types = sorted({s["gpu_type"] for s in cluster["servers"]})
    pools = sorted({(s["site"], s["gpu_type"]) for s in cluster["servers"]})
    most = {
        pool: sum(s["gpus"] * s["count"] for s in cluster["servers"] if (s["site"], s["gpu_type"]) == pool)
        for pool in pools
    }
    job: dict[str, Any] = {"id": name, "weight": draw(st.sampled_from([1.0, 0.5, 3.0, 0.0]))}
    by_list = draw(st.integers(0, 3)) == 3
    if by_list:
        keys = draw(st.lists(st.tuples(st.sampled_from(types), st.integers(1, 5)), min_size=1, max_size=4, unique=True))
        job["configurations"] = [
            {
                "gpu_type": gpu,
                "gpus": gpus,
                "throughput": draw(RATES),
                "efficiency": draw(st.sampled_from([1.0, 0.5])),
            }
            for gpu, gpus in keys
        ]
    else:
        used = draw(st.lists(st.sampled_from(types), min_size=1, max_size=len(types), unique=True))
        job["curves"] = {gpu: draw(st.sampled_from(sorted(CURVES))) for gpu in used}
        job["min_gpus"] = draw(st.sampled_from([1, 1, 2, 3]))
        job["gpu_multiple"] = draw(st.sampled_from([1, 1, 2]))
        if draw(st.booleans()):
            job["max_gpus"] = job["min_gpus"] + draw(st.integers(0, 4))
        if draw(st.booleans()) or any(CURVES[c]["family"] == "allreduce" for c in job["curves"].values()):
            kind = draw(st.sampled_from(["global_batches", "local_batches"]))
            job[kind] = draw(st.sampled_from([[16], [48], [32, 96]]))
            if draw(st.booleans()):
                job["efficiency"] = {"noise_scale": 50.0, "reference_batch": 32.0}
        plain = all(CURVES[c]["family"] != "allreduce" for c in job["curves"].values())
        if with_servers and plain and draw(st.integers(0, 2)) == 2:
            wanted = {"minimum": 1, "maximum": draw(st.integers(1, 2)), "cpu_cores": 1.0}
            job |= {"scaling": "parameter_servers", "parameter_servers": wanted}
    if len(cluster["sites"]) > 1 and draw(st.integers(0, 3)) == 3:
        job["sites"] = [draw(st.sampled_from(["main", "south"]))]
    if draw(st.integers(0, 2)) == 2:
        job["cpu_cores_per_gpu"] = draw(st.sampled_from([0.5, 1.0, 3.0]))
    if draw(st.integers(0, 4)) == 4:
        job["memory_gb_per_gpu"] = 7.5
    if draw(st.integers(0, 3)) == 3:
        job["remaining_examples"] = 100.0
        if draw(st.booleans()):
            job["deadline_s"] = draw(st.sampled_from([110.0, 120.0, 160.0]))
        if draw(st.booleans()):
            job["budget"] = draw(st.sampled_from([0.005, 0.02, 0.05]))
    if draw(st.integers(0, 19)) == 19:
        job["arrival_s"] = 101.0
    elif draw(st.integers(0, 2)) == 2:
        job["required"] = True
    if draw(st.integers(0, 2)) > 0:
        job |= draw(holdings(job, pools, most))
    return job


@st.composite
def holdings(
    draw: st.DrawFn, job: dict[str, Any], pools: list[tuple[str, str]], most: dict[tuple[str, str], int]
) -> dict[str, Any]:
    """Draw what a job holds, among what it may have; nothing where there is nothing."""
    counts = range(job.get("min_gpus", 1), job.get("max_gpus", 6) + 1, job.get("gpu_multiple", 1))
    possible = [
        (pool, g) for pool in pools for g in counts if g <= most[pool] and pool[0] in job.get("sites", [pool[0]])
    ]
    if not possible:
        return {}
    (site, gpu), gpus = draw(st.sampled_from(possible))
    holds: dict[str, Any] = {"site": site, "gpu_type": gpu, "gpus": gpus}
    if "parameter_servers" in job:
        holds["servers"] = 1
    # policies measure by what a job has at its fewest GPUs with a batch that it may choose: there must be one
    used = set(job.get("curves", {}).values())
    fits = "holes" not in used and ("tight" not in used or 16 in job.get("local_batches", []))
    if "local_batches" in job and fits and gpus > job["min_gpus"] and draw(st.booleans()):
        holds["local_batch"] = 20.0  # none of those that it may choose
    return {"holds": holds, "restart_s": draw(st.sampled_from([0.0, 30.0, 200.0]))}


@st.composite
def instances(draw: st.DrawFn, *, most_jobs: int = 5, with_servers: bool = False) -> Instance:
    """Draw an instance that its own validation accepts."""
    cluster = draw(clusters())
    chosen = [draw(jobs(f"j{k}", cluster, with_servers)) for k in range(draw(st.sampled_from([3, 1, 2, 4, most_jobs])))]
    # a job that fits nowhere is a fault of the input unless it is required
    pools: dict[tuple[str, str], int] = {}
    for s in cluster["servers"]:
        pools[s["site"], s["gpu_type"]] = pools.get((s["site"], s["gpu_type"]), 0) + s["gpus"] * s["count"]
    chosen = [j for j in chosen if j.get("required") or _fits(j, pools)]
    goal = draw(st.sampled_from(["progress", "throughput", "max-min"]))
    record = {
        "format": "optsched/1",
        "cluster": cluster,
        "jobs": chosen,
        "curves": CURVES,
        "now_s": 100.0,
        "round_s": 360.0,
        "objective": {"name": goal},
    }
    if any("holds" in j for j in chosen) and draw(st.booleans()):
        record["max_moves"] = draw(st.integers(0, 2))
    return loads(json.dumps(record))


def _fits(job: dict[str, Any], pools: dict[tuple[str, str], int]) -> bool:
    least = {c["gpu_type"]: c["gpus"] for c in job.get("configurations", [])}
    for c in job.get("configurations", []):
        least[c["gpu_type"]] = min(least[c["gpu_type"]], c["gpus"])
    least |= dict.fromkeys(job.get("curves", {}), job.get("min_gpus", 1))
    return any(
        least.get(gpu, size + 1) <= size and site in job.get("sites", [site]) for (site, gpu), size in pools.items()
    )
