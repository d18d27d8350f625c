"""Relaxations: the levers of an instance, and the instance after some changes by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

from msgspec.structs import replace

from optsched.errors import InputError, shown
from optsched.explain.capacity_edits import (
    alike,
    faster_link,
    faster_servers,
    more_gpus,
    more_of_each,
    more_of_site,
    more_servers,
    says,
)
from optsched.explain.job_rules import fine, job_rules
from optsched.explain.records import Change
from optsched.explain.rules import Lever
from optsched.instance import Instance, Job, Limit

__all__ = ["lever_of", "own_levers", "relaxed", "shared_levers"]


def relaxed(instance: Instance, *changes: Change) -> Instance:
    """Return the instance with changes made; raise InputError for a lever that it does not have."""
    for change in changes:
        instance = lever_of(instance, change.lever).change(instance, change.amount)
    return instance


def lever_of(instance: Instance, key: str) -> Lever:
    """Return a lever by its key; raise InputError for one that the instance does not have."""
    for lever in shared_levers(instance):
        if lever.key == key:
            return lever
    for job in instance.jobs:
        if key.endswith(f":{job.id}") or f":{job.id}:" in key:
            for lever in own_levers(instance, job):
                if lever.key == key:
                    return lever
    raise InputError("the key of a lever of the instance", path="lever", value=shown(key))


def own_levers(instance: Instance, job: Job) -> Iterator[Lever]:
    """Yield the levers that are a job's own."""
    for rule in job_rules(instance, job):
        yield from rule.levers


def shared_levers(instance: Instance) -> Iterator[Lever]:
    """Yield the levers that no single job owns."""
    if instance.decides == "counts":
        yield from _pools(instance)
    else:
        yield from _servers(instance)
    if instance.decides == "network":
        yield from _network(instance)
    if instance.fewest_kept is not None and instance.fewest_kept > 0:
        yield Lever(
            "moves",
            "the limit on moves",
            "moves",
            "moves",
            1,
            instance.fewest_kept,
            lambda i, n: replace(i, max_moves=None if i.max_moves is None else i.max_moves + int(n)),
            lambda n: f"{(instance.max_moves or 0) + n:g} moves in place of {instance.max_moves}",
        )
    for number, limit in enumerate(instance.limits):
        yield from _limit(number, limit)


def _pools(instance: Instance) -> Iterator[Lever]:
    """Yield GPUs of each pool, and cores and memory of each site."""
    usable = {gpu for job in instance.jobs for gpu in (*job.curves, *(c.gpu_type for c in job.configurations))}
    for site in instance.cluster.sites:
        for gpu in instance.cluster.gpu_types:
            if gpu.id in usable:
                there = sum(
                    s.count * s.gpus for s in instance.cluster.servers if (s.site, s.gpu_type) == (site.id, gpu.id)
                )
                yield Lever(
                    f"gpus:{gpu.id}@{site.id}",
                    f"GPUs of {gpu.id}@{site.id}",
                    "GPUs",
                    "capacity",
                    1,
                    max(64, 2 * there),
                    _edit(more_gpus, site.id, gpu.id, whole=True),
                    _plus(f"{gpu.id} in {site.id}"),
                    size=max(1, there),
                )
        for field, noun, unit, per_gpu in _AMOUNTS:
            if says(instance, site.id, field) and any(_needs(job, field, per_gpu) for job in instance.jobs):
                there = sum(s.count * getattr(s, field) for s in instance.cluster.servers if s.site == site.id)
                yield Lever(
                    f"{field}@{site.id}",
                    f"{noun} in {site.id}",
                    unit,
                    "capacity",
                    1,
                    math.ceil(max(64, 2 * there)),
                    _edit(more_of_site, site.id, field),
                    _plus(f"{noun} in {site.id}"),
                    whole=False,
                    size=max(1.0, there),
                )


_AMOUNTS = (
    ("cpu_cores", "CPU cores", "cores", "cpu_cores_per_gpu"),
    ("memory_gb", "GB of memory", "GB", "memory_gb_per_gpu"),
)


def _needs(job: Job, field: str, per_gpu: str) -> bool:
    servers = job.parameter_servers
    return getattr(job, per_gpu) > 0 or (servers is not None and getattr(servers, field) > 0)


