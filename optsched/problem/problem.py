"""A problem: an instance with its configurations and what each is worth, computed once for all who read it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError
from optsched.instance import Instance
from optsched.instance.objectives import Base, Objective, Rates
from optsched.instance.solution import Allocation
from optsched.instance.topology import Room
from optsched.problem.configurations import Configurations, measured_by, sampled, throughputs

__all__ = ["Places", "Plan", "Problem", "allocate", "row_label", "rows_of"]

_MOST_WORTH = 1e100
"""Sums and products of values up to this one are finite; a value below its inverse is nothing."""


class Places(NamedTuple):
    """Where a job stands: GPUs, and parameter servers, on each named server."""

    gpus: dict[str, int]
    servers: dict[str, int]


@dataclass(frozen=True)
class Plan:
    """What formulations and heuristics decide.

    rows
        The chosen row of the configurations for each job, shape ``(jobs,)``; -1 for none.
    gbps
        Network rate of each job, shape ``(jobs,)``; nan where it has none. None: not decided.
    places
        Of each job, None for one that does not run. None: not decided.
    """

    rows: IntArray
    gbps: FloatArray | None = None
    places: tuple[Places | None, ...] | None = None


@dataclass(frozen=True)
class Problem:
    """What formulations, heuristics and prices work on.

    value
        Of each row of the configurations, shape ``(n,)``; where a network rate is to be decided, a bound on it.
    weight
        Of each job, 0 for one that has not arrived, shape ``(jobs,)``.
    required
        Whether each job must run, shape ``(jobs,)``.
    error
        Largest relative error that a linearization may have.
    room
        Where the jobs may stand; None: the whole cluster.
    near
        Network rates of each row near which its value is to be known best, shape ``(n, any)``; nan for none.
    settled
        Jobs whose party no longer counts in a least value, shape ``(jobs,)``; None: every party counts.
    """

    instance: Instance
    objective: Objective
    configurations: Configurations
    value: FloatArray
    weight: FloatArray
    required: NDArray[np.bool_]
    error: float
    room: Room | None = None
    near: FloatArray | None = None
    settled: NDArray[np.bool_] | None = None

    def total(self, plan: Plan) -> float:
        """Return the objective of a plan."""
        values = np.zeros(len(plan.rows))
        runs = np.flatnonzero(plan.rows >= 0)
        values[runs] = self.values(plan.rows[runs], None if plan.gbps is None else plan.gbps[runs])
        return self.objective.total(values, self.party)

    def values(self, rows: IntArray, gbps: FloatArray | None = None) -> FloatArray:
        """Return the value of rows at network rates, shape of ``rows``; at their fastest without any."""
        if gbps is None:
            return self.value[rows]
        table = self.configurations
        throughput = throughputs(self.instance, table.pools, table.job[rows], table.columns.take(rows), gbps)
        return self.objective.value(self._rates(rows, throughput))

    def over_rates(self, rows: IntArray, count: int) -> tuple[FloatArray, FloatArray]:
        """Return breakpoints of a function of the network rate that lies nowhere below the value of each row.

        Parameters
        ----------
        rows
            Rows that have a rate, shape ``(n,)``.
        count
            Of breakpoints, from the slowest rate to the fastest, half of them around those of ``near``.

        Returns
        -------
        gbps, value
            Shape ``(n, count)`` each.
        """
        near = None if self.near is None else self.near[rows]
        gbps, throughput, lift = sampled(self.instance, self.configurations, rows, count, near)
        unknown, lift = np.isnan(lift).any(axis=1), np.pad(np.nan_to_num(lift), ((0, 0), (1, 1)))
        lifted = throughput * (1 + np.maximum(lift[:, :-1], lift[:, 1:]))
        value = self.valued(rows, lifted)
        straight = np.abs(value * lifted[:, -1:] - value[:, -1:] * lifted).max(axis=1, initial=0.0)
        bent = unknown | (straight > 1e-12 * np.abs(value * lifted).max(axis=1, initial=0.0))
        # what is no multiple of the throughput, or of unknown curvature, only rises: its right end bounds a step
        value[bent, :-1] = np.maximum(value[bent, :-1], value[bent, 1:])
        return gbps, value

    def valued(self, rows: IntArray, throughput: FloatArray) -> FloatArray:
        """Return the value of rows, ``(n,)``, at some throughputs of each, shape ``(n, any)``."""
        value = self.objective.value(self._rates(rows.repeat(throughput.shape[1]), throughput.ravel()))
        return value.reshape(throughput.shape)

    @property
    def summed(self) -> Problem:
        """The same jobs and rows, for the sum of the jobs' own values."""
        return replace(self, objective=replace(self.objective, aggregate="sum", sign=1.0))

    @cached_property
    def party(self) -> IntArray:
        """Number of each job's party in the objective, shape ``(jobs,)``; -1 for a job that does not count."""
        everybody = self.objective.parties(self.instance, self.configurations.able)
        if self.settled is None:
            return everybody
        found, counts = np.full(len(everybody), -1), (everybody >= 0) & ~self.settled
        found[counts] = np.unique(everybody[counts], return_inverse=True)[1]
        return found

    @cached_property
    def party_names(self) -> tuple[str, ...]:
        """Name of each party of a minimum: of its job, or of its tenant."""
        found: dict[int, str] = {}
        for job, party in zip(self.instance.jobs, self.party.tolist(), strict=True):
            found.setdefault(party, job.tenant if self.objective.party == "tenants" else job.id)
        return tuple(found[party] for party in sorted(found) if party >= 0)

    @property
    def ceiling(self) -> float:
        """A bound on the least value of any party: the least of the sums of their jobs' best values; 0 without any."""
        best = np.zeros(self.configurations.jobs)
        np.maximum.at(best, self.configurations.job, self.value)
        counted = self.party >= 0
        return (
            float(np.bincount(self.party[counted], weights=best[counted]).min(initial=np.inf)) if counted.any() else 0.0
        )

    def worth(self, goal: Objective) -> FloatArray:
        """Return the value of every row in some objective, at its fastest network rate, shape ``(n,)``.

        Raises
        ------
        InputError
            Where a row's value is not finite, or so large that sums and products of values might not be.
        """
        rates = replace(self, objective=goal)._rates(slice(None), self.configurations.columns.throughput)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value = goal.value(rates)
        if len(beyond := np.flatnonzero(~(np.abs(value) <= _MOST_WORTH))):
            found = f"{value[beyond[0]]:g} for job {self.instance.jobs[rates.job[beyond[0]]].id!r}"
            expected = (
                f"weights, references and parameters of {goal.name} by which nothing is worth above {_MOST_WORTH:g}"
            )
            raise InputError(expected, path="$.objective", value=found)
        return np.where(np.abs(value) < 1 / _MOST_WORTH, 0.0, value)

    def _measure(self, base: Base) -> FloatArray:
        """Return the goodput that each job is measured by, shape ``(jobs,)``."""
        table = self.configurations
        known = {"reference": table.reference} | dict(table.extremes)
        return known[base] if base in known else measured_by(self.instance, base)

    def _rates(self, rows: IntArray | slice, throughput: FloatArray) -> Rates:
        """Return the rates of rows that run at a throughput, shape of ``rows``."""
        table, cluster = self.configurations, self.instance.cluster
        measure = self._measure(self.objective.base)
        types = {gpu.id: number for number, gpu in enumerate(cluster.gpu_types)}
        type_of_pool = np.array([types[pool.gpu_type] for pool in table.pools], dtype=np.int64)
        job, share, net = table.job[rows], table.share[rows], throughput * table.share[rows]
        return Rates(
            instance=self.instance,
            job=job,
            gpu_type=type_of_pool[table.columns.pool[rows]],
            gpus=table.columns.gpus[rows].astype(np.float64),
            kept=table.kept[rows],
            share=share,
            weight=self.weight[job],
            reference=measure[job],
            throughput=net,
            goodput=net * table.columns.efficiency[rows],
            steady=throughput * table.columns.efficiency[rows],
            measure=lambda base: self._measure(base),
            hourly_cost=lambda: table.hourly_costs(self.instance)[rows],
            dominant_share=lambda: table.dominant_shares()[rows],
        )


