"""Moving a job's data to another site: over which links, how fast, and at which price."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from optsched.instance.records import Cluster, Instance, Job, Link

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Transfers", "hourly_price"]

Route = tuple[tuple[Link, int], ...]


def hourly_price(cluster: Cluster) -> Mapping[tuple[str, str], float]:
    """Return the price of one GPU-hour by site and GPU type: the site's own, or that of the GPU type."""
    return {
        (site.id, gpu.id): site.hourly_prices.get(gpu.id, gpu.hourly_price)
        for site in cluster.sites
        for gpu in cluster.gpu_types
    }


class Transfers:
    """The links between sites, and what jobs' data take of them.

    A job whose data are at home in one site and that runs in another has them copied within the round, over the only
    route. Where the cluster has links between sites, data take no other way; where it has none, nothing limits them.
    What a job already holds needs no copy.
    """

    def __init__(self, instance: Instance) -> None:
        cluster = instance.cluster
        ends = {site.id for site in cluster.sites} | set(cluster.switches)
        self.instance = instance
        self.links = tuple(link for link in cluster.links if ends.issuperset(link.ends))
        self._routes: dict[tuple[str, str], Route | None] = {}

    @cached_property
    def _graph(self) -> nx.Graph[str]:
        import networkx as nx

        graph: nx.Graph[str] = nx.Graph()
        for number, link in enumerate(self.links):
            graph.add_edge(*link.ends, number=number)
        return graph

    def moves(self, job: Job, site: str) -> bool:
        """Tell whether running a job in a site means to copy its data there."""
        held = job.holds is not None and job.holds.site == site
        return job.home not in (None, site) and job.data_gb > 0 and not held

    @property
    def any(self) -> bool:
        """Whether any job has data that links would carry."""
        return bool(self.links) and any(job.home is not None and job.data_gb > 0 for job in self.instance.jobs)

    def route(self, origin: str, site: str) -> Route | None:
        """Return the links between two sites, each with the end where it is entered; None where none lead there."""
        if not self.links:
            return ()
        if (origin, site) not in self._routes:
            import networkx as nx

            found: Route | None = None
            if self._graph.has_node(origin) and self._graph.has_node(site) and nx.has_path(self._graph, origin, site):
                path = nx.shortest_path(self._graph, origin, site)
                steps = []
                for a, b in pairwise(path):
                    link = self.links[self._graph.edges[a, b]["number"]]
                    steps.append((link, link.ends.index(a)))
                found = tuple(steps)
            self._routes[origin, site] = found
        return self._routes[origin, site]

    def gbps(self, job: Job) -> float:
        """Return the rate at which a job's data are copied within the round (Gb/s)."""
        return job.data_gb * 8 / self.instance.round_s

    def hourly_cost(self, job: Job, site: str) -> float:
        """Return what copying a job's data to a site costs, spread over the round (currency per hour)."""
        if job.home is None or not self.moves(job, site):
            return 0.0
        price = sum(link.price_per_gb for link, _ in self.route(job.home, site) or ())
        return job.data_gb * price * 3600 / self.instance.round_s