def _servers(instance: Instance) -> Iterator[Lever]:
    """Yield one more server of each kind, and more cores and memory of the servers of each group."""
    for group in alike(instance):
        gpus = f"{group.gpus} {group.gpu_type}"
        there = sum(g.count for g in instance.cluster.servers if g.gpu_type == group.gpu_type)
        yield Lever(
            f"servers:{group.id}",
            f"servers like {group.id} ({gpus} each)",
            "servers",
            "capacity",
            1,
            16,
            _edit(more_servers, group.id, whole=True),
            partial(_more_servers, group.id, gpus),
            size=there,
        )
    for group in instance.cluster.servers:
        for field, noun, unit, per_gpu in _AMOUNTS:
            has = getattr(group, field)
            if has is not None and any(_needs(job, field, per_gpu) for job in instance.jobs):
                yield Lever(
                    f"{field}:{group.id}",
                    f"{noun} of each server of {group.id}",
                    unit,
                    "capacity",
                    1,
                    math.ceil(max(64, 2 * has)),
                    _edit(_on_each, group.id, field),
                    _plus(f"{noun} on each server of {group.id}"),
                    whole=False,
                    size=max(1.0, has),
                )


def _more_servers(group: str, gpus: str, count: float) -> str:
    return f"+{count:g} {'server' if count == 1 else 'servers'} like {group} ({gpus}{'' if count == 1 else ' each'})"


def _on_each(instance: Instance, group: str, field: str, amount: float) -> Instance:
    return more_of_each(instance, lambda g: g.id == group, field, amount)


def _network(instance: Instance) -> Iterator[Lever]:
    """Yield the capacity of each link, and the network of each group's servers."""
    for link in instance.cluster.links:
        between = " - ".join(link.ends)
        yield Lever(
            f"link:{link.id}",
            f"link {link.id} ({between})",
            "Gb/s",
            "link",
            0.1,
            math.ceil(max(1000.0, 40 * link.capacity_gbps)),
            _edit(faster_link, link.id),
            _plus(f"Gb/s on link {link.id} ({between})"),
            whole=False,
            size=link.capacity_gbps,
        )
    if len(links := instance.cluster.links) > 1:  # a route may be as narrow on both its ends
        least = min(link.capacity_gbps for link in links)
        yield Lever(
            "links",
            "all links",
            "Gb/s",
            "link",
            0.1,
            math.ceil(max(1000.0, 40 * least)),
            _every_link,
            _plus("Gb/s on every link"),
            whole=False,
            size=least,
        )
    for group in instance.cluster.servers:
        rate = group.network_gbps or 1.0
        yield Lever(
            f"network:{group.id}",
            f"network of the servers of {group.id}",
            "Gb/s",
            "network",
            0.1,
            math.ceil(30 * rate),
            _edit(faster_servers, group.id),
            _plus(f"Gb/s on each server of {group.id}"),
            whole=False,
            size=rate,
        )


def _every_link(instance: Instance, gbps: float) -> Instance:
    for link in instance.cluster.links:
        instance = faster_link(instance, link.id, gbps)
    return instance


def _limit(number: int, limit: Limit) -> Iterator[Lever]:
    """Yield a ceiling that rises, and a floor that sinks."""
    for field, sign, word in (("at_most", 1.0, "at most"), ("at_least", -1.0, "at least")):
        bound = getattr(limit, field)
        if bound is None:
            continue

        def change(instance: Instance, amount: float, field: str = field, sign: float = sign) -> Instance:
            limits = list(instance.limits)
            limits[number] = replace(limits[number], **{field: getattr(limits[number], field) + sign * amount})
            return replace(instance, limits=tuple(limits))

        said = f"{limit.objective.name} {word}"

        def text(amount: float, name: str = said, end: float = bound, sign: float = sign) -> str:
            return f"{name} {end + sign * amount:g} ({sign * amount:+g})"

        step = fine(bound)
        yield Lever(
            f"limit:{number}:{field}",
            f"limit {number}: {limit.objective.name} {word} {bound:g}",
            "of the limited objective",
            "limit",
            step,
            1000,
            change,
            text,
            whole=False,
            size=abs(bound) or 1.0,
        )


def _plus(what: str) -> Callable[[float], str]:
    return lambda amount: f"+{amount:g} {what}"


def _edit(edit: Callable[..., Instance], *place: object, whole: bool = False) -> Callable[[Instance, float], Instance]:
    return lambda instance, amount: edit(instance, *place, int(amount) if whole else amount)
