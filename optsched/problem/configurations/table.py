"""The table of configurations: every way in which every job may run, as arrays.

All models, heuristics and prices read this one table; it is computed once an instance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, by_group
from optsched.instance import Instance
from optsched.instance.objectives import Base
from optsched.instance.pools import Pool
from optsched.instance.transfers import Transfers
from optsched.prediction.curves import Points

__all__ = ["ConfigurationColumns", "Configurations", "by_curve", "none", "points_of", "stacked", "throughputs"]


@dataclass(frozen=True)
class ConfigurationColumns:
    """Ways to run one job; every field has shape ``(n,)``.

    pool
        Index into the instance's pools.
    gpus, nodes, servers, local_batch, accumulation
        As in :class:`optsched.prediction.curves.Points`; local_batch is nan where the job names none.
    throughput, efficiency
        Examples/s (at the fastest network rate), and progress per example.
    gbps
        Fastest network rate that the way may be assigned (Gb/s); nan where it is assigned none.
    """

    pool: IntArray
    gpus: IntArray
    nodes: IntArray
    servers: IntArray
    local_batch: FloatArray
    accumulation: IntArray
    throughput: FloatArray
    efficiency: FloatArray
    gbps: FloatArray

    def __len__(self) -> int:
        return len(self.pool)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> ConfigurationColumns:
        """Return the named ways only."""
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        return ConfigurationColumns(*(getattr(self, f.name).take(numbers) for f in fields(self)))

    @property
    def goodput(self) -> FloatArray:
        """Reference-batch examples/s."""
        return self.throughput * self.efficiency


def none() -> ConfigurationColumns:
    """Return no ways at all."""
    whole, real = np.empty(0, dtype=np.int64), np.empty(0)
    return ConfigurationColumns(whole, whole, whole, whole, real, whole, real, real, real)


def stacked(parts: Sequence[ConfigurationColumns]) -> ConfigurationColumns:
    """Return ways one part after the other."""
    return ConfigurationColumns(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(ConfigurationColumns))
    )


@dataclass(frozen=True)
class Configurations:
    """Eligible configurations of all jobs, those of job ``j`` in rows ``first[j]:first[j + 1]``.

    job
        The job of each row, shape ``(n,)``.
    columns
        What each row is, by pool and then by GPUs.
    kept
        Whether the row is what its job holds now, shape ``(n,)``; where the plan decides on places and those of
        the holding are known, it means those places.
    share
        Part of the round that the row trains: 1, less what a restart takes; shape ``(n,)``.
    slowest
        Least network rate of the row (Gb/s), nan where it has none; shape ``(n,)``.
    first
        Shape ``(jobs + 1,)``.
    reference
        The goodput that progress 1.0 means for each job, shape ``(jobs,)``; 1 where a job has no way to run.
    pools
        The pools that ``columns.pool`` counts.
    used
        What each row takes of each resource, as coordinates: (row, resource, amount) arrays.
    capacity
        Of each resource, shape ``(resources,)``; the pools come first, in their order.
    resource_names
        For people, in the same order.
    reasons
        For each job without rows, by its number: why.
    able
        Whether each job can run at all, by itself; shape ``(jobs,)``; None: all can. Limits on the plan
        as a whole may leave such a job no row.
    extremes
        Least and most goodputs of each job (:data:`optsched.instance.objectives.Base`), shape ``(jobs,)``, where
        they are known from the table's own making.
    stand, hosts
        Set of servers that may host each row, ``(n,)``, -1 for all, and the sets, ``(sets, servers)`` in the order of
        the file; None: all servers may host all rows.
    """

    job: IntArray
    columns: ConfigurationColumns
    kept: NDArray[np.bool_]
    share: FloatArray
    slowest: FloatArray
    first: IntArray
    reference: FloatArray
    pools: tuple[Pool, ...]
    used: tuple[IntArray, IntArray, FloatArray]
    capacity: FloatArray
    resource_names: tuple[str, ...]
    reasons: dict[int, str]
    able: NDArray[np.bool_] | None = None
    extremes: dict[Base, FloatArray] = field(default_factory=dict)
    stand: IntArray | None = None
    hosts: NDArray[np.bool_] | None = None

    def may_host(self, row: int, server: IntArray) -> NDArray[np.bool_]:
        """Tell which servers, by their numbers in the file, may host pieces of a row; shape of ``server``."""
        if self.stand is None or self.hosts is None or self.stand[row] < 0:
            return np.ones(len(server), dtype=bool)
        found: NDArray[np.bool_] = self.hosts[self.stand[row]][server]
        return found

    def __len__(self) -> int:
        return len(self.job)

    @property
    def jobs(self) -> int:
        """Number of jobs of the instance."""
        return len(self.first) - 1

    @cached_property
    def used_by_row(self) -> tuple[IntArray, IntArray, FloatArray]:
        """``used`` by rows: entries ``start[i]:start[i + 1]`` of (resource, amount) are row i's."""
        row, resource, amount = self.used
        start, order = by_group(row, len(self))
        return start, resource[order], amount[order]

    def costs(self, prices: FloatArray) -> FloatArray:
        """Return what each row takes at a price for each resource, shape ``(n,)``; what is unlimited is free."""
        row, resource, amount = self.used
        finite = np.where(np.isfinite(self.capacity), prices, 0.0)
        return np.asarray(np.bincount(row, finite[resource] * amount, minlength=len(self)), dtype=np.float64)

    def hourly_costs(self, instance: Instance) -> FloatArray:
        """Return the price of each row's GPUs, and of copying its job's data there, per hour, shape ``(n,)``."""
        price = np.array([pool.hourly_price for pool in self.pools])
        cost: FloatArray = self.columns.gpus * price[self.columns.pool]
        transfers = Transfers(instance)
        if any(link.price_per_gb for link in transfers.links):
            for j, owner in enumerate(instance.jobs):
                if owner.home is not None and owner.data_gb:
                    copies = np.array([transfers.hourly_cost(owner, pool.site) for pool in self.pools])
                    mine = slice(self.first[j], self.first[j + 1])
                    cost[mine] += copies[self.columns.pool[mine]]
        return cost

    def dominant_shares(self) -> FloatArray:
        """Return the largest part that each row takes of its pool's GPUs and of its site's cores and memory."""
        row, resource, amount = self.used
        real = [name.startswith(("GPUs of ", "CPU cores in ", "GB of memory in ")) for name in self.resource_names]
        local = np.flatnonzero(np.array(real, dtype=bool)[resource])
        part = np.zeros(len(self))
        np.maximum.at(part, row[local], amount[local] / self.capacity[resource[local]])
        return part

    @property
    def on_link(self) -> NDArray[np.bool_]:
        """Whether each resource is a link between sites, shape ``(resources,)``."""
        return np.array([name.startswith("Gb/s of link ") for name in self.resource_names], dtype=bool)


