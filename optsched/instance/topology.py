"""Servers in classes of equal ones, and the tree of links between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import IntArray
from optsched.instance import Holding, Instance, ServerGroup
from optsched.instance.network import link_graph
from optsched.instance.server_names import group_of

__all__ = [
    "Crossing",
    "Parted",
    "Room",
    "ServerClass",
    "canonical",
    "crossings",
    "lawful",
    "names_of",
    "server_classes",
]

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ServerClass:
    """Equal servers that hang on the same point of the network.

    names
        Of each, ``group/number``, or ``group`` for the only one of a group.
    rack
        Where they hang: a rack, or the site for those without one.
    cpu_cores, memory_gb, network_gbps
        Of each server; inf where it does not bind.
    """

    names: tuple[str, ...]
    site: str
    rack: str
    gpu_type: str | None
    gpus: int
    cpu_cores: float
    memory_gb: float
    network_gbps: float

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return self.names[0] if len(self) == 1 else f"{self.names[0]}+{len(self) - 1}"


@dataclass(frozen=True)
class Crossing:
    """A link as jobs of one site see it.

    below
        Which classes it joins to the rest of the site, shape ``(classes,)``; none of another site.
    """

    link: str
    site: str
    capacity: float
    below: Bools


@dataclass(frozen=True)
class Room:
    """Servers and links that jobs may use: all of a cluster, or what others leave of it."""

    classes: tuple[ServerClass, ...]
    crossings: tuple[Crossing, ...]

    @staticmethod
    def of(instance: Instance, *, merge: bool = True) -> Room:
        """Return all of an instance's cluster."""
        classes = server_classes(instance, merge=merge)
        return Room(classes, crossings(instance, classes))

    def apart(self) -> Room:
        """Return the same room with every server as a class of its own."""
        owner = [k for k, c in enumerate(self.classes) for _ in c.names]
        classes = tuple(replace(c, names=(name,)) for c in self.classes for name in c.names)
        return Room(classes, tuple(replace(e, below=e.below[owner]) for e in self.crossings))

    def domains(self) -> tuple[Bools, dict[str, list[int]]]:
        """Return sets of classes, ``(domains, classes)``, in which a job may stand without crossing all links.

        What the links part least is a domain, and what lies below a link, and the site. The domains of each site come
        with it, small ones first and the site last.
        """
        domains: list[Bools] = []
        of_site: dict[str, list[int]] = {}
        for site in {c.site: None for c in self.classes}:
            mine = np.array([c.site == site for c in self.classes])
            own = [link.below for link in self.crossings if link.site == site]
            sides = np.array(own, dtype=bool).reshape(-1, len(self.classes))
            atoms = [mine & (sides == pattern[:, None]).all(axis=0) for pattern in np.unique(sides[:, mine], axis=1).T]
            sets = {domain.tobytes(): domain for domain in (*atoms, *own)}
            sets.pop(mine.tobytes(), None)
            ordered = [*sorted(sets.values(), key=lambda domain: int(domain.sum())), mine]
            of_site[site] = list(range(len(domains), len(domains) + len(ordered)))
            domains += ordered
        return np.array(domains), of_site


@dataclass(frozen=True)
class Parted:
    """The links that part a domain, and so what a ring crosses that stands in no smaller domain.

    links
        Numbers of the crossings, shape ``(links,)``.
    surely
        Which of them it crosses wherever it stands: either side of such a link lies within a smaller domain.
    servers
        Of the parts that no link divides, most first, shape ``(parts,)``.
    unlinked
        How many parts have no link of their own.
    apart
        Whether each server of the domain is below one of the links.
    """

    links: IntArray
    surely: Bools
    servers: IntArray
    unlinked: int
    apart: bool

    @staticmethod
    def of(domain: Bools, domains: Bools, crossings: Sequence[Crossing], servers: IntArray) -> Parted:
        """Return how links part a domain, of shape ``(classes,)``.

        Parameters
        ----------
        domains
            All of them, shape ``(domains, classes)``.
        servers
            Of each class, shape ``(classes,)``.
        """
        sides = np.array([e.below & domain for e in crossings], dtype=bool).reshape(-1, len(domain))
        links = np.flatnonzero(sides.any(axis=1) & (domain & ~sides).any(axis=1))
        below = sides[links]
        smaller = domains[~(domains & ~domain).any(axis=1) & (domain & ~domains).any(axis=1)]
        surely = _within_any(below, smaller) & _within_any(domain & ~below, smaller)
        parts, part = np.unique(below[:, domain], axis=1, return_inverse=True)
        alone = part.ravel() == np.arange(parts.shape[1])[:, None]
        linked = (alone[:, None] == below[:, domain]).all(axis=2).any(axis=1)
        most = np.sort(alone @ servers[domain])[::-1]
        return Parted(links, surely, most, int(np.count_nonzero(~linked)), bool(below[:, domain].any(axis=0).all()))

    def least(self, pieces: IntArray) -> IntArray:
        """Return how many of the links a ring of a number of pieces, on servers of their own, crosses at least.

        It crosses the link of each part where it stands that has one, and needs as many parts as have servers for it.
        It crosses two links in any case, or one where servers hang on the domain itself.
        """
        parts = 1 + np.searchsorted(np.cumsum(self.servers), pieces)
        return np.maximum(1 + self.apart, parts - self.unlinked)


