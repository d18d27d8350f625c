"""Ways to run one job: its curves over all counts, or the configurations that it lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from optsched.configurations.table import Ways, points_of
from optsched.curves import FloatArray, IntArray
from optsched.instance import Instance, Job
from optsched.pools import Pool

__all__ = ["none", "reference_goodput", "ways_of"]


def ways_of(
    job: Job, instance: Instance, everywhere: Sequence[Pool], known: dict[int, Ways] | None = None
) -> tuple[Ways, NDArray[np.bool_], str]:
    """Return all ways of a job, by pool and GPUs, which of them are not only held, and why there are none.

    Parameters
    ----------
    known
        The ways to choose from in each pool, by its number, of a job that differs in what it holds at the most; filled.
    """
    allowed = [(number, pool) for number, pool in enumerate(everywhere) if job.sites is None or pool.site in job.sites]
    if job.configurations:
        found, note = _listed(job, instance, allowed)
        choosable = np.ones(len(found), dtype=bool)
    else:
        found, choosable, note = _computed(job, instance, allowed, {} if known is None else known)
    order = np.lexsort((found.nodes, found.servers, found.gpus, found.pool))
    return found.take(order), choosable[order], note


def _listed(job: Job, instance: Instance, allowed: Sequence[tuple[int, Pool]]) -> tuple[Ways, str]:
    """Return the configurations that the job lists, in every pool where they fit."""
    rows = []
    for number, pool in allowed:
        for c in job.configurations:
            if c.gpu_type == pool.gpu_type and c.site in (None, pool.site) and c.gpus <= pool.capacity:
                fewest = int(pool.packed_nodes(np.array([c.gpus]), job.max_gpus_per_server)[0])
                nodes = c.nodes or fewest
                if instance.decides == "counts":
                    fits = fewest <= nodes <= len(pool.sizes)
                else:
                    fits = nodes in pool.even_nodes(c.gpus, job.max_gpus_per_server)
                if not fits:
                    continue
                batch = np.nan if c.local_batch is None else c.local_batch
                meets = instance.decides == "network" and (nodes > 1 or c.servers > 0)
                gbps = c.gbps if meets and c.gbps is not None else np.nan
                rows.append((number, c.gpus, nodes, c.servers, batch, c.accumulation, c.throughput, c.efficiency, gbps))
    listed = np.array(rows, dtype=np.float64).reshape(-1, 9).T
    pool_of, gpus, of_nodes, servers, passes = (listed[k].astype(np.int64) for k in (0, 1, 2, 3, 5))
    found = Ways(pool_of, gpus, of_nodes, servers, listed[4], passes, listed[6], listed[7], listed[8])
    return found, "" if rows else "none of its configurations fits the servers of a pool that it may use"


def _computed(
    job: Job, instance: Instance, allowed: Sequence[tuple[int, Pool]], known: dict[int, Ways]
) -> tuple[Ways, NDArray[np.bool_], str]:
    """Evaluate the job's curves over its counts, and keep the best batches of each count and what is held."""
    parts, choosable, notes = [none()], [np.empty(0, dtype=bool)], []
    for number, pool in allowed:
        if pool.gpu_type not in job.curves:
            continue
        most = min(pool.capacity, job.max_gpus or pool.capacity)
        counts = np.arange(job.min_gpus, most + 1, job.gpu_multiple)
        if len(counts) == 0:
            notes.append(f"it needs at least {job.min_gpus} GPUs, and {pool} has {pool.capacity}")
            continue
        if number not in known:
            known[number] = _best_batches(job, instance, number, pool, counts)
        best = known[number]
        if len(best) == 0:
            notes.append(f"no batch of the job fits the memory of {pool}, or its curve is unknown there")
        held = _held(job, instance, number, pool, counts)
        if len(held) and _rows(held) <= _rows(best):
            held = none()
        parts += [best, held]
        choosable += [np.ones(len(best), dtype=bool), np.zeros(len(held), dtype=bool)]
    found = Ways(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Ways)))
    why = "; ".join(notes) or "no pool that it may use has a GPU type that it can use"
    return found, np.concatenate(choosable), "" if len(found) else why


def _rows(ways: Ways) -> set[tuple[int, int, int, float]]:
    """Return what tells ways of one pool apart."""
    batch = np.nan_to_num(ways.local_batch)
    return set(zip(ways.gpus.tolist(), ways.nodes.tolist(), ways.servers.tolist(), batch.tolist(), strict=True))


def none() -> Ways:
    """Return no ways at all."""
    whole, real = np.empty(0, dtype=np.int64), np.empty(0)
    return Ways(whole, whole, whole, whole, real, whole, real, real, real)


