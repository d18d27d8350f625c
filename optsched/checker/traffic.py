"""Rules of the network: who names a rate and which, and what the rates send through servers and across links."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from optsched.checker.placement import Places
from optsched.checker.recompute import TOLERANCE, Truth, close
from optsched.checker.violation import Violation
from optsched.instance import Cluster, Job, link_graph
from optsched.instance.server_names import Server
from optsched.instance.solution import Allocation

__all__ = ["Traffic", "network_rules", "rate_rule", "sent_by"]

LEAST_RATE = 0.01
"""Least rate that may be chosen, as a part of the fastest network of the site's servers."""


def rate_rule(truth: Truth, job: Job, a: Allocation) -> Iterator[Violation]:
    """Check that an allocation names a network rate if, and only if, it needs one, and that it is not too small.

    A listed configuration that asks for a rate gets exactly that; on one server, where it meets no network, it may
    leave it out.
    """
    if truth.instance.decides != "network":
        if a.gbps is not None:
            yield Violation("rate", job.id, f"names {a.gbps:g} Gb/s, and the plan does not decide on the network")
        return
    several = a.nodes > 1 or a.servers > 0
    if job.configurations:
        listed = truth.listed(job, a)
        asked = None if listed is None else listed.gbps
        if a.gbps is None:
            if asked is not None and several:
                yield Violation("rate", job.id, f"names no network rate, and its configuration asks for {asked:g} Gb/s")
        elif asked is None or not close(a.gbps, asked):
            wanted = "none" if asked is None else f"{asked:g} Gb/s"
            yield Violation("rate", job.id, f"names {a.gbps:g} Gb/s, and its configuration asks for {wanted}")
        return
    curve = truth.instance.curves[job.curves[a.gpu_type]]
    needed = curve.on_network and (a.nodes > 1 or curve.scaling == "parameter_servers")
    if not needed and a.gbps is not None:
        yield Violation("rate", job.id, f"names {a.gbps:g} Gb/s, and needs no network")
    elif needed:
        least = LEAST_RATE * max(
            (group.network_gbps or 0.0 for group in truth.groups.values() if group.site == a.site), default=0.0
        )
        if a.gbps is None or not least * (1 - TOLERANCE) <= a.gbps < np.inf:
            yield Violation("rate", job.id, f"needs a network rate of at least {least:g} Gb/s, and names {a.gbps}")


@dataclass(frozen=True)
class _Spot:
    """Workers, parameter servers and pieces of one allocation in one place."""

    workers: int = 0
    servers: int = 0
    nodes: int = 0

    def __add__(self, other: _Spot) -> _Spot:
        return _Spot(self.workers + other.workers, self.servers + other.servers, self.nodes + other.nodes)

    def sends(self, a: Allocation) -> float:
        """Return the Gb/s that leave a set of servers that holds this much of an allocation, and no more than this."""
        rate = a.gbps or 0.0
        if a.servers == 0:
            return rate if 0 < self.nodes < a.nodes else 0.0
        pairs = self.workers * (a.servers - self.servers) + self.servers * (a.gpus - self.workers)
        return rate / max(a.gpus, a.servers) * pairs


@dataclass(frozen=True)
class _Forest:
    """The network, each part of it hung up at one place.

    up
        Of every other site, rack and switch: the place above, the id of the link there, and its capacity (Gb/s).
    """

    up: Mapping[str, tuple[str, str, float]]

    @staticmethod
    def of(cluster: Cluster) -> _Forest:
        import networkx as nx

        graph = link_graph(cluster)
        up: dict[str, tuple[str, str, float]] = {}
        for part in nx.connected_components(graph):
            for above, below in nx.bfs_edges(graph, min(part)):
                link = graph.edges[above, below]
                up[below] = above, link["id"], link["capacity_gbps"]
        return _Forest(up)

    def below(self, spots: Mapping[str, _Spot]) -> dict[str, _Spot]:
        """Return how much of an allocation hangs on the link above each place."""
        found: dict[str, _Spot] = defaultdict(_Spot)
        for place, spot in spots.items():
            at = place
            while at in self.up:
                found[at] += spot
                at = self.up[at][0]
        return found


@dataclass(frozen=True)
class Traffic:
    """What a plan sends each way (Gb/s): through each server's network, and across each link with what it carries."""

    through: Mapping[Server, float]
    across: Mapping[str, tuple[float, float]]


def sent_by(truth: Truth, held: Mapping[str, Allocation], places: Mapping[str, Places]) -> Traffic:
    """Return what allocations send.

    Parameters
    ----------
    held, places
        The allocation, and what it names of places, of each job.
    """
    forest = _Forest.of(truth.instance.cluster)
    through: dict[Server, float] = defaultdict(float)
    across: dict[str, float] = defaultdict(float)
    for name, a in held.items():
        if not a.gbps:
            continue
        at, spots = places[name], defaultdict[str, _Spot](_Spot)
        for server in {*at.workers, *at.servers}:
            spot = _Spot(at.workers.get(server, 0), at.servers.get(server, 0), int(server in at.workers))
            through[server] += spot.sends(a)
            group = truth.groups[server[0]]
            spots[group.rack or group.site] += spot
        for place, spot in forest.below(spots).items():
            across[place] += spot.sends(a)
    return Traffic(
        through, {link: (across.get(place, 0.0), most) for place, (_, link, most) in forest.up.items() if link}
    )


def network_rules(truth: Truth, held: Mapping[str, Allocation], places: Mapping[str, Places]) -> Iterator[Violation]:
    """Check what passes each server's network, and what crosses each link."""
    if truth.instance.decides != "network":
        return
    sent = sent_by(truth, held, places)
    for (group_id, number), amount in sent.through.items():
        there = truth.groups[group_id].network_gbps
        if there is not None and amount > there * (1 + TOLERANCE):
            yield Violation("network", f"{group_id}/{number}", f"{amount:g} Gb/s pass it, and {there:g} can")
    for link, (amount, most) in sent.across.items():
        if amount > most * (1 + TOLERANCE):
            yield Violation("network", link, f"{amount:g} Gb/s cross it, and {most:g} can")
