"""Allocate idle GPUs of servers, and idle network, without reducing any job's value."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.instance.topology import canonical
from optsched.problem.placement.incumbents import settled
from optsched.problem.placement.rate_allocation import loads
from optsched.problem.placement.servers import Piece, ServerInventory, pieces_of
from optsched.problem.problem import Places, Plan, Problem

__all__ = ["fill_servers"]

_EPS = 1e-9


def fill_servers(problem: Problem, plan: Plan, deadline: float | None = None) -> Plan:
    """Return a plan in which no job has less than in a feasible one with places, and no job gains from what is idle.

    One job after the other, that of the greatest gain for each GPU first, takes another row in the room that the others
    leave, at the fastest rate that they leave there. The others keep what they have.

    Parameters
    ----------
    deadline
        On the clock of ``time.monotonic``: the plan as it is then is returned. The given one if nothing was idle.
    """
    if plan.places is None:  # no job runs, and none can
        return plan
    filling, table = _Filling(problem.summed, plan), problem.configurations
    changed = False
    gpus, pool = table.columns.gpus, table.columns.pool
    while True:
        had, value = filling.gpus(), filling.value
        extra = np.maximum(1.0, gpus - had[table.job])
        gain = (problem.value - value[table.job]) / extra
        idle = filling.idle(pool)
        own = np.where(filling.pool[table.job] == pool, had[table.job], 0.0)
        better = gain > _EPS * np.abs(problem.value)
        order = np.flatnonzero(better & (gpus <= idle + own + _EPS))
        taken = False
        done: set[int] = set()
        for row in order[np.argsort(-gain[order], kind="stable")].tolist():
            if deadline is not None and time.monotonic() >= deadline:
                return filling.plan() if changed else plan
            if int(table.job[row]) not in done and filling.take(row):
                done.add(int(table.job[row]))
                taken = changed = True
        if not taken:
            return filling.plan() if changed else plan


class _Filling:
    """A plan that is being filled: its rows, rates and places, and what they leave of servers and links."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        assert plan.places is not None
        self.problem = problem
        self.inventory = ServerInventory.of(problem)
        self.racks = [self.inventory.rack == rack for rack in np.unique(self.inventory.rack)]
        every = np.ones(len(self.inventory.servers), dtype=bool)
        sides = [side for c in self.inventory.crossings for side in (c.below, ~c.below)]
        self.domains = [*self.racks, *sides, every]
        self.rows: IntArray = plan.rows.copy()
        self.places: list[Places | None] = list(plan.places)
        count = len(self.rows)
        self.gbps: FloatArray | None = None if plan.gbps is None else plan.gbps.copy()
        self.value = np.zeros(count)
        runs = np.flatnonzero(self.rows >= 0)
        self.value[runs] = problem.values(self.rows[runs], None if self.gbps is None else self.gbps[runs])
        self.free: FloatArray = self.inventory.capacity.copy()
        self.sent = np.array(
            [s.network_gbps for s in self.inventory.servers] + [c.capacity for c in self.inventory.crossings]
        )
        table = problem.configurations
        row, resource, amount = table.used
        order = np.argsort(row, kind="stable")
        self._resource: IntArray = resource[order]
        self._amount: FloatArray = amount[order]
        self._first = np.searchsorted(row[order], np.arange(len(table) + 1))
        self.left: FloatArray = table.capacity.copy()
        for job in runs.tolist():
            self._book(job, -1.0)

    @property
    def pool(self) -> IntArray:
        """The pool of each job, shape ``(jobs,)``; -1 for one that does not run."""
        return np.where(self.rows >= 0, self.problem.configurations.columns.pool[self.rows], -1)

    def gpus(self) -> FloatArray:
        """Return the GPUs of each job, shape ``(jobs,)``."""
        return np.where(self.rows >= 0, self.problem.configurations.columns.gpus[self.rows], 0).astype(np.float64)

    def idle(self, pool: IntArray) -> FloatArray:
        """Return the idle GPUs of the pool of each row."""
        pools, cluster = self.problem.configurations.pools, self.problem.instance.cluster
        sites, types = ([one.id for one in every] for every in (cluster.sites, cluster.gpu_types))
        site, gpu_type = self.inventory.site, self.inventory.gpu_type
        own = [(site == sites.index(p.site)) & (gpu_type == types.index(p.gpu_type)) for p in pools]
        return np.array([self.free[mine, 0].sum() for mine in own])[pool]

    def plan(self) -> Plan:
        """Return the plan as it is."""
        return settled(self.problem, Plan(self.rows, self.gbps, tuple(self.places)))

    def take(self, row: int) -> bool:
        """Give a row to its job, if its pieces find room and it is worth more than what the job has."""
        job = int(self.problem.configurations.job[row])
        before = int(self.rows[job]), self.places[job]
        if before[0] >= 0:
            self._book(job, 1.0)
        best, most = None, self.value[job] * (1 + np.copysign(_EPS, self.value[job]))
        for placed in self._stands(row) if self._keeps_limits(row) else ():
            places = self.inventory.places(placed)
            rate = self._rate(row, places)
            value = -np.inf if rate < 0 else float(self.problem.values(np.array([row]), self._alone(rate))[0])
            if value > most:
                best, most = (row, places, rate), value
        if best is not None:
            self.value[job] = most
            if self.gbps is not None:
                self.gbps[job] = best[2]
        self.rows[job], self.places[job] = before if best is None else best[:2]
        if self.rows[job] >= 0:
            self._book(job, -1.0)
        return best is not None

    def _alone(self, rate: float) -> FloatArray | None:
        return None if self.gbps is None else np.array([rate])

    def _book(self, job: int, sign: float) -> None:
        """Give back what a job has (1), or take it (-1)."""
        row, places = int(self.rows[job]), self.places[job]
        assert places is not None
        resource, amount = self._used(row)
        np.add.at(self.left, resource, sign * amount)
        takes = {piece.gpus: piece.takes for piece in pieces_of(self.problem, row)}
        for name, size in [*places.gpus.items(), *((name, 0) for name in places.servers)]:
            self.free[self.inventory.number[name]] += sign * takes[size]
        if self.gbps is not None and not np.isnan(self.gbps[job]):
            for number, part in loads(self.problem, self.inventory, row, places):
                self.sent[number] += sign * part * self.gbps[job]

    def _used(self, row: int) -> tuple[IntArray, FloatArray]:
        """Return the shared resources that a row takes, and how much of each."""
        mine = slice(int(self._first[row]), int(self._first[row + 1]))
        return self._resource[mine], self._amount[mine]

    def _keeps_limits(self, row: int) -> bool:
        """Tell whether quotas and limits allow one more row."""
        left = self.left.copy()
        resource, amount = self._used(row)
        np.subtract.at(left, resource, amount)
        slack = _EPS * np.maximum(1.0, np.abs(self.problem.configurations.capacity))
        return bool((left >= np.minimum(-slack, self.left)).all())

    def _stands(self, row: int) -> Iterator[list[tuple[int, Piece]]]:
        """Yield servers for a row, of several domains: those that its job is known to hold if it keeps them."""
        problem, table = self.problem, self.problem.configurations
        holds = problem.instance.jobs[table.job[row]].holds
        slowest = 0.0 if self.gbps is None else float(np.nan_to_num(table.slowest[row]))
        free = np.column_stack([self.free, self.sent[: len(self.free)]])
        workers, servers = np.ones((2, len(free)), dtype=bool)
        if table.kept[row] and holds is not None:
            workers, servers = self._named(holds.placement), self._named(holds.server_placement)
        hosts = [servers] if table.columns.servers[row] == 0 else [servers & rack for rack in self.racks]
        for domain in self.domains:
            for mine in hosts:
                found = self.inventory.stand(problem, row, free, [(workers & domain, mine)], slowest)
                if found is not None:
                    yield found
                    if self.gbps is None:
                        return

    def _named(self, names: dict[str, int] | None) -> NDArray[np.bool_]:
        found = np.full(len(self.free), names is None)
        found[[self.inventory.number[canonical(self.problem.instance, name)] for name in names or ()]] = True
        return found

    def _rate(self, row: int, places: Places) -> float:
        """Return the fastest rate left for a row in some places: nan where it has none, -1 where too little is left."""
        table = self.problem.configurations
        slowest = float(table.slowest[row])
        if self.gbps is None or np.isnan(slowest):
            return np.nan
        sends = loads(self.problem, self.inventory, row, places)
        most = min((self.sent[number] / amount for number, amount in sends), default=np.inf)
        most = min(float(most) * (1 - _EPS), float(table.columns.gbps[row]))
        return most if most >= slowest else -1.0
