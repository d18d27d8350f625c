"""Prices of racks and links: a bound, and what each row is worth in its best home at its best network rate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optsched.configurations import repeated
from optsched.curves import FloatArray, IntArray
from optsched.places import Room
from optsched.prices import price
from optsched.problem import Problem
from optsched.rates import rate_breakpoints

__all__ = ["Worth", "worth_in_pools", "worth_of"]

_ERROR = 1e-2
"""Of the values at network rates, which are bounded from above."""


@dataclass(frozen=True)
class Worth:
    """What the rows of a problem are worth at prices of all that homes share.

    net
        Value of each row less what it takes, in its best home at its best rate, shape ``(rows,)``.
    home
        Classes of that home, shape ``(rows, classes)``; of ``rows``, of the home where they stand.
    rows
        A plan of rows that keeps all that is shared, shape ``(jobs,)``, -1 for none; None where none was found.
    rate
        The best network rate of each row, nan where it has none; of ``rows``, their own; shape ``(rows,)``.
    dual
        The Lagrangian dual at the prices, recomputed: a bound on any plan's value. What an integer program over columns
        proves is none, since a rate may lie between those of two columns.
    room
        Whose classes these are.
    """

    net: FloatArray
    home: NDArray[np.bool_]
    rows: IntArray | None
    rate: FloatArray
    dual: float
    room: Room

    def loss(self, problem: Problem) -> FloatArray:
        """Return what each row is worse than its job's best choice, shape ``(rows,)``."""
        job = problem.configurations.job
        return np.asarray(_best(problem, job, self.net)[job] - self.net)

    def promising(self, problem: Problem, value: float, keep: IntArray) -> NDArray[np.bool_]:
        """Return which rows a plan that is better than a known one may use, shape ``(rows,)``.

        A plan with a row is worth at most the dual less what the row is worse than its job's best choice
        (reduced-cost fixing: Crowder, Johnson and Padberg, Operations Research 31, 1983).

        Parameters
        ----------
        value, keep
            Of the known plan, and its rows.
        """
        chosen = self.dual - self.loss(problem) >= value - 1e-9 * abs(value)
        chosen[keep[keep >= 0]] = True
        return np.asarray(chosen)


def worth_of(problem: Problem, deadline: float | None, error: float = _ERROR) -> Worth:
    """Price what homes share, for a sum objective without a limit on moves, with values at rates to an error.

    Columns are rows in homes at breakpoints of their rates. Equal homes are one, of as much as all of them have.
    Beside the resources of pools and sites, columns share, in each home and for each type of GPUs

    - the GPUs (of all that stand within it);
    - the servers: a piece larger than half of one takes it whole, and one of exactly half takes half of it (the dual
      feasible function ``u(1)`` of Fekete and Schepers, Math. Programming 91, 2001);
    - their network, of which a piece that takes all GPUs of a server takes all, since no other worker stands there;

    and for what spreads over several parts of a home, the links between these, of which a ring crosses two at least
    (one, if servers hang on the home itself). Every plan is a mixture of columns that keeps all of these, so that
    their Lagrangian dual bounds it.
    """
    table = problem.configurations
    room = problem.room or Room.of(problem.instance)
    homes, of_site = room.homes()
    alike = _alike(room, homes)
    times = np.bincount(alike, minlength=len(homes))
    row, home, rate, value = _columns(
        problem, error, room, homes, {site: [h for h in own if times[h]] for site, own in of_site.items()}
    )
    shared = _Shared(problem, room, homes, of_site)
    used, capacity = shared.of_columns(row, home, rate, times)
    columns = repeated(table, row)
    every = len(table.capacity)
    more = (used[0], used[1] + every, used[2])
    whole = tuple(np.concatenate([columns.used[k], more[k]]) for k in range(3))
    limits = np.concatenate([table.capacity, capacity])
    columns = replace(
        columns, used=(whole[0], whole[1], whole[2]), capacity=limits,
        resource_names=tuple(map(str, range(len(limits)))),
    )  # fmt: skip
    found = price(replace(problem, configurations=columns, value=value), deadline=deadline, gap=1e-3)
    prices = np.where(np.isfinite(limits), found.prices, 0.0)
    net = value - np.bincount(whole[0], prices[whole[1]] * whole[2], minlength=len(row))
    # of each row, the best of its columns
    order = np.lexsort((-net, row))
    first = order[np.unique(row[order], return_index=True)[1]]
    best = np.full(len(table), -np.inf)
    best[row[first]] = net[first]
    in_home = np.zeros((len(table), len(room.classes)), dtype=bool)
    in_home[row[first]] = homes[home[first]]
    best_rate = np.full(len(table), np.nan)
    best_rate[row[first]] = rate[first]
    rows = None
    if found.rows is not None:
        rows = np.full(table.jobs, -1, dtype=np.int64)
        runs = found.rows >= 0
        rows[runs] = row[found.rows[runs]]
        in_home[rows[runs]] = homes[home[found.rows[runs]]]
        best_rate[rows[runs]] = rate[found.rows[runs]]
    return Worth(best, in_home, rows, best_rate, _dual(problem, found.prices, limits, best), room)


