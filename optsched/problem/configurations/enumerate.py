"""Ways to run jobs by their curves: every count in every pool that they may use, all jobs of a curve at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, members, offsets, run_starts, stretches
from optsched.instance import Instance, Job
from optsched.instance.pools import Pool
from optsched.prediction.curves import Curve
from optsched.problem.configurations.explicit import explicit_configurations
from optsched.problem.configurations.requests import Requests
from optsched.problem.configurations.table import ConfigurationColumns, points_of, stacked

__all__ = ["Rater", "enumerate_configurations", "even_nodes", "reference_goodputs"]


def enumerate_configurations(
    jobs: Sequence[Job], instance: Instance, everywhere: Sequence[Pool]
) -> tuple[ConfigurationColumns, IntArray, tuple[str, ...]]:
    """Return all ways of jobs, whatever they hold.

    Returns
    -------
    ways
        By job, pool, GPUs, parameter servers and nodes.
    first
        Those of job ``j`` are ``first[j]:first[j + 1]``; shape ``(jobs + 1,)``.
    reasons
        Of each job: why there are none; empty where there are some.
    """
    requests = Requests.of(jobs)
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    by_site: dict[str, list[int]] = {pool.site: [] for pool in everywhere}
    for j, job in enumerate(jobs):
        if not job.configurations:
            for site in by_site if job.sites is None else by_site.keys() & job.sites:
                by_site[site].append(j)
    for number, pool in enumerate(everywhere):
        for j in by_site[pool.site]:
            if pool.gpu_type in jobs[j].curves:
                groups[number, jobs[j].curves[pool.gpu_type]].append(j)
    parts = [explicit_configurations(jobs, instance, everywhere, requests)]
    for (number, curve), some in groups.items():
        rater = Rater(instance, requests, number, everywhere[number], instance.curves[curve])
        parts.append(_by_curve(rater, np.array(some)))
    owner = np.concatenate([owner for owner, _ in parts])
    order = np.argsort(owner, kind="stable")
    columns = stacked([part for _, part in parts]).take(order)
    count = np.bincount(owner, minlength=len(jobs))
    reasons = tuple("" if n else _why_none(job, everywhere) for n, job in zip(count.tolist(), jobs, strict=True))
    return columns, offsets(count), reasons


def _by_curve(rater: Rater, some: IntArray) -> tuple[IntArray, ConfigurationColumns]:
    """Return the ways of some jobs in a pool where all have the same curve, by job and then as listed."""
    pool, requests = rater.pool, rater.requests
    most = np.minimum(pool.capacity, requests.most[some])
    steps = np.maximum(0, (most - requests.least[some]) // requests.multiple[some] + 1)
    owner, step = members(steps)
    owner = some[owner]
    gpus = requests.least[owner] + step * requests.multiple[owner]
    # parameter servers before nodes: that is the order of the table
    cell, more = members(requests.most_servers[owner] - requests.fewest_servers[owner] + 1)
    owner, gpus, servers = owner[cell], gpus[cell], requests.fewest_servers[owner[cell]] + more
    if rater.instance.decides == "counts":  # each count on the fewest nodes
        nodes = pool.packed_nodes(gpus, requests.per_server[owner])
        there = nodes <= len(pool.sizes)
        owner, gpus, servers, nodes = owner[there], gpus[there], servers[there], nodes[there]
    else:
        cell, nodes = even_nodes(pool, gpus, requests.per_server[owner])
        owner, gpus, servers = owner[cell], gpus[cell], servers[cell]
    cell, columns = rater.with_batches(owner, gpus, nodes, servers)
    # which batch is best depends on the network rate where that is decided, and a limit on another objective may need
    # any batch: a less efficient one to stay below it, or one between the fastest and the most efficient
    keep = ~np.isnan(columns.throughput)
    if rater.instance.decides != "network" and not rater.instance.limits and len(cell) > len(owner):
        keep &= _firsts_of_most(cell, columns.goodput) | _firsts_of_most(cell, columns.throughput)
    return (owner[cell], columns) if keep.all() else (owner[cell[keep]], columns.take(keep))


class Rater:
    """Evaluates ways of jobs that have the same curve in a pool."""

    def __init__(self, instance: Instance, requests: Requests, number: int, pool: Pool, curve: Curve) -> None:
        self.instance, self.requests, self.number, self.pool, self.curve = instance, requests, number, pool, curve

    def with_batches(
        self, owner: IntArray, gpus: IntArray, nodes: IntArray, servers: IntArray
    ) -> tuple[IntArray, ConfigurationColumns]:
        """Return ways with each batch of their owners, and which cell each is of; throughput is nan where none fits."""
        requests = self.requests
        cell, which = members(requests.batches[owner])
        owner, gpus, nodes, servers = owner[cell], gpus[cell], nodes[cell], servers[cell]
        batch = requests.batch[requests.first_batch[owner] + which]
        whole = requests.whole[owner]
        most = np.inf if self.curve.max_local_batch is None else float(self.curve.max_local_batch)
        share = batch / gpus
        passes = np.where(whole, np.maximum(1.0, np.ceil(share / most)), 1.0)
        local = np.where(whole, share / passes, batch)
        misfit = np.where(whole, local < 1, local > most)  # never true without a batch
        columns = self.rated(owner, gpus, nodes, servers, local, passes.astype(np.int64))
        columns.throughput[misfit] = np.nan
        return cell, columns

    def rated(
        self, owner: IntArray, gpus: IntArray, nodes: IntArray, servers: IntArray, local: FloatArray, passes: IntArray
    ) -> ConfigurationColumns:
        """Return ways with their fastest network rate, their throughput at it, and their efficiency."""
        unknown = np.full(len(gpus), np.nan)
        pool = np.full(len(gpus), self.number)
        gbps = unknown
        if self.instance.decides == "network" and self.curve.on_network:
            groups = [group for group in self.instance.cluster.servers if group.site == self.pool.site]
            fastest = max(group.network_gbps or 0.0 for group in groups)
            gbps = np.where((nodes > 1) | (servers > 0), fastest, np.nan)
        points = points_of(
            ConfigurationColumns(pool, gpus, nodes, servers, local, passes, unknown, unknown, gbps), gbps
        )
        efficiency = self.requests.efficiency(owner, points.examples()) * self.requests.affinity(self.pool.site, owner)
        rate = np.array(self.curve.throughput(points))
        return ConfigurationColumns(pool, gpus, nodes, servers, local, passes, rate, efficiency, gbps)


def even_nodes(pool: Pool, gpus: IntArray, most: IntArray) -> tuple[IntArray, IntArray]:
    """Return (cell, nodes): each number of servers over which the GPUs of a cell are spread evenly."""
    keys, number = np.unique(np.column_stack([gpus, most]), axis=0, return_inverse=True)
    each = [pool.even_nodes(count, limit) for count, limit in keys.tolist()]
    length = np.array([len(nodes) for nodes in each], dtype=np.int64)
    count = length[number.ravel()]
    nodes = np.concatenate([np.empty(0, dtype=np.int64), *each])
    return members(count)[0], nodes[stretches(offsets(length)[number.ravel()], count)]


def _firsts_of_most(cell: IntArray, value: FloatArray) -> NDArray[np.bool_]:
    """Tell of each row whether it is the first of the greatest values of its cell; nan counts as least."""
    starts = run_starts(cell)
    known = np.where(np.isnan(value), -np.inf, value)
    greatest = np.repeat(np.maximum.reduceat(known, starts), np.diff(starts, append=len(cell)))
    row = np.where(known == greatest, np.arange(len(cell)), len(cell))
    first = np.zeros(len(cell), dtype=bool)
    first[np.minimum.reduceat(row, starts)] = True
    return first


def _types(job: Job) -> set[str]:
    """Return the GPU types that a job lists."""
    return {c.gpu_type for c in job.configurations}


def _why_none(job: Job, everywhere: Sequence[Pool]) -> str:
    """Say why a job has no way to run at all."""
    allowed = [pool for pool in everywhere if job.sites is None or pool.site in job.sites]
    if job.configurations:
        least = min(c.gpus for c in job.configurations)
        sizes = [(pool.capacity, f"{pool} has {pool.capacity}") for pool in allowed if pool.gpu_type in _types(job)]
        why = ""
        if not sizes:
            why = f": there is no {' or '.join(sorted(_types(job)))} where it may run"
        elif max(size for size, _ in sizes) < least:
            why = f": it needs at least {least} GPUs, and {max(sizes)[1]}"
        return f"none of its configurations fits the servers of a pool that it may use{why}"
    notes = []
    for pool in allowed:
        if pool.gpu_type in job.curves:
            if job.min_gpus > min(pool.capacity, job.max_gpus or pool.capacity):
                notes.append(f"it needs at least {job.min_gpus} GPUs, and {pool} has {pool.capacity}")
            else:
                notes.append(f"no batch of the job fits the memory of {pool}, or its curve is unknown there")
    return "; ".join(notes) or "no pool that it may use has a GPU type that it can use"


def reference_goodputs(
    jobs: Sequence[Job], columns: ConfigurationColumns, first: IntArray, everywhere: Sequence[Pool]
) -> FloatArray:
    """Return the goodput that progress 1.0 means for each job, shape ``(jobs,)``.

    It is given, that of a configuration, or the best at the fewest GPUs; 1.0 for a job without ways.
    """
    owner = np.repeat(np.arange(len(jobs)), np.diff(first))
    meant = np.ones(len(columns), dtype=bool)
    given = np.full(len(jobs), np.nan)
    for j, job in enumerate(jobs):
        if (wanted := job.reference) is not None:
            if wanted.goodput is not None:
                given[j] = wanted.goodput
                continue
            own = slice(first[j], first[j + 1])
            meant[own] = np.isin(
                columns.pool[own], [n for n, p in enumerate(everywhere) if p.gpu_type == wanted.gpu_type]
            )
            meant[own] &= wanted.gpus is None or columns.gpus[own] == wanted.gpus
    fewest = np.full(len(jobs), np.iinfo(np.int64).max)
    np.minimum.at(fewest, owner[meant], columns.gpus[meant])
    meant &= columns.gpus == fewest[owner]
    best = np.full(len(jobs), -np.inf)
    np.maximum.at(best, owner[meant], columns.goodput[meant])
    return np.where(np.isnan(given), np.where(np.isfinite(best), best, 1.0), given)
