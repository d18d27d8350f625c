"""Policies by brute force: every objective once more in scalars, over all plans of a small instance."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from optsched.instance import GpuType, Instance, Job, Limit, ObjectiveSpec, Tenant, validate
from tests.support.oracle import Way, able, chosen_batches, plans, pools, raw
from tests.support.strategies import instances

__all__ = ["POLICIES", "best", "policy_instances", "total", "vector"]

POLICIES: list[tuple[str, dict[str, Any]]] = [
    ("progress", {}),
    ("goodput", {}),
    ("running", {}),
    ("max-min", {}),
    ("proportional", {"epsilon": 0.1}),
    ("alpha-fair", {"alpha": 0.0}),
    ("alpha-fair", {"alpha": 0.5}),
    ("alpha-fair", {"alpha": 1.0}),
    ("alpha-fair", {"alpha": 2.0, "epsilon": 0.25}),
    ("alpha-fair", {"alpha": "inf"}),
    ("sia", {}),
    ("sia", {"p": 0.5, "penalty": 0.2}),
    ("finish-time", {}),
    ("least-attained-service", {}),
    ("dominant-share", {}),
    ("dominant-share", {"among": "tenants"}),
    ("tenants", {}),
    ("tenants", {"inner": "proportional", "parameters": {"epsilon": 0.5}}),
    ("profit", {"worth": 3.0}),
    ("cost", {}),
    ("energy", {}),
    ("kept", {}),
    ("flow-time", {}),
    ("flow-time", {"b": 0.5, "e": 1.0, "horizon_s": 60.0, "horizon_restarts": 2.0}),
]
LEXICOGRAPHIC: list[tuple[str, dict[str, Any]]] = [
    ("max-min", {"lexicographic": True}),
    ("finish-time", {"lexicographic": True}),
    ("dominant-share", {"lexicographic": True}),
]


@st.composite
def policy_instances(draw: st.DrawFn, policies: list[tuple[str, dict[str, Any]]], **more: Any) -> Instance:
    """Draw an instance with what policies need: tenants, watts, what jobs have had so far, and an objective."""
    base = draw(instances(**more))
    name, parameters = draw(st.sampled_from(policies))
    types = [
        GpuType(id=g.id, hourly_price=g.hourly_price, watts=w)
        for g, w in zip(base.cluster.gpu_types, (300.0, 150.0), strict=False)
    ]
    jobs = []
    for job in base.jobs:
        left = job.remaining_examples
        if name in ("finish-time", "flow-time") and left is None:
            left = 120.0
        jobs.append(
            replace(
                job,
                tenant=draw(st.sampled_from(["red", "blue"])),
                remaining_examples=left,
                arrival_s=job.arrival_s if job.arrival_s > base.now_s else draw(st.sampled_from([0.0, 80.0, 100.0])),
                attained_gpu_s=draw(st.sampled_from([0.0, 1800.0, 7200.0])),
                done_examples=draw(st.sampled_from([0.0, 40.0])),
                restarts=draw(st.sampled_from([0, 1, 2])),
                efficiency=None if name == "throughput" else job.efficiency,
            )
        )
    tenants = draw(st.sampled_from([(), (Tenant(id="red", weight=2.0), Tenant(id="blue", weight=1.0))]))
    return validate(
        replace(
            base,
            cluster=replace(base.cluster, gpu_types=tuple(types)),
            jobs=tuple(jobs),
            tenants=tenants,
            objective=ObjectiveSpec(name=name, parameters=parameters),
        )
    )


def goodputs(instance: Instance, job: Job) -> dict[tuple[str, str, int], float]:
    """Return the best goodput of a job at each count of each pool."""
    found: dict[tuple[str, str, int], float] = {}
    for way in raw(instance, job):
        if job.configurations or way[5] in chosen_batches(instance, job, way):
            key = way[0], way[1], way[2]
            found[key] = max(found.get(key, 0.0), way[7] * way[8])
    return found


def utility(x: float, alpha: float) -> float:
    return math.log(x) if alpha == 1 else x ** (1 - alpha) / (1 - alpha)


def value(instance: Instance, job: Job, way: Way | None, name: str, p: dict[str, Any]) -> float:
    """Return what a job counts for, before the jobs come together."""
    if way is None:
        return 0.0
    gpu = next(g for g in instance.cluster.gpu_types if g.id == way.gpu_type)
    weight = job.weight or 1.0
    net = way.throughput * way.efficiency * way.share
    moved = job.holds is not None and not way.kept
    age = instance.now_s - job.arrival_s
    if name == "progress":
        return job.weight * way.progress
    if name == "goodput":
        return net
    if name == "throughput":
        return way.throughput * way.share
    if name == "running":
        return 1.0
    if name == "max-min" or (name == "alpha-fair" and p["alpha"] == "inf"):
        return way.progress / weight
    if name in ("proportional", "alpha-fair"):
        alpha = 1.0 if name == "proportional" else p["alpha"]
        epsilon = p.get("epsilon", 0.01) if alpha >= 1 else 0.0
        waiting = utility(epsilon, alpha) if alpha >= 1 else 0.0
        return job.weight * (utility(way.progress + epsilon, alpha) - waiting)
    if name == "sia":
        power, penalty = p.get("p", -0.5), p.get("penalty", 1.1)
        least = min(goodputs(instance, job).values())
        fewest = min((c.gpus for c in job.configurations), default=job.min_gpus)
        factor = 1.0
        if moved and job.restart_s > 0:
            factor = max(0.0, age - job.restarts * job.restart_s) / (age + job.restart_s)
        normal = fewest * way.throughput * way.efficiency / least * factor if way.share > 0 else 0.0
        if power > 0:
            return job.weight * (penalty + (normal**power if normal > 0 else 0.0))
        return job.weight * max(penalty - normal**power, -penalty) if normal > 0 else -job.weight * penalty
    if name == "finish-time":
        if way.share == 0:
            return 0.0
        there = sum(other.arrival_s <= instance.now_s for other in instance.jobs)
        sizes = {pool: sum(size) for pool, size in pools(instance).items()}
        alone = max(
            rate * min(1.0, sizes[site, kind] / there / gpus)
            for (site, kind, gpus), rate in goodputs(instance, job).items()
        )
        shared = age + (job.restart_s if moved else 0.0) + job.remaining_examples / (way.throughput * way.efficiency)
        return (job.done_examples + job.remaining_examples) / alone / shared / weight
    if name == "flow-time":
        rates = {other.id: list(goodputs(instance, other).values()) or [1.0] for other in instance.jobs}
        here = [other for other in instance.jobs if other.arrival_s <= instance.now_s]
        work = {
            j.id: j.remaining_examples / math.sqrt(max(rates[j.id]) * min(rates[j.id])) for j in here if rates[j.id]
        }
        rank = sum(work[other.id] >= work[job.id] * (1 - 1e-12) for other in here)
        power = 1 / (1 - p.get("b", 0.3))
        first = (rank**power - (rank - 1) ** power) ** (1 / power)
        gpus = sum(sum(size) for size in pools(instance).values())
        e = p.get("e", 0.65) * min(1.0, math.sqrt(8 * gpus / 64 / len(here)))
        rate = way.throughput * way.efficiency
        damped, cost = 1.0, job.restart_s
        if moved and cost > 0:
            horizon = min(
                job.remaining_examples / rate + cost,
                max(p.get("horizon_s", 900.0), p.get("horizon_restarts", 10.0) * cost),
            )
            damped = max(0.0, min(1 - cost / horizon, (age - job.restarts * cost) / (age + cost)))
        return job.weight * first * rate / (max(rates[job.id]) ** e * min(rates[job.id]) ** (1 - e)) * damped
    if name == "least-attained-service":
        return job.weight * way.progress / (1 + job.attained_gpu_s / 3600)
    if name == "profit":
        return p["worth"] * job.weight * way.progress - way.gpus * gpu.hourly_price
    if name == "cost":
        return way.gpus * gpu.hourly_price
    if name == "energy":
        return way.gpus * gpu.watts
    if name == "kept":
        return float(way.kept)
    shares = {t.id: t.weight for t in instance.tenants}
    if name == "tenants":
        return value(instance, job, way, p.get("inner", "progress"), p.get("parameters", {})) / shares.get(
            job.tenant, 1.0
        )
    assert name == "dominant-share"
    parts = [way.gpus / sum(pools(instance)[way.site, way.gpu_type])]
    ps = job.parameter_servers
    for field, wanted in (
        ("cpu_cores", job.cpu_cores_per_gpu * way.gpus + (ps.cpu_cores * way.servers if ps else 0.0)),
        ("memory_gb", job.memory_gb_per_gpu * way.gpus + (ps.memory_gb * way.servers if ps else 0.0)),
    ):
        each = [(s.count, getattr(s, field)) for s in instance.cluster.servers if s.site == way.site]
        if wanted and all(x is not None for _, x in each):
            parts.append(wanted / sum(n * x for n, x in each))
    return max(parts) / (shares.get(job.tenant, 1.0) if p.get("among") == "tenants" else weight)


def counts(instance: Instance, job: Job) -> bool:
    return job.weight > 0 and able(instance, job)


def vector(instance: Instance, plan: list[Way | None], spec: ObjectiveSpec) -> list[float]:
    """Return the values of the jobs that count, from the least."""
    pairs = zip(instance.jobs, plan, strict=True)
    return sorted(value(instance, j, w, spec.name, spec.parameters) for j, w in pairs if counts(instance, j))


def total(instance: Instance, plan: list[Way | None], spec: ObjectiveSpec) -> float:
    """Return an objective of a plan."""
    name, p = spec.name, spec.parameters
    values = [value(instance, j, w, name, p) for j, w in zip(instance.jobs, plan, strict=True)]
    if (
        name in ("max-min", "finish-time")
        or p.get("alpha") == "inf"
        or (name, p.get("among")) == ("dominant-share", None)
    ):
        return min((v for j, v in zip(instance.jobs, values, strict=True) if counts(instance, j)), default=0.0)
    if name in ("tenants", "dominant-share"):
        sums: dict[str, float] = {}
        for job, v in zip(instance.jobs, values, strict=True):
            if counts(instance, job):
                sums[job.tenant] = sums.get(job.tenant, 0.0) + v
        return min(sums.values(), default=0.0)
    return sum(values)


def keeps(instance: Instance, plan: list[Way | None], limit: Limit) -> bool:
    """Tell whether a plan keeps a limit, within 1e-7."""
    true = total(instance, plan, limit.objective)
    slack = 1e-7 * max(1.0, abs(true))
    low, high = limit.at_least, limit.at_most
    return (low is None or true >= low - slack) and (high is None or true <= high + slack)


def best(instance: Instance) -> float | None:
    """Return the best objective of any plan within the limits; None where there is none."""
    sign = -1.0 if instance.objective.name in ("cost", "energy") else 1.0
    found = [
        sign * total(instance, plan, instance.objective)
        for plan in plans(instance)
        if all(keeps(instance, plan, limit) for limit in instance.limits)
    ]
    return sign * max(found) if found else None
