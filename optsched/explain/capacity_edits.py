"""More of what is shared, as edits of an instance: GPUs, servers, cores, memory, network rates."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from optsched.instance import Instance, ServerGroup

__all__ = [
    "alike",
    "faster_link",
    "faster_servers",
    "more_gpus",
    "more_of_each",
    "more_of_site",
    "more_servers",
    "says",
]


def says(instance: Instance, site: str, field: str) -> bool:
    """Tell whether all servers of a site say how much they have of something, so that it binds there."""
    return all(getattr(group, field) is not None for group in instance.cluster.servers if group.site == site)


def more_gpus(instance: Instance, site: str, gpu_type: str, count: int) -> Instance:
    """Return the instance with a number of additional servers of one GPU, without cores or memory where these bind.

    Being the smallest, they leave all configurations on the present servers as they were.
    """
    rate = max((g.network_gbps or 0.0 for g in instance.cluster.servers if g.site == site), default=0.0)
    new = ServerGroup(
        id=_fresh(instance, f"more-{gpu_type}-{site}"),
        count=count,
        site=site,
        gpu_type=gpu_type,
        gpus=1,
        cpu_cores=0.0 if says(instance, site, "cpu_cores") else None,
        memory_gb=0.0 if says(instance, site, "memory_gb") else None,
        network_gbps=rate or None,
    )
    return _with_servers(instance, new)


def more_servers(instance: Instance, group: str, count: int) -> Instance:
    """Return the instance with a number of additional servers that equal those of a group, in a group of their own."""
    like = next(g for g in instance.cluster.servers if g.id == group)
    return _with_servers(instance, replace(like, id=_fresh(instance, f"more-{group}"), count=count))


def more_of_site(instance: Instance, site: str, field: str, amount: float) -> Instance:
    """Return the instance with more CPU cores or memory in a site, for plans that decide on counts: one more server."""
    other = "memory_gb" if field == "cpu_cores" else "cpu_cores"
    new = ServerGroup(id=_fresh(instance, f"more-{field}-{site}"), site=site)
    return _with_servers(instance, replace(new, **{field: amount, other: 0.0 if says(instance, site, other) else None}))


def more_of_each(instance: Instance, chosen: Callable[[ServerGroup], bool], field: str, amount: float) -> Instance:
    """Return the instance with more of something on each server of some groups, where that binds."""

    def grown(group: ServerGroup) -> ServerGroup:
        has = getattr(group, field)
        return group if has is None or not chosen(group) else replace(group, **{field: has + amount})

    return _with(instance, tuple(map(grown, instance.cluster.servers)))


def faster_servers(instance: Instance, group: str, gbps: float) -> Instance:
    """Return the instance with a faster network of each server of a group."""
    return more_of_each(instance, lambda g: g.id == group, "network_gbps", gbps)


def faster_link(instance: Instance, link: str, gbps: float) -> Instance:
    """Return the instance with a faster link."""
    links = tuple(
        replace(one, capacity_gbps=one.capacity_gbps + gbps) if one.id == link else one
        for one in instance.cluster.links
    )
    return replace(instance, cluster=replace(instance.cluster, links=links))


def alike(instance: Instance) -> tuple[ServerGroup, ...]:
    """Return the first of each kind of groups with GPUs: a new server is like one of these."""
    kinds: dict[bytes, ServerGroup] = {}  # by all that they say: labels are dictionaries, which have no hash
    for group in instance.cluster.servers:
        if group.gpus:
            kinds.setdefault(msgspec.json.encode(replace(group, id="x", count=1), order="deterministic"), group)
    return tuple(kinds.values())


def _with_servers(instance: Instance, new: ServerGroup) -> Instance:
    return _with(instance, (*instance.cluster.servers, new))


def _with(instance: Instance, servers: tuple[ServerGroup, ...]) -> Instance:
    return replace(instance, cluster=replace(instance.cluster, servers=servers))


def _fresh(instance: Instance, name: str) -> str:
    """Return a name that no server group has."""
    taken = {group.id for group in instance.cluster.servers}
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found
