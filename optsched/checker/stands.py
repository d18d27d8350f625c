"""Whether empty servers hold the pieces of one allocation, and the network carries its rate between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import IntArray
from optsched.checker.recompute import TOLERANCE, Truth
from optsched.checker.selection import domain_of, usable
from optsched.instance import Job, ServerGroup, link_graph
from optsched.instance.server_names import Server, server_of
from optsched.instance.solution import Allocation

__all__ = ["has", "most_gpus", "stands"]


def has(group: ServerGroup, cores: float, memory: float) -> bool:
    """Tell whether an empty server has cores and memory."""
    pairs = ((group.cpu_cores, cores), (group.memory_gb, memory))
    return all(there is None or wanted <= there * (1 + TOLERANCE) for there, wanted in pairs)


def most_gpus(group: ServerGroup, job: Job, cores: float, memory: float) -> int:
    """Return how many of a job's GPUs an empty server holds."""
    most = min(group.gpus, job.max_gpus_per_server or group.gpus)
    while most > 0 and not has(group, cores * most, memory * most):
        most -= 1
    return most


@dataclass(frozen=True)
class _Servers:
    """Equal empty servers: the pieces that each may hold (None: any, in ``range(most + 1)``), and if it may host."""

    group: ServerGroup
    count: int
    most: int
    only: int | None
    hosts: bool

    def holds(self, size: int) -> bool:
        """Tell whether one of them may hold a piece of some GPUs."""
        return size <= self.most and self.only in (None, size)


def stands(truth: Truth, a: Allocation) -> bool:
    """Tell whether the pieces of an allocation have empty servers of their own, and the links between carry its rate.

    Servers that the allocation names are the only ones for what they are named for; an empty naming names none, and
    leaves every server.
    """
    job = truth.jobs[a.job]
    domains: set[tuple[str, str] | None] = {None}
    if job.within is not None:
        domains = {domain_of(job.within, group) for group in truth.groups.values()} - {None}
    racks = {g.rack for g in truth.groups.values() if g.site == a.site}
    for domain in domains:
        if a.servers == 0 and _ring_stands(truth, a, domain):
            return True
        if a.servers and any(_star_stands(truth, a, rack, domain) for rack in racks):
            return True
    return False


def _servers(
    truth: Truth, a: Allocation, rack: str | None = None, domain: tuple[str, str] | None = None
) -> Iterator[_Servers]:
    """Yield the servers of an allocation's site, as its workers, and parameter servers in one rack, may use them.

    ``domain``: of the level that the job stands within; None where it has none.
    """
    job = truth.jobs[a.job]
    draining = {server_of(name, truth.groups) for name in truth.instance.cluster.draining}
    workers, hosts = (_named(truth, named) for named in (a.placement, a.server_placement))
    for group in truth.groups.values():
        if group.site != a.site or usable(job, group):
            continue
        if domain is not None and job.within is not None and domain_of(job.within, group) != domain:
            continue
        most, hosting = _able(group, job, a), _hosts(group, job, a) and group.rack == rack
        own = {server for server in {*workers, *hosts} if server[0] == group.id}
        for server in own:
            only = None if not workers else workers.get(server, -1)
            yield _Servers(group, 1, most, only, hosting and (not hosts or server in hosts))
        away = len({server for server in draining if server is not None and server[0] == group.id} - own)
        if group.count > len(own) + away:
            yield _Servers(group, group.count - len(own) - away, most, -1 if workers else None, hosting and not hosts)


def _named(truth: Truth, named: Mapping[str, int] | None) -> dict[Server, int]:
    found = {server_of(name, truth.groups): count for name, count in (named or {}).items()}
    return {server: count for server, count in found.items() if server is not None}


def _able(group: ServerGroup, job: Job, a: Allocation) -> int:
    """Return the most GPUs of an allocation that an empty server holds and whose rate it sends."""
    if group.gpu_type != a.gpu_type:
        return 0
    most = most_gpus(group, job, job.cpu_cores_per_gpu, job.memory_gb_per_gpu)
    if not a.gbps or group.network_gbps is None:
        return most
    there = group.network_gbps * (1 + TOLERANCE)
    if a.servers == 0:
        return most if a.nodes == 1 or a.gbps <= there else 0
    while most > 0 and a.gbps / max(a.gpus, a.servers) * most * a.servers > there:
        most -= 1
    return most


