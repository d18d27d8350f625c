"""The cluster as it is now: servers that failed, single GPUs that did, and servers that are drained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import msgspec

from optsched.errors import InputError, shown
from optsched.instance import Cluster, Holding, ServerGroup
from optsched.instance.server_names import group_of, server_of

__all__ = ["available", "check_servers", "goes_on"]


def check_servers(cluster: Cluster, failed: Mapping[str, int], draining: Collection[str]) -> None:
    """Raise InputError where a name is no server's, or more GPUs are said to have failed than a server has."""
    groups = {group.id: group for group in cluster.servers}
    for path, names in (("$.failed", failed), ("$.draining", draining)):
        for name in names:
            found = server_of(name, groups)
            if found is None and name not in groups:
                raise InputError("the name of a server or of a server group", path=path, value=shown(name))
    for name, gpus in failed.items():
        most = groups[group_of(name, groups)].gpus
        if not 0 <= gpus <= most:
            raise InputError(f"0 (all) to {most} failed GPUs", path=f'$.failed["{name}"]', value=shown(gpus))


def available(
    cluster: Cluster, failed: Mapping[str, int], draining: Collection[str], held: Collection[Holding]
) -> Cluster | None:
    """Return the cluster without what is out; None where no GPU is left.

    A drained server takes nothing new: as long as jobs run in its pool, there is room for as many GPUs as they hold.

    Parameters
    ----------
    failed
        How many GPUs of each named server failed; 0: the server did. A group's name stands for all its servers.
    held
        What jobs hold.
    """
    if not failed and not draining:
        return cluster
    drained: Counter[tuple[str, str]] = Counter()
    groups: list[ServerGroup] = []
    for group in cluster.servers:
        whole = [name in (group.id, None) for name in failed if failed[name] == 0 and name == group.id]
        sizes = [group.gpus] * group.count
        if whole and group.count > 1:
            sizes = []
        for name, gpus in failed.items():
            found = server_of(name, {group.id: group})
            if found is not None and sizes:
                sizes[found[1]] = sizes[found[1]] - gpus if gpus else 0
        for name in draining:
            numbers = (
                range(group.count) if name == group.id else [s[1] for s in [server_of(name, {group.id: group})] if s]
            )
            for number in numbers:
                if sizes and group.gpu_type is not None:
                    drained[group.site, group.gpu_type] += sizes[number]
                    sizes[number] = 0
        groups += _groups(group, sizes)
    wanted: Counter[tuple[str, str]] = Counter()
    for holding in held:
        wanted[holding.site, holding.gpu_type] += holding.gpus
    for (site, gpu_type), gpus in drained.items():
        there = sum(g.count * g.gpus for g in groups if (g.site, g.gpu_type) == (site, gpu_type))
        rest = min(gpus, wanted[site, gpu_type] - there)
        if rest > 0:
            groups.append(ServerGroup(id=f"draining {gpu_type} in {site}", site=site, gpu_type=gpu_type, gpus=rest))
    return msgspec.structs.replace(cluster, servers=tuple(groups)) if any(g.gpus for g in groups) else None


def _groups(group: ServerGroup, sizes: list[int]) -> list[ServerGroup]:
    """Return the servers of a group as groups of equal sizes; those without GPUs are out, if they had any."""
    if group.gpus == 0:
        return [group] if sizes else []
    counts = Counter(size for size in sizes if size > 0)
    return [
        msgspec.structs.replace(
            group, id=group.id if size == group.gpus else f"{group.id} with {size} GPUs", count=count, gpus=size
        )
        for size, count in sorted(counts.items(), reverse=True)
    ]


def goes_on(cluster: Cluster, holding: Holding) -> bool:
    """Tell whether what a job holds is still a part of the cluster, as far as names say."""
    here = any(g.site == holding.site and g.gpu_type == holding.gpu_type for g in cluster.servers)
    named = {group.id: group for group in cluster.servers}
    servers = [*(holding.placement or {}), *(holding.server_placement or {})]
    return here and all(server_of(name, named) is not None for name in servers)
