"""Placement domains: the sets of servers that can host each row, and the shared resources that it uses there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, distinct, even_split, members
from optsched.instance.pools import Pool
from optsched.instance.topology import Parted, Room
from optsched.problem.problem import Problem
from optsched.search.prices.table import ROOM

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["PlacementDomains", "placement_domains"]

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class PlacementDomains:
    """Which placement domains can host each shape of row: an option is a shape in one of its domains.

    A domain is a set of servers that links separate from the rest: a rack, the servers below a switch, a site. Rows of
    one shape have the same pieces in the same pool, and so the same options.

    shape
        Of each row, shape ``(rows,)``.
    domain
        Domains of each shape, shape ``(shapes, slots)``; -1 for none.
    fixed, sloped
        What an option uses of each shared resource at any rate, and per Gb/s, shape ``(shapes * slots, resources)``.
    capacity
        Of the resources that options share, shape ``(resources,)``.
    domains
        Server classes of each domain, shape ``(domains, classes)``.
    """

    shape: IntArray
    domain: IntArray
    fixed: csr_array
    sloped: csr_array
    capacity: FloatArray
    domains: Bools

    def priced(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the cost of options at prices, at any rate and per Gb/s, shape ``(shapes, slots)`` each."""
        return (self.fixed @ prices).reshape(self.domain.shape), (self.sloped @ prices).reshape(self.domain.shape)

    @cached_property
    def fastest(self) -> FloatArray:
        """Greatest rate at which an option exceeds no capacity, shape ``(shapes, slots)``; -inf for none."""
        fixed, sloped = self.fixed.tocoo(), self.sloped.tocoo()
        most = np.full(self.domain.size, np.inf)
        over = fixed.data > self.capacity[fixed.coords[1]] * (1 + ROOM)
        left = self.capacity[sloped.coords[1]] - self.fixed[sloped.coords[0], sloped.coords[1]]
        np.minimum.at(most, sloped.coords[0], np.maximum(left, 0.0) / sloped.data)
        most[fixed.coords[0][over]] = -np.inf
        return np.where(self.domain >= 0, most.reshape(self.domain.shape), -np.inf)

    def used(self, rows: IntArray, slot: IntArray, gbps: FloatArray) -> csr_array:
        """Return what rows in their slots use at rates (nan: none), shape ``(n, resources)``."""
        from scipy.sparse import csr_array

        option = self.shape[rows] * self.domain.shape[1] + slot
        sloped = self.sloped[option]
        sloped.data = sloped.data * np.nan_to_num(gbps).repeat(np.diff(sloped.indptr))
        return csr_array(self.fixed[option] + sloped)