def _hosts(group: ServerGroup, job: Job, a: Allocation) -> bool:
    """Tell whether an empty server may have one of the parameter servers."""
    ps = job.parameter_servers
    sends = (a.gbps or 0.0) / max(a.gpus, a.servers) * a.gpus
    if group.network_gbps is not None and sends > group.network_gbps * (1 + TOLERANCE):
        return False
    return ps is None or has(group, ps.cpu_cores, ps.memory_gb)


def _ring_stands(truth: Truth, a: Allocation, domain: tuple[str, str] | None) -> bool:
    """Tell whether pieces fit servers between which every link carries the rate."""
    import networkx as nx

    graph = link_graph(truth.instance.cluster)
    rate = 0.0 if a.nodes == 1 else a.gbps or 0.0
    thin = [(u, v) for u, v, link in graph.edges(data=True) if link["capacity_gbps"] * (1 + TOLERANCE) < rate]
    graph.remove_edges_from(thin)
    every = list(_servers(truth, a, None, domain))
    for part in nx.connected_components(graph):
        mine = [s for s in every if (s.group.rack or s.group.site) in part]
        if _fit(mine, a.gpus, a.nodes):
            return True
    return False


def _fit(servers: list[_Servers], gpus: int, nodes: int) -> bool:
    """Tell whether pieces that differ by one GPU at the most find a server each: the larger ones choose first."""
    size, larger = divmod(gpus, nodes)
    both = sum(s.count for s in servers if s.holds(size + 1) and s.holds(size))
    for_large = sum(s.count for s in servers if s.holds(size + 1) and not s.holds(size))
    for_small = sum(s.count for s in servers if s.holds(size) and not s.holds(size + 1))
    flexible = both - max(0, larger - for_large)
    return flexible >= 0 and flexible + for_small >= nodes - larger


def _star_stands(truth: Truth, a: Allocation, rack: str | None, domain: tuple[str, str] | None) -> bool:
    """Tell whether the parameter servers stand in one rack, and every link carries what the workers behind it send."""
    graph = link_graph(truth.instance.cluster)
    every = list(_servers(truth, a, rack, domain))
    hub = rack or a.site
    size, larger = divmod(a.gpus, a.nodes)
    taken, rest = a.servers, []
    # the parameter servers take the servers that are of the least use to the workers
    for s in sorted(every, key=lambda s: (s.holds(size + 1), s.holds(size))):
        here = min(s.count, taken) if s.hosts else 0
        taken -= here
        rest.append((s, s.count - here))
    if taken > 0:
        return False

    def behind(place: str, before: str | None) -> IntArray:
        """Return the most larger pieces among any number of pieces behind a place; shape ``(pieces + 1,)``."""
        mine = [(s, count) for s, count in rest if (s.group.rack or s.group.site) == place]
        large, able = (
            sum(count for s, count in mine if any(map(s.holds, sizes))) for sizes in ((size + 1,), (size, size + 1))
        )
        found = np.minimum(np.arange(min(able, a.nodes) + 1), large)
        for other in graph.neighbors(place):
            if other == before:
                continue
            more = behind(other, place)
            if a.gbps:  # a worker sends a part of the rate to each parameter server
                through = graph.edges[place, other]["capacity_gbps"] * (1 + TOLERANCE)
                most = through / (a.gbps / max(a.gpus, a.servers) * a.servers)
                spare = np.floor(np.minimum(most, a.gpus)) - size * np.arange(len(more))
                more = np.minimum(more, spare).astype(np.int64)[spare >= 0]
            found = _joined(found, more, a.nodes)
        return found

    found = behind(hub, None)
    return len(found) > a.nodes and bool(found[a.nodes] >= larger)


def _joined(a: IntArray, b: IntArray, most: int) -> IntArray:
    """Return the best sum of one entry of each, for each sum of their places; shape ``(min(most, all) + 1,)``."""
    found = np.full(min(most, len(a) + len(b) - 2) + 1, -1, dtype=np.int64)
    for k, value in enumerate(a[: len(found)].tolist()):
        part = b[: len(found) - k] + value
        found[k : k + len(part)] = np.maximum(found[k : k + len(part)], part)
    return found