def _cells(job: Job, instance: Instance, pool: Pool, counts: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return (GPUs, nodes, parameter servers) of all ways to run in a pool.

    A plan that decides on counts only takes each count on the fewest nodes.
    """
    most = job.max_gpus_per_server
    if instance.decides == "counts":
        gpus, nodes = counts, pool.packed_nodes(counts, most)
        gpus, nodes = gpus[nodes <= len(pool.sizes)], nodes[nodes <= len(pool.sizes)]
    else:
        even = [pool.even_nodes(count, most) for count in counts.tolist()]
        gpus, nodes = np.repeat(counts, [len(e) for e in even]), np.concatenate(even)
    ps = job.parameter_servers
    servers = np.arange(ps.minimum, ps.maximum + 1) if ps else np.zeros(1, dtype=np.int64)
    return gpus.repeat(len(servers)), nodes.repeat(len(servers)), np.tile(servers, len(gpus))


def _best_batches(job: Job, instance: Instance, number: int, pool: Pool, counts: IntArray) -> Ways:
    """Return, for each (GPUs, nodes, servers), the batches of highest goodput and of highest throughput that fit.

    Where network rates are decided, which batch is best depends on the rate, and all of them stay.
    """
    batches = np.array(job.global_batches or job.local_batches or (np.nan,), dtype=np.float64)
    cells = _cells(job, instance, pool, counts)
    batch = np.tile(batches, len(cells[0]))
    gpus, nodes, servers = (a.repeat(len(batches)) for a in cells)
    ways = _evaluate(job, instance, number, pool, gpus, nodes, servers, batch)
    known = ~np.isnan(ways.throughput)
    if instance.decides == "network":
        return ways.take(known)
    starts = np.arange(len(cells[0])) * len(batches)
    best = [
        starts + np.where(known, rate, -np.inf).reshape(-1, len(batches)).argmax(axis=1)
        for rate in (ways.goodput, ways.throughput)
    ]
    rows = np.unique(np.concatenate(best))
    return ways.take(rows[known[rows]])


def _held(job: Job, instance: Instance, number: int, pool: Pool, counts: IntArray) -> Ways:
    """Return what the job holds now, if it is in this pool, may go on, and names its nodes or its batch."""
    holds = job.holds
    if holds is None or (holds.site, holds.gpu_type) != (pool.site, pool.gpu_type):
        return none()
    placed = len(holds.placement) if holds.placement and instance.decides != "counts" else None
    held_nodes = holds.nodes or placed
    unnamed = held_nodes is None and holds.local_batch is None
    ps = job.parameter_servers
    servers_fit = ps.minimum <= holds.servers <= ps.maximum if ps else holds.servers == 0
    if unnamed or holds.gpus not in counts or not servers_fit:
        return none()
    gpus = np.array([holds.gpus])
    fewest = pool.packed_nodes(gpus, job.max_gpus_per_server)
    nodes = fewest if held_nodes is None else np.array([held_nodes])
    if not fewest[0] <= nodes[0] <= len(pool.sizes):
        return none()
    if instance.decides != "counts" and nodes[0] not in pool.even_nodes(holds.gpus, job.max_gpus_per_server):
        return none()
    servers = np.array([holds.servers])
    if holds.local_batch is None:
        batches = np.array(job.global_batches or job.local_batches or (np.nan,), dtype=np.float64)
        whole = [np.repeat(a, len(batches)) for a in (gpus, nodes, servers)]
        ways = _evaluate(job, instance, number, pool, whole[0], whole[1], whole[2], batches)
        ways = ways.take(np.flatnonzero(~np.isnan(ways.throughput)))
        return ways.take(np.argsort(-ways.goodput)[:1])
    one = np.ones(1, dtype=np.int64)
    batch = np.array([holds.local_batch])
    ways = _rated(job, instance, Ways(one * number, gpus, nodes, servers, batch, one, batch, batch, batch), pool)
    return ways.take(~np.isnan(ways.throughput))


def _evaluate(
    job: Job, instance: Instance, number: int, pool: Pool,
    gpus: IntArray, nodes: IntArray, servers: IntArray, batch: FloatArray,
) -> Ways:  # fmt: skip
    """Evaluate the curve of a pool; throughput is nan where a batch does not fit."""
    curve = instance.curves[job.curves[pool.gpu_type]]
    most = np.inf if curve.max_local_batch is None else float(curve.max_local_batch)
    if job.global_batches:
        passes = np.maximum(1.0, np.ceil(batch / gpus / most))
        local = batch / gpus / passes
        fits = local >= 1
    else:
        passes, local = np.ones_like(batch), batch
        fits = ~(local > most)
    unrated = np.full(len(gpus), np.nan)
    drafts = Ways(
        np.full(len(gpus), number), gpus, nodes, servers, local, passes.astype(np.int64), unrated, unrated, unrated
    )
    ways = _rated(job, instance, drafts, pool)
    return replace(ways, throughput=np.where(fits | np.isnan(batch), ways.throughput, np.nan))


def _rated(job: Job, instance: Instance, ways: Ways, pool: Pool) -> Ways:
    """Return ways of one pool with their fastest network rate, their throughput at it, and their efficiency."""
    curve = instance.curves[job.curves[pool.gpu_type]]
    gbps = np.full(len(ways), np.nan)
    if instance.decides == "network" and curve.on_network:
        groups = [group for group in instance.cluster.servers if group.site == pool.site]
        gbps[(ways.nodes > 1) | (ways.servers > 0)] = max(group.network_gbps or 0.0 for group in groups)
    points = points_of(ways, gbps)
    efficiency = _efficiency(job, points.examples())
    return replace(ways, gbps=gbps, throughput=curve.throughput(points), efficiency=efficiency)


def _efficiency(job: Job, examples: FloatArray) -> FloatArray:
    if job.efficiency is None:
        return np.ones_like(examples)
    noise, reference = job.efficiency.noise_scale, job.efficiency.reference_batch
    known = np.where(np.isnan(examples), reference, examples)  # without a batch, the reference is meant
    return np.minimum(1.0, (noise + reference) / (noise + known))


def reference_goodput(job: Job, ways: Ways, everywhere: Sequence[Pool]) -> float:
    """Return the goodput that progress 1.0 means: given, of a configuration, or the best at the fewest GPUs."""
    wanted = job.reference
    if wanted is not None and wanted.goodput is not None:
        return wanted.goodput
    rows = ways
    if wanted is not None:
        of_type = [number for number, pool in enumerate(everywhere) if pool.gpu_type == wanted.gpu_type]
        rows = rows.take(np.isin(rows.pool, of_type))
        if wanted.gpus is not None:
            rows = rows.take(rows.gpus == wanted.gpus)
    if len(rows) == 0:
        return 1.0
    return float(rows.goodput[rows.gpus == rows.gpus.min()].max())