def throughputs(
    instance: Instance, pools: tuple[Pool, ...], job: IntArray, columns: ConfigurationColumns, gbps: FloatArray
) -> FloatArray:
    """Return the examples/s of ways at network rates, shape ``(n,)``; a rate of nan stands for none.

    Parameters
    ----------
    job, gbps
        Of each way, shape ``(n,)``.
    """
    rates = columns.throughput.copy()
    rated = np.flatnonzero(~np.isnan(gbps))
    for name, which in by_curve(instance, pools, job[rated], columns.pool[rated]):
        if name:  # what a job lists is as fast at any rate
            some = rated[which]
            rates[some] = instance.curves[name].throughput(points_of(columns.take(some), gbps[some]))
    return rates


def by_curve(
    instance: Instance, pools: tuple[Pool, ...], job: IntArray, pool: IntArray
) -> Iterator[tuple[str, IntArray]]:
    """Yield the name of each curve and the ways that follow it; the name is empty for those that their jobs list.

    Parameters
    ----------
    job, pool
        Of each way, shape ``(n,)``.
    """
    key = job * len(pools) + pool
    there = np.zeros(len(instance.jobs) * len(pools), dtype=bool)
    there[key] = True
    pairs = np.flatnonzero(there)
    names = [instance.jobs[pair // len(pools)].curves.get(pools[pair % len(pools)].gpu_type, "") for pair in pairs]
    curves = {name: k for k, name in enumerate(dict.fromkeys(names))}
    curve_of = np.full(len(there), -1)
    curve_of[pairs] = [curves[name] for name in names]
    curve = curve_of[key]
    for name, k in curves.items():
        yield name, np.flatnonzero(curve == k)


def points_of(columns: ConfigurationColumns, gbps: FloatArray) -> Points:
    """Return ways at network rates as points of a curve."""
    return Points.of(
        columns.gpus,
        nodes=columns.nodes,
        local_batch=columns.local_batch,
        accumulation=columns.accumulation,
        servers=columns.servers,
        gbps=gbps,
    )