def worth_in_pools(problem: Problem, deadline: float | None, gap: float) -> Worth:
    """Price the resources of pools and sites alone, for a sum objective without a limit on moves.

    It knows no servers and no links, and needs a fraction of the time of :func:`worth_of`: for many jobs.
    """
    table = problem.configurations
    room = problem.room or Room.of(problem.instance)
    found = price(problem, deadline=deadline, gap=gap)
    net = problem.value - table.costs(found.prices)
    anywhere = np.broadcast_to(np.ones(len(room.classes), dtype=bool), (len(table), len(room.classes)))
    dual = _dual(problem, found.prices, table.capacity, net)
    return Worth(net, anywhere, found.rows, table.ways.gbps, dual, room)


def _dual(problem: Problem, prices: FloatArray, capacity: FloatArray, net: FloatArray) -> float:
    """Return the Lagrangian dual at prices, recomputed; what is unlimited has none. ``net``: of each row."""
    priced = np.isfinite(capacity) & (prices > 0)
    has = np.diff(problem.configurations.first) > 0
    choices = _best(problem, problem.configurations.job, net)[has]
    return float(prices[priced] @ capacity[priced]) + float(choices.sum())


def _best(problem: Problem, job: IntArray, net: FloatArray) -> FloatArray:
    """Return the best choice of each job, which for one that need not run is at least 0; shape ``(jobs,)``."""
    best = np.where(problem.required, -np.inf, 0.0)
    np.maximum.at(best, job, net)
    return best


