"""Brute force for the rules of clusters: every plan by counts of small instances whose jobs list their configurations.

It reads the records alone: nothing of tables, objectives, models or the checker is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import floor
from typing import Any

__all__ = ["best_values", "class_of"]

Record = dict[str, Any]


def class_of(instance: Record, job: Record) -> int:
    """Return the class of a job after aging, 0 for the highest."""
    names = [known["id"] for known in instance["priority_classes"]]
    number = names.index(job["priority"]) if "priority" in job else len(names) - 1
    aging = instance.get("aging")
    if aging is None:
        return number
    risen = floor((instance["now_s"] - job.get("arrival_s", 0.0)) / aging["every_s"])
    return max(0, number - min(risen, aging.get("most", len(names))))


def best_values(instance: Record) -> list[float] | None:
    """Return the best progress of each class with jobs, the highest first (of all jobs without classes); None: no plan.

    Before a class that does not preempt stands the number of jobs of lower classes that keep what they hold.
    """
    return max((_values(instance, plan) for plan in _plans(instance)), default=None)


def _plans(instance: Record) -> Iterator[list[tuple[Record, Record | None]]]:
    jobs = instance["jobs"]
    for chosen in product(*([None, *job["configurations"]] for job in jobs)):
        plan = list(zip(jobs, chosen, strict=True))
        if _feasible(instance, plan):
            yield plan


def _keeps(job: Record, way: Record | None) -> bool:
    holds = job.get("current")
    return (
        holds is not None and way is not None and (way["gpu_type"], way["gpus"]) == (holds["gpu_type"], holds["gpus"])
    )


def _pinned(instance: Record, job: Record) -> bool:
    return bool(job.get("pinned")) or instance["now_s"] < job.get("pinned_until_s", -1.0)


def _feasible(instance: Record, plan: list[tuple[Record, Record | None]]) -> bool:
    there: dict[str, int] = {}
    for group in instance["cluster"]["servers"]:
        there[group["gpu_type"]] = there.get(group["gpu_type"], 0) + group["count"] * group["gpus"]
    for gpu, capacity in there.items():
        if sum(way["gpus"] for _, way in plan if way is not None and way["gpu_type"] == gpu) > capacity:
            return False
    for job, way in plan:
        if job.get("required") and way is None:
            return False
        if _pinned(instance, job) and not _keeps(job, way):
            return False
    return _within_quotas(instance, plan)


def _within_quotas(instance: Record, plan: list[tuple[Record, Record | None]]) -> bool:
    """Walk up the tree: what a tenant uses beyond what it keeps for itself is borrowed from its parent."""
    tenants = {tenant["id"]: tenant for tenant in instance.get("tenants", ())}
    for gpu in {quota.get("gpu_type") for tenant in tenants.values() for quota in tenant.get("quotas", ())}:
        quotas = {
            name: quota
            for name, tenant in tenants.items()
            for quota in tenant.get("quotas", ())
            if quota.get("gpu_type") == gpu
        }

        def used(name: str, gpu: str | None = gpu) -> float:
            return sum(
                way["gpus"]
                for job, way in plan
                if way is not None and job["tenant"] == name and gpu in (None, way["gpu_type"])
            )

        def children(name: str | None) -> list[str]:
            return [child for child, tenant in tenants.items() if tenant.get("parent") == name]

        def owned(name: str, quotas: dict[str, Record] = quotas) -> float:
            """Return the nominal GPUs of a tenant, and what its children lend."""
            nominal = quotas[name]["nominal"] if name in quotas else 0.0
            return nominal + sum(lent(child) for child in children(name))

        def lent(name: str, quotas: dict[str, Record] = quotas) -> float:
            return min(quotas.get(name, {}).get("lend", float("inf")), owned(name))

        def asks(name: str) -> float:
            """Return what a tenant with all below it takes out of what is shared above it."""
            mine = used(name) + sum(asks(child) for child in children(name))
            return max(0.0, mine - (owned(name) - lent(name)))

        def fine(name: str, quotas: dict[str, Record] = quotas) -> bool:
            mine = used(name) + sum(asks(child) for child in children(name))
            borrow = quotas.get(name, {}).get("borrow", float("inf"))
            return mine <= owned(name) + borrow and all(fine(child) for child in children(name))

        tops = children(None)
        if quotas and not (all(fine(top) for top in tops) and sum(map(asks, tops)) <= sum(map(lent, tops))):
            return False
    return True


def _values(instance: Record, plan: list[tuple[Record, Record | None]]) -> list[float]:
    def worth(job: Record, way: Record | None) -> float:
        if way is None:
            return 0.0
        moved = "current" in job and not _keeps(job, way)
        lost = min(1.0, job.get("restart_s", 0.0) / instance["round_s"]) if moved else 0.0
        return float(job["weight"] * way["throughput"] * (1.0 - lost))

    if not instance.get("priority_classes"):
        return [sum(worth(job, way) for job, way in plan)]
    numbers = [class_of(instance, job) for job in instance["jobs"]]
    found = []
    for number, known in enumerate(instance["priority_classes"]):
        if number not in numbers:
            continue
        below = [(job, way) for (job, way), c in zip(plan, numbers, strict=True) if c > number and "current" in job]
        if not known.get("preempts", True) and below:
            found.append(float(sum(_keeps(job, way) for job, way in below)))
        found.append(sum(worth(job, way) for (job, way), c in zip(plan, numbers, strict=True) if c == number))
    return found
