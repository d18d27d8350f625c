"""Where rows may stand, and what they take there of what homes share."""

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

__all__ = ["Stands", "stands_of"]

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Stands:
    """Shapes of rows in homes. Rows of one shape have the same pieces in the same pool, and may stand alike.

    shape
        Of each row, shape ``(rows,)``.
    home
        Homes of each shape, shape ``(shapes, slots)``; -1 for none.
    fixed, sloped
        What a stand takes of each resource whatever its rate, and for each Gb/s, shape ``(shapes * slots, resources)``.
    capacity
        Of the resources that homes share, shape ``(resources,)``.
    homes
        Classes of each home, shape ``(homes, classes)``.
    """

    shape: IntArray
    home: IntArray
    fixed: csr_array
    sloped: csr_array
    capacity: FloatArray
    homes: Bools

    def priced(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what stands cost at prices, whatever their rate and for each Gb/s, shape ``(shapes, slots)`` each."""
        return (self.fixed @ prices).reshape(self.home.shape), (self.sloped @ prices).reshape(self.home.shape)

    @cached_property
    def fastest(self) -> FloatArray:
        """Greatest rate at which a stand takes no more than there is, shape ``(shapes, slots)``; -inf for none."""
        fixed, sloped = self.fixed.tocoo(), self.sloped.tocoo()
        most = np.full(self.home.size, np.inf)
        over = fixed.data > self.capacity[fixed.coords[1]] * (1 + ROOM)
        left = self.capacity[sloped.coords[1]] - self.fixed[sloped.coords[0], sloped.coords[1]]
        np.minimum.at(most, sloped.coords[0], np.maximum(left, 0.0) / sloped.data)
        most[fixed.coords[0][over]] = -np.inf
        return np.where(self.home >= 0, most.reshape(self.home.shape), -np.inf)

    def used(self, rows: IntArray, slot: IntArray, gbps: FloatArray) -> csr_array:
        """Return what rows in their slots take at rates (nan: none), shape ``(n, resources)``."""
        from scipy.sparse import csr_array

        stand = self.shape[rows] * self.home.shape[1] + slot
        sloped = self.sloped[stand]
        sloped.data = sloped.data * np.nan_to_num(gbps).repeat(np.diff(sloped.indptr))
        return csr_array(self.fixed[stand] + sloped)


def stands_of(problem: Problem, room: Room) -> Stands:
    """Return the stands of a problem's rows in a room. Equal homes are one, of as much as all of them have.

    Beside the resources of pools and sites, rows share, in each home and for each type of GPUs

    - the GPUs (of all that stand within it);
    - the servers: a piece larger than half of one takes it whole, and one of exactly half takes half of it (the dual
      feasible function ``u(1)`` of Fekete and Schepers, Math. Programming 91, 2001);
    - their network, of which a piece that takes all GPUs of a server takes all, since no other worker stands there;

    and for what spreads over several parts of a home, the links between these, as many as a ring crosses at the least,
    and each that it crosses for certain (:class:`optsched.instance.topology.Parted`, of what a type of GPUs has there).
    Every plan keeps all of these. What is held now, and what needs no rate, stands in the whole site.
    """
    table, columns = problem.configurations, problem.configurations.columns
    homes, of_site = room.homes()
    alike = _alike(room, homes)
    times = np.bincount(alike, minlength=len(homes))
    rated = ~np.isnan(columns.gbps) & ~table.kept
    key = np.column_stack([columns.pool, columns.gpus, columns.nodes, columns.servers, rated, table.kept])
    first, shape = distinct(key)
    shapes = key[first]
    pool, gpus, nodes = shapes[:, :3].T
    servers = np.array([len(c) for c in room.classes])
    held = servers * np.array([c.gpus for c in room.classes])
    shape_of, home_of = [], []
    for p, at in enumerate(table.pools):
        own = _own(room, at)
        places = of_site.get(at.site, [])
        for h in places:
            if times[h] == 0:
                continue
            mine = homes[h] & own
            fits = (pool == p) & (gpus <= held[mine].sum()) & (nodes <= servers[mine].sum())
            fits &= (shapes[:, 4] > 0) | (h == places[-1])
            shape_of.append(np.flatnonzero(fits))
            home_of.append(np.full(int(fits.sum()), h))
    which = np.concatenate([np.empty(0, dtype=np.int64), *shape_of])
    where = np.concatenate([np.empty(0, dtype=np.int64), *home_of])
    order = np.argsort(which, kind="stable")
    which, where = which[order], where[order]
    count = np.bincount(which, minlength=len(shapes))
    slots = max(1, int(count.max(initial=0)))
    slot = members(count)[1]
    home = np.full((len(shapes), slots), -1)
    home[which, slot] = where
    stand = which * slots + slot
    entries, capacity = _shared(problem, room, homes, of_site, times, shapes[which], where)
    from scipy.sparse import csr_array

    size = (len(shapes) * slots, len(capacity))
    taken, resource, fixed, sloped = entries
    some = sloped > 0
    return Stands(
        shape,
        home,
        csr_array((fixed, (stand[taken], resource)), shape=size),
        csr_array((sloped[some], (stand[taken[some]], resource[some])), shape=size),
        capacity,
        homes,
    )


def _shared(
    problem: Problem,
    room: Room,
    homes: Bools,
    of_site: dict[str, list[int]],
    times: IntArray,
    shapes: IntArray,
    home: IntArray,
) -> tuple[tuple[IntArray, IntArray, FloatArray, FloatArray], FloatArray]:
    """Return what stands take as coordinates (stand, resource, whatever the rate, for each Gb/s), and the capacities.

    Parameters
    ----------
    times
        For how many equal homes each stands, shape ``(homes,)``; 0 where another stands for it.
    shapes, home
        Of each stand: (pool, GPUs, nodes, parameter servers, has a rate, kept), and its home.
    """
    pool, gpus, nodes, servers, _, kept = shapes.T
    within = _within(homes)
    size, count, share = _workers(gpus, nodes, servers)
    parts: list[tuple[IntArray, IntArray, FloatArray, FloatArray]] = []
    capacity: list[float] = []

    def add(stands: IntArray, fixed: FloatArray, sloped: FloatArray, limit: float) -> None:
        some = (fixed > 0) | (sloped > 0)
        if np.isfinite(limit) and some.any():
            parts.append((stands[some], np.full(int(some.sum()), len(capacity)), fixed[some], sloped[some]))
            capacity.append(limit)

    for p, at in enumerate(problem.configurations.pools):
        own = _own(room, at)
        of_pool = pool == p
        for h in of_site.get(at.site, []):
            mine = [c for c, inside in zip(room.classes, homes[h] & own, strict=True) if inside]
            stands = np.flatnonzero(of_pool & within[home, h])
            if not mine or len(stands) == 0 or times[h] == 0:
                continue
            none = np.zeros(len(stands))
            if h != of_site[at.site][-1]:
                add(stands, gpus[stands].astype(np.float64), none, times[h] * sum(len(c) * c.gpus for c in mine))
            largest = max(c.gpus for c in mine)
            rounded = (count * (np.sign(2 * size - largest) + 1) / 2)[stands].sum(axis=1)
            add(stands, rounded, none, times[h] * sum(len(c) for c in mine))
            network = sum(len(c) * c.network_gbps for c in mine)
            if np.isfinite(network):
                whole = min(c.network_gbps for c in mine if c.gpus == largest)
                filled = (size == largest)[stands]
                fixed = np.where(filled, count[stands] * whole, 0.0).sum(axis=1)
                sloped = np.where(filled, 0.0, count[stands] * share[stands]).sum(axis=1)
                add(stands, fixed, sloped, times[h] * network)
    every_stand, none = np.arange(len(home)), np.zeros(len(home))
    ends, crosses, surely = _crossed(
        problem, room, homes, np.where((servers == 0) & (kept == 0), pool, -1), nodes, home
    )
    limit = np.array([c.capacity for c in room.crossings])
    for e in np.flatnonzero(surely.any(axis=0)).tolist():
        add(every_stand, none, surely[:, e].astype(np.float64), limit[e])
    for h in np.unique(home).tolist():
        some = (home == h) & (crosses & ~surely).any(axis=1)
        for links in np.unique(crosses[some], axis=0):
            mine = (home == h) & crosses.any(axis=1) & ~(crosses & ~links).any(axis=1)
            add(every_stand, none, np.where(mine, ends, 0.0), limit[links].sum())
    stand, resource, fixed, sloped = (np.concatenate([none[:0], *(part[k] for part in parts)]) for k in range(4))
    whole_numbers = stand.astype(np.int64), resource.astype(np.int64)
    return (*whole_numbers, fixed.astype(np.float64), sloped.astype(np.float64)), np.array(capacity, dtype=np.float64)


def _crossed(
    problem: Problem, room: Room, homes: Bools, pool: IntArray, nodes: IntArray, home: IntArray
) -> tuple[FloatArray, Bools, Bools]:
    """Return on how many links each ring in its home stands, on which it may, and on which it does for certain.

    Shape ``(stands,)``, and ``(stands, crossings)`` twice; ``pool`` is -1 for what is no ring.
    """
    ends = np.zeros(len(home))
    crosses, surely = np.zeros((2, len(home), len(room.crossings)), dtype=bool)
    sizes = np.array([len(c) for c in room.classes])
    for p, at in enumerate(problem.configurations.pools):
        own = homes & _own(room, at)
        for h in np.unique(home[pool == p]).tolist():
            rings = np.flatnonzero((pool == p) & (home == h))
            parted = Parted.of(own[h], own, room.crossings, sizes)
            ends[rings] = parted.least(nodes[rings])
            crosses[np.ix_(rings, parted.links)] = True
            surely[np.ix_(rings, parted.links[parted.surely])] = True
    return ends, crosses, surely


def _own(room: Room, pool: Pool) -> Bools:
    """Tell which classes are servers of a pool, shape ``(classes,)``."""
    return np.array([c.gpu_type == pool.gpu_type and c.site == pool.site for c in room.classes], dtype=bool)


def _within(homes: Bools) -> Bools:
    """Return which homes lie within which, shape ``(homes, homes)``."""
    return ~np.array([(mine & ~homes).any(axis=1) for mine in homes], dtype=bool).reshape(len(homes), len(homes))


def _workers(gpus: IntArray, nodes: IntArray, servers: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return size, count and part of the rate of the two kinds of pieces of workers of each row, ``(n, 2)`` each."""
    size, count = even_split(gpus, nodes)
    share = np.where(servers[:, None] > 0, size * (servers / np.maximum(gpus, servers))[:, None], 1.0)
    return size, count, share


def _alike(room: Room, homes: Bools) -> IntArray:
    """Return the first home that each one is equal to, shape ``(homes,)``: what holds no home, in the same homes."""
    within = _within(homes)
    first: dict[tuple[object, ...], int] = {}
    found = np.arange(len(homes))
    for h in range(len(homes)):
        above = within[h].copy()
        above[h] = False
        held = sorted(
            (c.site, str(c.gpu_type), c.gpus, c.cpu_cores, c.memory_gb, c.network_gbps, len(c))
            for c, inside in zip(room.classes, homes[h], strict=True)
            if inside
        )
        if within[:, h].sum() == 1:
            found[h] = first.setdefault((above.tobytes(), *held), h)
    return found