def _columns(
    problem: Problem, error: float, room: Room, homes: NDArray[np.bool_], of_site: dict[str, list[int]]
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Return row, home, rate (nan: none) and value of each column, by rows."""
    table = problem.configurations
    chosen = np.flatnonzero(table.slowest < table.ways.gbps)
    found, _ = rate_breakpoints(problem, chosen, error)
    at = dict(zip(chosen.tolist(), found, strict=True))
    gpus = np.array([len(c) * c.gpus for c in room.classes], dtype=np.float64)
    servers = np.array([len(c) for c in room.classes], dtype=np.float64)
    room_of = {
        (p, h): (float(gpus[mine].sum()), float(servers[mine].sum()))
        for p, pool in enumerate(table.pools)
        for h in of_site.get(pool.site, [])
        for mine in [homes[h] & np.array([c.gpu_type == pool.gpu_type for c in room.classes])]
    }
    rows, at_home, rates, values = [], [], [], []
    for row in range(len(table)):
        pool = int(table.ways.pool[row])
        places = of_site[table.pools[pool].site]
        rated = not np.isnan(table.ways.gbps[row]) and not table.kept[row]
        gbps, worth = at.get(row, (table.ways.gbps[row : row + 1], problem.value[row : row + 1]))
        for home in places if rated else places[-1:]:
            has_gpus, has_servers = room_of[pool, home]
            if has_gpus < table.ways.gpus[row] or has_servers < table.ways.nodes[row]:
                continue
            rows.append(np.full(len(gbps), row))
            at_home.append(np.full(len(gbps), home))
            rates.append(gbps)
            values.append(worth)
    none = np.empty(0)
    return (
        np.concatenate([none, *rows]).astype(np.int64), np.concatenate([none, *at_home]).astype(np.int64),
        np.concatenate([none, *rates]), np.concatenate([none, *values]),
    )  # fmt: skip


class _Shared:
    """What columns share beyond pools and sites."""

    def __init__(self, problem: Problem, room: Room, homes: NDArray[np.bool_], of_site: dict[str, list[int]]) -> None:
        self._problem, self._room, self._homes, self._of_site = problem, room, homes, of_site
        # which homes lie within which
        self._within = np.array([[not (mine & ~other).any() for other in homes] for mine in homes], dtype=bool)

    def of_columns(
        self, row: IntArray, home: IntArray, rate: FloatArray, times: IntArray
    ) -> tuple[tuple[IntArray, IntArray, FloatArray], FloatArray]:
        """Return what columns take as coordinates (column, resource, amount), and the capacities.

        ``times``: for how many equal homes each stands, shape ``(homes,)``; 0 where another stands for it.
        """
        table, ways = self._problem.configurations, self._problem.configurations.ways
        size, count, share = _workers(ways.gpus[row], ways.nodes[row], ways.servers[row])
        sends = count * share * np.nan_to_num(rate)[:, None]
        parts: list[tuple[IntArray, IntArray, FloatArray]] = []
        capacity: list[float] = []

        def add(columns: IntArray, amount: FloatArray, limit: float) -> None:
            some = amount > 0
            if np.isfinite(limit) and some.any():
                parts.append((columns[some], np.full(int(some.sum()), len(capacity)), amount[some]))
                capacity.append(limit)

        for p, pool in enumerate(table.pools):
            own = np.array([c.gpu_type == pool.gpu_type and c.site == pool.site for c in self._room.classes])
            of_pool = ways.pool[row] == p
            for h in self._of_site.get(pool.site, []):
                mine = [c for c, inside in zip(self._room.classes, self._homes[h] & own, strict=True) if inside]
                columns = np.flatnonzero(of_pool & self._within[home, h])
                if not mine or len(columns) == 0 or times[h] == 0:
                    continue
                if h != self._of_site[pool.site][-1]:
                    has = times[h] * sum(len(c) * c.gpus for c in mine)
                    add(columns, ways.gpus[row[columns]].astype(np.float64), has)
                largest = max(c.gpus for c in mine)
                rounded = (count * (np.sign(2 * size - largest) + 1) / 2)[columns].sum(axis=1)
                add(columns, rounded, times[h] * sum(len(c) for c in mine))
                network = sum(len(c) * c.network_gbps for c in mine)
                if np.isfinite(network):
                    whole = min(c.network_gbps for c in mine if c.gpus == largest)
                    taken = np.where(size == largest, count * whole, sends)[columns].sum(axis=1)
                    add(columns, taken, times[h] * network)
        for h in range(len(self._homes)):
            links = [
                c
                for c in self._room.crossings
                if (self._homes[h] & c.below).any() and (self._homes[h] & ~c.below).any()
            ]
            columns = np.flatnonzero((home == h) & (ways.servers[row] == 0) & ~table.kept[row])
            if links and len(columns):
                below = np.logical_or.reduce([c.below for c in links])
                ends = 1.0 if (self._homes[h] & ~below).any() else 2.0
                add(columns, ends * np.nan_to_num(rate[columns]), sum(c.capacity for c in links))
        none = np.empty(0, dtype=np.int64)
        used = tuple(np.concatenate([none, *(part[k] for part in parts)]) for k in range(3))
        return (used[0].astype(np.int64), used[1].astype(np.int64), used[2].astype(np.float64)), np.array(capacity)


def _workers(gpus: IntArray, nodes: IntArray, servers: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return size, count and part of the rate of the two kinds of pieces of workers of each row, ``(n, 2)`` each."""
    whole, more = np.divmod(gpus, nodes)
    size, count = np.stack([whole + 1, whole], axis=1), np.stack([more, nodes - more], axis=1)
    share = np.where(servers[:, None] > 0, size * (servers / np.maximum(gpus, servers))[:, None], 1.0)
    return size, count, share


def _alike(room: Room, homes: NDArray[np.bool_]) -> IntArray:
    """Return the first home that each one is equal to, shape ``(homes,)``: what holds no home, in the same homes."""
    within = np.array([[not (mine & ~other).any() for other in homes] for mine in homes], dtype=bool)
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