def _within_any(sets: Bools, domains: Bools) -> Bools:
    """Tell which sets of classes, ``(sets, classes)``, lie within one of the domains."""
    return np.array([any(not (some & ~domain).any() for domain in domains) for some in sets], dtype=bool)


def server_classes(instance: Instance, *, merge: bool = True) -> tuple[ServerClass, ...]:
    """Return the classes of the cluster's servers; without ``merge`` every server is a class of its own.

    Groups that differ in nothing share a class. A server that a job's holding names stands alone,
    since keeping what is held is not the same as holding an equal server.
    """
    held = {
        canonical(instance, name)
        for job in instance.jobs
        if job.holds is not None
        for places in (job.holds.placement, job.holds.server_placement)
        for name in places or ()
    }
    draining = {canonical(instance, name) for name in instance.cluster.draining}
    classes: dict[tuple[object, ...], list[str]] = {}
    sample: dict[tuple[object, ...], ServerGroup] = {}
    for group in instance.cluster.servers:
        alike = (
            group.site,
            group.rack or group.site,
            group.gpu_type,
            group.gpus,
            group.cpu_cores,
            group.memory_gb,
            group.network_gbps,
            tuple(sorted(group.labels.items())),
            group.taints,
        )
        for name in names_of(group):
            key = (*alike, name in draining, "" if merge and name not in held else name)
            classes.setdefault(key, []).append(name)
            sample[key] = group
    return tuple(
        ServerClass(
            tuple(names),
            g.site,
            g.rack or g.site,
            g.gpu_type,
            g.gpus,
            *(np.inf if amount is None else amount for amount in (g.cpu_cores, g.memory_gb, g.network_gbps)),
        )
        for (names, g) in zip(classes.values(), sample.values(), strict=True)
    )


def names_of(group: ServerGroup) -> Iterator[str]:
    """Yield the names of a group's servers, as plans write them."""
    if group.count == 1:
        yield group.id
    else:
        yield from (f"{group.id}/{number}" for number in range(group.count))


def canonical(instance: Instance, name: str) -> str:
    """Return the name of a server as plans write it: ``group/0`` is ``group`` where it is the only one."""
    group, slash, number = name.rpartition("/")
    alone = any(g.id == group and g.count == 1 for g in instance.cluster.servers)
    return group if slash and number == "0" and alone else name


def crossings(instance: Instance, classes: tuple[ServerClass, ...]) -> tuple[Crossing, ...]:
    """Return the links with a limit that jobs may cross, as each site's jobs see them.

    The links form a forest. Seen from a site, each link of its tree parts the site's servers in those
    below it and the rest; links that part none are left out. Of links that part the servers in the same
    way, the tightest is enough.
    """
    import networkx as nx

    graph = link_graph(instance.cluster)
    found: dict[tuple[str, bytes], Crossing] = {}
    for site in {c.site: None for c in classes}:
        tree = nx.bfs_tree(graph, site)
        mine = np.array([c.site == site for c in classes])
        under: dict[str, Bools] = {}
        for node in reversed(list(nx.topological_sort(tree))):
            own = mine & np.array([c.rack == node for c in classes])
            under[node] = np.logical_or.reduce([own, *(under[child] for child in tree.successors(node))])
        for parent, node in tree.edges:
            edge = graph.edges[parent, node]
            below = under[node]
            if np.isfinite(edge["capacity_gbps"]) and below.any() and (mine & ~below).any():
                # the two sides of a link are alike: name a cut by the side without the site's first class
                side = below if not below[np.argmax(mine)] else mine & ~below
                known = found.get(key := (site, side.tobytes()))
                if known is None or edge["capacity_gbps"] < known.capacity:
                    found[key] = Crossing(edge["id"], site, edge["capacity_gbps"], below)
    return tuple(found.values())


def lawful(instance: Instance, holds: Holding) -> bool:
    """Tell whether a holding's known places keep the rules that hold for plans."""
    rack_of = {g.id: g.rack or g.site for g in instance.cluster.servers}
    gpus, servers = holds.placement, holds.server_placement
    if gpus is not None and max(gpus.values()) - min(gpus.values()) > 1:
        return False
    if servers is None:
        return True
    apart = all(count == 1 for count in servers.values()) and not set(servers) & set(gpus or ())
    return apart and len({rack_of.get(group_of(name, rack_of)) for name in servers}) == 1
