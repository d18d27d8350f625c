"""Brute force for the rules of servers: every plan with places of small instances whose jobs list configurations.

It reads the records alone: nothing of tables, objectives, models or the checker is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

__all__ = ["best_value"]

Record = dict[str, Any]
Places = dict[str, int]
Option = tuple[Record, Places] | None


def best_value(instance: Record) -> float | None:
    """Return the best sum of weighted progress, or the best least progress by weight (max-min); None: no plan."""
    servers = _servers(instance)
    options = [[None, *_options(instance, servers, job)] for job in instance["jobs"]]
    able = [len(some) > 1 for some in options]
    best = None
    for plan in product(*options):
        used: Counter[str] = Counter()
        for option in plan:
            if option is not None:
                used.update(option[1])
        if any(count > servers[name]["gpus"] for name, count in used.items()):
            continue
        pairs = list(zip(instance["jobs"], plan, strict=True))
        if any((job.get("pinned") or job.get("required")) and option is None for job, option in pairs):
            continue
        value = _value(instance, pairs, able)
        best = value if best is None else max(best, value)
    return best


def _servers(instance: Record) -> dict[str, Record]:
    found = {}
    for group in instance["cluster"]["servers"]:
        count = group.get("count", 1)
        for number in range(count):
            found[group["id"] if count == 1 else f"{group['id']}/{number}"] = group
    return found


def _options(instance: Record, servers: dict[str, Record], job: Record) -> Iterator[tuple[Record, Places]]:
    draining = instance["cluster"].get("draining", [])
    for way in job["configurations"]:
        nodes = way["nodes"]
        size, more = divmod(way["gpus"], nodes)
        for chosen in combinations(servers, nodes):
            for larger in combinations(chosen, more):
                places = {name: size + (name in larger) for name in chosen}
                stays = _stays(job, way, places)
                if job.get("pinned") and not stays:
                    continue
                if all(
                    _fine(job, servers[name]) and servers[name]["gpus"] >= count and (stays or name not in draining)
                    for name, count in places.items()
                ) and _together(job, [servers[name] for name in places]):
                    yield way, places


def _fine(job: Record, group: Record) -> bool:
    labels = group.get("labels", {})
    fits = all(labels.get(label) in values for label, values in job.get("server_labels", {}).items())
    return fits and all(taint in job.get("tolerates", []) for taint in group.get("taints", []))


def _together(job: Record, groups: list[Record]) -> bool:
    level = job.get("within")
    if level is None:
        return True
    domains = {group.get("rack") if level == "rack" else group.get("labels", {}).get(level) for group in groups}
    return len(domains) == 1 and None not in domains


def _stays(job: Record, way: Record, places: Places) -> bool:
    holds = job.get("current")
    return holds is not None and holds["gpus"] == way["gpus"] and holds["placement"] == places


def _value(instance: Record, pairs: list[tuple[Record, Option]], able: list[bool]) -> float:
    worth = []
    for job, option in pairs:
        if option is None:
            worth.append(0.0)
            continue
        moved = "current" in job and not _stays(job, *option)
        lost = min(1.0, job.get("restart_s", 0.0) / 360.0) if moved else 0.0
        worth.append(option[0]["throughput"] * (1 - lost))
    if instance["objective"]["name"] == "max-min":
        return min((w / job["weight"] for w, (job, _), can in zip(worth, pairs, able, strict=True) if can), default=0.0)
    return float(sum(w * job["weight"] for w, (job, _) in zip(worth, pairs, strict=True)))
