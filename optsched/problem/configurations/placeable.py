"""Whether the empty servers of a site, and the links between them, hold one configuration at its least network rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.instance import Holding, Instance, ServerGroup
from optsched.instance.server_names import server_of
from optsched.instance.topology import crossings, server_classes

__all__ = ["SLACK", "Asked", "Site", "pieces_held", "placeable", "sites_of"]

SLACK = 1e-9
"""Relative slack of every comparison with a capacity."""


@dataclass(frozen=True)
class Asked:
    """What a configuration asks for.

    cores, memory, ps_cores, ps_memory
        Of each GPU, and of each parameter server.
    limit
        The most GPUs on one server; None: as many as it has.
    rate
        Least network rate (Gb/s); 0 where none is assigned.
    """

    gpu_type: str
    gpus: int
    nodes: int
    servers: int
    cores: float
    memory: float
    ps_cores: float
    ps_memory: float
    limit: int | None
    rate: float

    def host_sends(self) -> float:
        """Return what one parameter server sends to the workers (Gb/s)."""
        return self.rate * self.gpus / max(self.gpus, self.servers)

    def worker_sends(self, size: int) -> float:
        """Return what a piece of some GPUs sends (Gb/s)."""
        if self.servers == 0:
            return self.rate if self.nodes > 1 else 0.0
        return self.rate * size * self.servers / max(self.gpus, self.servers)


@dataclass(frozen=True)
class _Spot:
    """Equal servers.

    ``sizes``: the pieces that they may hold, None: any. ``hosts``: whether parameter servers may stand there.
    """

    group: ServerGroup
    count: int
    sizes: frozenset[int] | None = None
    hosts: bool = True

    def __hash__(self) -> int:  # the labels of a group have no hash
        return hash((self.group.id, self.count, self.sizes, self.hosts))

    @property
    def place(self) -> str:
        return self.group.rack or self.group.site


@dataclass(frozen=True)
class Site:
    """The servers of one site, and its links.

    links
        Of each link that parts the site's servers: its capacity (Gb/s), and the racks below it.
    easy
        Up to this rate (Gb/s), summed over what one configuration sends, no server and no link binds.
    """

    spots: tuple[_Spot, ...]
    links: tuple[tuple[float, frozenset[str]], ...]
    easy: float

    def within(self, servers: Mapping[str, int]) -> Site:
        """Return the site with this number of servers of each group, by its id; none of the others."""
        spots = (replace(spot, count=servers.get(spot.group.id, 0)) for spot in self.spots)
        return replace(self, spots=tuple(spot for spot in spots if spot.count))

    def keeping(self, holds: Holding) -> Site:
        """Return the site for a job that stays where it is known to be: its pieces may stand nowhere else."""
        groups = {spot.group.id: spot.group for spot in self.spots}
        workers, hosts = ({server_of(n, groups): c for n, c in (named or {}).items()} for named in _named(holds))
        free = holds.placement is None, holds.server_placement is None
        spots: Counter[_Spot] = Counter()
        for spot in self.spots:
            own = {server for server in {*workers, *hosts} if server is not None and server[0] == spot.group.id}
            for server in own:
                sizes = None if free[0] else frozenset({workers[server]} if server in workers else ())
                spots[replace(spot, count=0, sizes=sizes, hosts=free[1] or server in hosts)] += 1
            sizes = None if free[0] else frozenset()
            spots[replace(spot, count=0, sizes=sizes, hosts=free[1])] += spot.count - len(own)
        return replace(self, spots=tuple(replace(spot, count=count) for spot, count in spots.items()))


def _named(holds: Holding) -> tuple[Mapping[str, int] | None, Mapping[str, int] | None]:
    return holds.placement, holds.server_placement


def sites_of(instance: Instance) -> dict[str, Site]:
    """Return each site of a cluster as jobs that run alone see it."""
    classes = server_classes(instance)
    parted = crossings(instance, classes) if instance.decides == "network" else ()
    found = {}
    for site in {g.site: None for g in instance.cluster.servers}:
        groups = [g for g in instance.cluster.servers if g.site == site]
        links = tuple(
            (link.capacity, frozenset(c.rack for c, below in zip(classes, link.below, strict=True) if below))
            for link in parted
            if link.site == site
        )
        most = [g.network_gbps for g in groups if g.network_gbps is not None]
        spots = tuple(_Spot(group, group.count) for group in groups)
        found[site] = Site(spots, links, min([*most, *(capacity for capacity, _ in links)], default=np.inf))
    return found


def pieces_held(group: ServerGroup, cores: float, memory: float) -> float:
    """Return how many pieces of some cores and memory an empty server holds."""
    most = np.inf
    for there, each in ((group.cpu_cores, cores), (group.memory_gb, memory)):
        if there is not None and each > 0:
            most = min(most, np.floor(there / each * (1 + SLACK)))
    return most


def placeable(site: Site, asked: Asked) -> bool:
    """Tell whether the pieces of a configuration fit different empty servers that can send its rate across the links.

    The pieces differ by one GPU at the most, and all parameter servers stand in one rack.
    """
    whole, more = divmod(asked.gpus, asked.nodes)
    small = {s for s in site.spots if _works(s, asked, whole)}
    large = {s for s in site.spots if _works(s, asked, whole + 1)}
    if asked.servers == 0:
        thin = [below for capacity, below in site.links if capacity < asked.worker_sends(whole) * (1 - SLACK)]
        parts: dict[tuple[bool, ...], list[_Spot]] = {}
        for spot in site.spots:
            parts.setdefault(tuple(spot.place in below for below in thin), []).append(spot)
        return any(_fit(part, small, large, asked.nodes, more) for part in parts.values())
    hosts = {
        s
        for s in site.spots
        if s.hosts
        and pieces_held(s.group, asked.ps_cores, asked.ps_memory) >= 1
        and _sends(s.group, asked.host_sends())
    }
    return any(
        _served(site, asked, small, large, {s for s in hosts if s.group.rack == rack})
        for rack in {s.group.rack for s in hosts}
    )


def _works(spot: _Spot, asked: Asked, size: int) -> bool:
    """Tell whether a server may hold a piece of some GPUs."""
    group = spot.group
    enough = group.gpu_type == asked.gpu_type and min(group.gpus, asked.limit or group.gpus) >= size
    able = enough and pieces_held(group, asked.cores, asked.memory) >= size
    return able and (spot.sizes is None or size in spot.sizes) and _sends(group, asked.worker_sends(size))


def _sends(group: ServerGroup, rate: float) -> bool:
    return rate <= 0 or group.network_gbps is None or group.network_gbps >= rate * (1 - SLACK)


def _count(spots: set[_Spot]) -> int:
    return sum(spot.count for spot in spots)


def _fit(part: Sequence[_Spot], small: set[_Spot], large: set[_Spot], nodes: int, more: int) -> bool:
    """Tell whether a number of pieces, some of them one GPU larger, fit a part of the servers (Hall's condition)."""
    here = set(part)
    both = here & (small | large)
    return _count(here & large) >= more and _count(here & small) >= nodes - more and _count(both) >= nodes


def _served(site: Site, asked: Asked, small: set[_Spot], large: set[_Spot], hosts: set[_Spot]) -> bool:
    """Tell whether the workers fit when all parameter servers stand on some servers of one rack.

    Of ``x`` workers' servers in a part of the site, at most ``Y(x)`` have one GPU more. ``Y`` is concave: the parts are
    joined by merging its increments. A link that leads away from the parameter servers limits the GPUs behind it.
    """
    whole, more = divmod(asked.gpus, asked.nodes)
    here = next(iter(hosts)).place
    if _count(hosts) < asked.servers:
        return False
    own = {s for s in site.spots if s.place == here and s.group.rack == next(iter(hosts)).group.rack}
    parts: list[tuple[set[str], FloatArray]] = [({here}, _larger(own, small, large, asked, hosts))]
    for place in {s.place for s in site.spots}:
        others = {s for s in site.spots if s.place == place} - own
        parts.append(({place}, _larger(others, small, large, asked, set())))
    everywhere = {s.place for s in site.spots}
    links = [(capacity, everywhere - below if here in below else set(below)) for capacity, below in site.links]
    for capacity, away in sorted(links if asked.rate > 0 else (), key=lambda link: len(link[1])):
        most = np.floor(capacity / asked.rate * max(asked.gpus, asked.servers) / asked.servers * (1 + SLACK))
        behind = [part for part in parts if part[0] <= away]
        total = np.cumsum(_merged([steps for _, steps in behind], asked.nodes))
        room = most - whole * np.arange(1.0, len(total) + 1)
        capped = np.minimum(total, room)[room >= 0]
        parts = [part for part in parts if not part[0] <= away]
        parts.append((set(away), np.diff(capped, prepend=0.0)))
    steps = _merged([steps for _, steps in parts], asked.nodes)
    return len(steps) >= asked.nodes and float(steps[: asked.nodes].sum()) >= more


def _larger(spots: set[_Spot], small: set[_Spot], large: set[_Spot], asked: Asked, hosts: set[_Spot]) -> FloatArray:
    """Return the increments of ``Y``, which end where no server is left, in servers that may be hosts, too."""
    able = spots & (small | large)
    most, larger = min(_count(able), asked.nodes), _count(spots & large)
    if hosts:
        most = min(most, _count(able | hosts) - asked.servers)
        larger = min(larger, _count((spots & large) | hosts) - asked.servers)
    steps = np.zeros(max(0, most))
    steps[: max(0, larger)] = 1.0
    return steps


def _merged(parts: Sequence[FloatArray], most: int) -> FloatArray:
    """Return the increments of the best sum of concave functions within a number of steps."""
    return np.sort(np.concatenate([np.empty(0), *parts]))[::-1][:most]