def rows_of(problem: Problem, chosen: IntArray) -> IntArray:
    """Return the row of each job, shape ``(jobs,)`` with -1 for none, from the numbers of the chosen rows."""
    rows = np.full(problem.configurations.jobs, -1, dtype=np.int64)
    rows[problem.configurations.job[chosen]] = chosen
    return rows


def allocate(problem: Problem, plan: Plan) -> tuple[Allocation, ...]:
    """Return the allocations that a plan means, in the order of the jobs."""
    table = problem.configurations
    runs = np.flatnonzero(plan.rows >= 0)
    chosen = plan.rows[runs]
    columns, pools = table.columns.take(chosen), table.pools
    gbps = np.full(len(chosen), np.nan) if plan.gbps is None else plan.gbps[runs]
    throughput = columns.throughput if plan.gbps is None else throughputs(problem.instance, pools, runs, columns, gbps)
    progress = throughput * columns.efficiency * table.share[chosen] / table.reference[table.job[chosen]]
    places = [None] * len(runs) if plan.places is None else [plan.places[j] for j in runs.tolist()]
    cells = zip(
        table.job[chosen].tolist(),
        columns.pool.tolist(),
        columns.gpus.tolist(),
        columns.nodes.tolist(),
        columns.servers.tolist(),
        columns.local_batch.tolist(),
        columns.accumulation.tolist(),
        gbps.tolist(),
        places,
        throughput.tolist(),
        progress.tolist(),
        strict=True,
    )
    jobs = problem.instance.jobs
    return tuple(
        Allocation(
            job=jobs[j].id,
            site=pools[p].site,
            gpu_type=pools[p].gpu_type,
            gpus=gpus,
            nodes=nodes,
            servers=servers,
            local_batch=None if batch != batch else batch,
            accumulation=passes,
            gbps=None if speed != speed else speed,
            placement=stands.gpus if stands else None,
            server_placement=(stands.servers or None) if stands else None,
            throughput=rate,
            progress=gain,
        )
        for j, p, gpus, nodes, servers, batch, passes, speed, stands, rate, gain in cells
    )


def row_label(problem: Problem, row: int) -> str:
    """Return the index of a configuration for people, e.g. ``job-3,v100@main,8,0``."""
    table = problem.configurations
    job = problem.instance.jobs[table.job[row]].id
    columns = table.columns
    # what a job holds can repeat the counts of another row with another batch or other nodes
    batch = "" if np.isnan(columns.local_batch[row]) else f",{columns.local_batch[row]:g}x{columns.accumulation[row]}"
    counts = f"{columns.gpus[row]}/{columns.nodes[row]},{columns.servers[row]}"
    where = "" if table.stand is None or table.stand[row] < 0 else f",set {table.stand[row]}"
    return f"{job},{table.pools[columns.pool[row]]},{counts}{batch}{where}"