def placement_domains(problem: Problem, room: Room) -> PlacementDomains:
    """Return the options of a problem's rows in a room. Identical domains are aggregated.

    Besides the resources of pools and sites, rows share in each domain, for each GPU type,

    - the GPUs, of all rows placed within it;
    - the servers: a piece larger than half a server takes all of it, and one of exactly half takes half of it (the dual
      feasible function ``u(1)`` of Fekete and Schepers, Math. Programming 91, 2001);
    - the servers' network; a piece that takes all GPUs of a server takes all its network, since no other worker fits;

    and, for rows that spread over several parts of a domain, the links between the parts: as many as a ring crosses at
    least, and each link that it crosses for certain (:class:`optsched.instance.topology.Parted`). Every plan respects
    all of these. The only domain of rows that run now, and of rows without a rate, is the whole site.
    """
    table, columns = problem.configurations, problem.configurations.columns
    domains, of_site = room.domains()
    alike = _alike(room, domains)
    times = np.bincount(alike, minlength=len(domains))
    rated = ~np.isnan(columns.gbps) & ~table.kept
    key = np.column_stack([columns.pool, columns.gpus, columns.nodes, columns.servers, rated, table.kept])
    first, shape = distinct(key)
    shapes = key[first]
    pool, gpus, nodes = shapes[:, :3].T
    servers = np.array([len(c) for c in room.classes])
    held = servers * np.array([c.gpus for c in room.classes])
    shape_of, domain_of = [], []
    for p, at in enumerate(table.pools):
        own = _own(room, at)
        places = of_site.get(at.site, [])
        for h in places:
            if times[h] == 0:
                continue
            mine = domains[h] & own
            fits = (pool == p) & (gpus <= held[mine].sum()) & (nodes <= servers[mine].sum())
            fits &= (shapes[:, 4] > 0) | (h == places[-1])
            shape_of.append(np.flatnonzero(fits))
            domain_of.append(np.full(int(fits.sum()), h))
    which = np.concatenate([np.empty(0, dtype=np.int64), *shape_of])
    where = np.concatenate([np.empty(0, dtype=np.int64), *domain_of])
    order = np.argsort(which, kind="stable")
    which, where = which[order], where[order]
    count = np.bincount(which, minlength=len(shapes))
    slots = max(1, int(count.max(initial=0)))
    slot = members(count)[1]
    domain = np.full((len(shapes), slots), -1)
    domain[which, slot] = where
    option = which * slots + slot
    entries, capacity = _shared(problem, room, domains, of_site, times, shapes[which], where)
    from scipy.sparse import csr_array

    size = (len(shapes) * slots, len(capacity))
    taken, resource, fixed, sloped = entries
    some = sloped > 0
    return PlacementDomains(
        shape,
        domain,
        csr_array((fixed, (option[taken], resource)), shape=size),
        csr_array((sloped[some], (option[taken[some]], resource[some])), shape=size),
        capacity,
        domains,
    )


def _shared(
    problem: Problem,
    room: Room,
    domains: Bools,
    of_site: dict[str, list[int]],
    times: IntArray,
    shapes: IntArray,
    domain: IntArray,
) -> tuple[tuple[IntArray, IntArray, FloatArray, FloatArray], FloatArray]:
    """Return what options use as coordinates (option, resource, at any rate, per Gb/s), and the capacities.

    Parameters
    ----------
    times
        Number of identical domains that each represents, shape ``(domains,)``; 0 for a domain that another represents.
    shapes, domain
        Of each option: (pool, GPUs, nodes, parameter servers, has a rate, kept), and its domain.
    """
    pool, gpus, nodes, servers, _, kept = shapes.T
    within = _within(domains)
    size, count, share = _workers(gpus, nodes, servers)
    parts: list[tuple[IntArray, IntArray, FloatArray, FloatArray]] = []
    capacity: list[float] = []

    def add(options: IntArray, fixed: FloatArray, sloped: FloatArray, limit: float) -> None:
        some = (fixed > 0) | (sloped > 0)
        if np.isfinite(limit) and some.any():
            parts.append((options[some], np.full(int(some.sum()), len(capacity)), fixed[some], sloped[some]))
            capacity.append(limit)

    for p, at in enumerate(problem.configurations.pools):
        own = _own(room, at)
        of_pool = pool == p
        for h in of_site.get(at.site, []):
            mine = [c for c, inside in zip(room.classes, domains[h] & own, strict=True) if inside]
            options = np.flatnonzero(of_pool & within[domain, h])
            if not mine or len(options) == 0 or times[h] == 0:
                continue
            none = np.zeros(len(options))
            if h != of_site[at.site][-1]:
                add(options, gpus[options].astype(np.float64), none, times[h] * sum(len(c) * c.gpus for c in mine))
            largest = max(c.gpus for c in mine)
            rounded = (count * (np.sign(2 * size - largest) + 1) / 2)[options].sum(axis=1)
            add(options, rounded, none, times[h] * sum(len(c) for c in mine))
            network = sum(len(c) * c.network_gbps for c in mine)
            if np.isfinite(network):
                whole = min(c.network_gbps for c in mine if c.gpus == largest)
                filled = (size == largest)[options]
                fixed = np.where(filled, count[options] * whole, 0.0).sum(axis=1)
                sloped = np.where(filled, 0.0, count[options] * share[options]).sum(axis=1)
                add(options, fixed, sloped, times[h] * network)
    every_option, none = np.arange(len(domain)), np.zeros(len(domain))
    ends, crosses, surely = _crossed(
        problem, room, domains, np.where((servers == 0) & (kept == 0), pool, -1), nodes, domain
    )
    limit = np.array([c.capacity for c in room.crossings])
    for e in np.flatnonzero(surely.any(axis=0)).tolist():
        add(every_option, none, surely[:, e].astype(np.float64), limit[e])
    for h in np.unique(domain).tolist():
        some = (domain == h) & (crosses & ~surely).any(axis=1)
        for links in np.unique(crosses[some], axis=0):
            mine = (domain == h) & crosses.any(axis=1) & ~(crosses & ~links).any(axis=1)
            add(every_option, none, np.where(mine, ends, 0.0), limit[links].sum())
    option, resource, fixed, sloped = (np.concatenate([none[:0], *(part[k] for part in parts)]) for k in range(4))
    whole_numbers = option.astype(np.int64), resource.astype(np.int64)
    return (*whole_numbers, fixed.astype(np.float64), sloped.astype(np.float64)), np.array(capacity, dtype=np.float64)


