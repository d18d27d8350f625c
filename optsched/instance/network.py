"""The cluster as a graph: sites, racks, switches and server groups joined by links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optsched.instance.records import Cluster

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["link_graph", "places"]


def places(cluster: Cluster) -> set[str]:
    """Return the ids that a link can end at: sites, racks and switches."""
    racks = {group.rack for group in cluster.servers if group.rack is not None}
    return {site.id for site in cluster.sites} | racks | set(cluster.switches)


def link_graph(cluster: Cluster) -> nx.Graph[str]:
    """Return the network of the cluster.

    Nodes are sites, racks and switches (attribute ``kind``); edges carry ``id`` and
    ``capacity_gbps``. A rack that no link names hangs on its site without a limit (capacity inf).
    """
    import networkx as nx

    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from((site.id for site in cluster.sites), kind="site")
    graph.add_nodes_from(cluster.switches, kind="switch")
    linked = {end for link in cluster.links for end in link.ends}
    for group in cluster.servers:
        if group.rack is not None:
            graph.add_node(group.rack, kind="rack")
            if group.rack not in linked:
                graph.add_edge(group.rack, group.site, id="", capacity_gbps=float("inf"))
    for link in cluster.links:
        graph.add_edge(*link.ends, id=link.id, capacity_gbps=link.capacity_gbps)
    return graph