def _crossed(
    problem: Problem, room: Room, domains: Bools, pool: IntArray, nodes: IntArray, domain: IntArray
) -> tuple[FloatArray, Bools, Bools]:
    """Return how many links each ring in its domain crosses at least, which it may cross, and which it must.

    Shape ``(options,)``, and ``(options, crossings)`` twice; ``pool`` is -1 for options that are no rings.
    """
    ends = np.zeros(len(domain))
    crosses, surely = np.zeros((2, len(domain), len(room.crossings)), dtype=bool)
    sizes = np.array([len(c) for c in room.classes])
    for p, at in enumerate(problem.configurations.pools):
        own = domains & _own(room, at)
        for h in np.unique(domain[pool == p]).tolist():
            rings = np.flatnonzero((pool == p) & (domain == h))
            parted = Parted.of(own[h], own, room.crossings, sizes)
            ends[rings] = parted.least(nodes[rings])
            crosses[np.ix_(rings, parted.links)] = True
            surely[np.ix_(rings, parted.links[parted.surely])] = True
    return ends, crosses, surely


def _own(room: Room, pool: Pool) -> Bools:
    """Tell which classes are servers of a pool, shape ``(classes,)``."""
    return np.array([c.gpu_type == pool.gpu_type and c.site == pool.site for c in room.classes], dtype=bool)


def _within(domains: Bools) -> Bools:
    """Return which domains lie within which, shape ``(domains, domains)``."""
    return ~np.array([(mine & ~domains).any(axis=1) for mine in domains], dtype=bool).reshape(
        len(domains), len(domains)
    )


def _workers(gpus: IntArray, nodes: IntArray, servers: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return size, count and share of the rate of the two sizes of worker pieces of each row, ``(n, 2)`` each."""
    size, count = even_split(gpus, nodes)
    share = np.where(servers[:, None] > 0, size * (servers / np.maximum(gpus, servers))[:, None], 1.0)
    return size, count, share


def _alike(room: Room, domains: Bools) -> IntArray:
    """Return the first domain identical to each, shape ``(domains,)``.

    Domains are identical if they contain no smaller domain, equal servers, and lie in the same larger domains.
    """
    within = _within(domains)
    first: dict[tuple[object, ...], int] = {}
    found = np.arange(len(domains))
    for h in range(len(domains)):
        above = within[h].copy()
        above[h] = False
        held = sorted(
            (c.site, str(c.gpu_type), c.gpus, c.cpu_cores, c.memory_gb, c.network_gbps, len(c))
            for c, inside in zip(room.classes, domains[h], strict=True)
            if inside
        )
        if within[:, h].sum() == 1:
            found[h] = first.setdefault((above.tobytes(), *held), h)
    return found
