"""The table of configurations: every way in which every job may run, as arrays.

All models, heuristics and prices read this one table; it is computed once an instance. Jobs of one
kind (equal curves, limits and batches) are evaluated once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optsched.curves import FloatArray, IntArray, Points
from optsched.instance import Holding, Instance, Job
from optsched.pools import Pool, pools, resources

__all__ = ["Configurations", "Ways", "tabulate"]


@dataclass(frozen=True)
class Ways:
    """Ways to run one job; every field has shape ``(n,)``.

    pool
        Index into the instance's pools.
    gpus, nodes, servers, local_batch, accumulation
        As in :class:`optsched.curves.Points`; local_batch is nan where the job names none.
    throughput, efficiency
        Examples/s, and progress per example.
    """

    pool: IntArray
    gpus: IntArray
    nodes: IntArray
    servers: IntArray
    local_batch: FloatArray
    accumulation: IntArray
    throughput: FloatArray
    efficiency: FloatArray

    def __len__(self) -> int:
        return len(self.pool)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Ways:
        """Return the named ways only."""
        return Ways(*(getattr(self, f.name)[rows] for f in fields(self)))

    @property
    def goodput(self) -> FloatArray:
        """Reference-batch examples/s."""
        return self.throughput * self.efficiency


@dataclass(frozen=True)
class Configurations:
    """Eligible configurations of all jobs, those of job ``j`` in rows ``first[j]:first[j + 1]``.

    job
        The job of each row, shape ``(n,)``.
    ways
        What each row is, ``n`` ways, by pool and then by GPUs.
    kept
        Whether the row is what its job holds now, shape ``(n,)``.
    share
        Part of the round that the row trains: 1, less what a restart takes; shape ``(n,)``.
    first
        Shape ``(jobs + 1,)``.
    reference
        The goodput that progress 1.0 means for each job, shape ``(jobs,)``; 1 where a job has no way to run.
    pools
        The pools that ``ways.pool`` counts.
    used
        What each row takes of each resource, as coordinates: (row, resource, amount) arrays.
    capacity
        Of each resource, shape ``(resources,)``; the pools come first, in their order.
    resource_names
        For people, in the same order.
    reasons
        For each job without rows, by its number: why.
    """

    job: IntArray
    ways: Ways
    kept: NDArray[np.bool_]
    share: FloatArray
    first: IntArray
    reference: FloatArray
    pools: tuple[Pool, ...]
    used: tuple[IntArray, IntArray, FloatArray]
    capacity: FloatArray
    resource_names: tuple[str, ...]
    reasons: dict[int, str]

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
        order = np.argsort(row, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(self)))])
        return start, resource[order], amount[order]


def tabulate(instance: Instance) -> Configurations:
    """Return the table of an instance.

    A row is left out where the job has not arrived yet, where its curve is unknown, and where,
    held from now on, it would miss the job's deadline or cost more than its budget.
    """
    everywhere = pools(instance)
    kinds: dict[Hashable, int] = {}
    ways: list[Ways] = []
    notes: list[str] = []
    references: list[float] = []
    kind_of = np.empty(len(instance.jobs), dtype=np.int64)
    for number, job in enumerate(instance.jobs):
        key = _kind(job)
        if key not in kinds:
            kinds[key] = len(ways)
            found, choosable, note = _ways(job, instance, everywhere)
            ways.append(found)
            notes.append(note)
            references.append(_reference(job, found.take(choosable), everywhere))
        kind_of[number] = kinds[key]
    reasons = {j: notes[k] for j, k in enumerate(kind_of) if notes[k]}
    reference = np.array(references)[kind_of] if len(kind_of) else np.empty(0)
    return _eligible(instance, everywhere, ways, kind_of, reference, reasons)


def _kind(job: Job) -> Hashable:
    """Return what decides a job's ways; jobs with equal kinds share one evaluation."""
    if job.configurations:
        return job.configurations, job.sites, job.max_gpus_per_server, job.reference, job.holds and _held_key(job.holds)
    return (
        tuple(job.curves.items()), job.sites, job.min_gpus, job.max_gpus, job.gpu_multiple,
        job.global_batches, job.local_batches, job.parameter_servers, job.efficiency, job.reference,
        job.max_gpus_per_server, job.holds and _held_key(job.holds),
    )  # fmt: skip


def _held_key(holds: Holding) -> Hashable:
    return holds.site, holds.gpu_type, holds.gpus, holds.nodes, holds.servers, holds.local_batch


def _ways(job: Job, instance: Instance, everywhere: Sequence[Pool]) -> tuple[Ways, NDArray[np.bool_], str]:
    """Return all ways of a job, by pool and GPUs, which of them are not only held, and why there are none."""
    allowed = [(number, pool) for number, pool in enumerate(everywhere) if job.sites is None or pool.site in job.sites]
    if job.configurations:
        found, note = _listed(job, allowed)
        choosable = np.ones(len(found), dtype=bool)
    else:
        found, choosable, note = _computed(job, instance, allowed)
    order = np.lexsort((found.servers, found.gpus, found.pool))
    return found.take(order), choosable[order], note


def _listed(job: Job, allowed: Sequence[tuple[int, Pool]]) -> tuple[Ways, str]:
    """Return the configurations that the job lists, in every pool where they fit."""
    rows = []
    for number, pool in allowed:
        for c in job.configurations:
            if c.gpu_type == pool.gpu_type and c.site in (None, pool.site) and c.gpus <= pool.capacity:
                fewest = int(pool.packed_nodes(np.array([c.gpus]), job.max_gpus_per_server)[0])
                if not fewest <= (nodes := c.nodes or fewest) <= len(pool.sizes):
                    continue
                batch = np.nan if c.local_batch is None else c.local_batch
                rows.append((number, c.gpus, nodes, c.servers, batch, c.accumulation, c.throughput, c.efficiency))
    listed = np.array(rows, dtype=np.float64).reshape(-1, 8).T
    pool_of, gpus, of_nodes, servers, passes = (listed[k].astype(np.int64) for k in (0, 1, 2, 3, 5))
    found = Ways(pool_of, gpus, of_nodes, servers, listed[4], passes, listed[6], listed[7])
    return found, "" if rows else "none of its configurations fits the servers of a pool that it may use"


def _computed(job: Job, instance: Instance, allowed: Sequence[tuple[int, Pool]]) -> tuple[Ways, NDArray[np.bool_], str]:
    """Evaluate the job's curves over its counts, and keep the best batches of each count and what is held."""
    parts, choosable, notes = [_none()], [np.empty(0, dtype=bool)], []
    for number, pool in allowed:
        if pool.gpu_type not in job.curves:
            continue
        most = min(pool.capacity, job.max_gpus or pool.capacity)
        counts = np.arange(job.min_gpus, most + 1, job.gpu_multiple)
        if len(counts) == 0:
            notes.append(f"it needs at least {job.min_gpus} GPUs, and {pool} has {pool.capacity}")
            continue
        best = _best_batches(job, instance, number, pool, counts)
        if len(best) == 0:
            notes.append(f"no batch of the job fits the memory of {pool}, or its curve is unknown there")
        held = _held(job, instance, number, pool, counts)
        if len(held) and _rows(held) <= _rows(best):
            held = _none()
        parts += [best, held]
        choosable += [np.ones(len(best), dtype=bool), np.zeros(len(held), dtype=bool)]
    found = Ways(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Ways)))
    why = "; ".join(notes) or "no pool that it may use has a GPU type that it can use"
    return found, np.concatenate(choosable), "" if len(found) else why


def _rows(ways: Ways) -> set[tuple[int, int, int, float]]:
    """Return what tells ways of one pool apart."""
    batch = np.nan_to_num(ways.local_batch)
    return set(zip(ways.gpus.tolist(), ways.nodes.tolist(), ways.servers.tolist(), batch.tolist(), strict=True))


def _none() -> Ways:
    whole, real = np.empty(0, dtype=np.int64), np.empty(0)
    return Ways(whole, whole, whole, whole, real, whole, real, real)


def _best_batches(job: Job, instance: Instance, number: int, pool: Pool, counts: IntArray) -> Ways:
    """Return, for each (GPUs, servers), the batches of highest goodput and of highest throughput that fit."""
    ps = job.parameter_servers
    servers = np.arange(ps.minimum, ps.maximum + 1) if ps else np.zeros(1, dtype=np.int64)
    batches = np.array(job.global_batches or job.local_batches or (np.nan,), dtype=np.float64)
    gpus, count_servers = (a.ravel().repeat(len(batches)) for a in np.meshgrid(counts, servers, indexing="ij"))
    batch = np.tile(batches, len(counts) * len(servers))
    nodes = pool.packed_nodes(gpus, job.max_gpus_per_server)
    ways = _evaluate(job, instance, number, pool, gpus, nodes, count_servers, batch)
    cells = np.arange(len(counts) * len(servers)) * len(batches)
    known = ~np.isnan(ways.throughput) & (ways.nodes <= len(pool.sizes))
    best = [
        cells + np.where(known, rate, -np.inf).reshape(-1, len(batches)).argmax(axis=1)
        for rate in (ways.goodput, ways.throughput)
    ]
    rows = np.unique(np.concatenate(best))
    return ways.take(rows[known[rows]])


def _held(job: Job, instance: Instance, number: int, pool: Pool, counts: IntArray) -> Ways:
    """Return what the job holds now, if it is in this pool, may go on, and names its nodes or its batch."""
    holds = job.holds
    if holds is None or (holds.site, holds.gpu_type) != (pool.site, pool.gpu_type):
        return _none()
    unnamed = holds.nodes is None and holds.local_batch is None
    if unnamed or holds.gpus not in counts:
        return _none()
    gpus = np.array([holds.gpus])
    fewest = pool.packed_nodes(gpus, job.max_gpus_per_server)
    nodes = fewest if holds.nodes is None else np.array([holds.nodes])
    if not fewest[0] <= nodes[0] <= len(pool.sizes):
        return _none()
    servers = np.array([holds.servers])
    if holds.local_batch is None:
        batches = np.array(job.global_batches or job.local_batches or (np.nan,), dtype=np.float64)
        whole = [np.repeat(a, len(batches)) for a in (gpus, nodes, servers)]
        ways = _evaluate(job, instance, number, pool, whole[0], whole[1], whole[2], batches)
        ways = ways.take(np.flatnonzero(~np.isnan(ways.throughput)))
        return ways.take(np.argsort(-ways.goodput)[:1])
    points = Points.of(gpus, nodes=nodes, local_batch=holds.local_batch, servers=servers)
    batch = points.local_batch
    throughput = instance.curves[job.curves[pool.gpu_type]].throughput(points)
    efficiency = _efficiency(job, points.examples())
    ways = Ways(np.full(1, number), gpus, nodes, servers, batch, np.ones(1, dtype=np.int64), throughput, efficiency)
    return ways.take(~np.isnan(throughput))


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
    points = Points.of(gpus, nodes=nodes, local_batch=local, accumulation=passes, servers=servers)
    throughput = np.where(fits | np.isnan(batch), curve.throughput(points), np.nan)
    efficiency = _efficiency(job, points.examples())
    pool_of = np.full(len(gpus), number)
    return Ways(pool_of, gpus, nodes, servers, local, passes.astype(np.int64), throughput, efficiency)


def _efficiency(job: Job, examples: FloatArray) -> FloatArray:
    if job.efficiency is None:
        return np.ones_like(examples)
    noise, reference = job.efficiency.noise_scale, job.efficiency.reference_batch
    known = np.where(np.isnan(examples), reference, examples)  # without a batch, the reference is meant
    return np.minimum(1.0, (noise + reference) / (noise + known))


def _reference(job: Job, ways: Ways, everywhere: Sequence[Pool]) -> float:
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


def _eligible(
    instance: Instance, everywhere: tuple[Pool, ...], ways: list[Ways], kind_of: IntArray,
    reference: FloatArray, reasons: dict[int, str],
) -> Configurations:  # fmt: skip
    """Lay the kinds' ways out job by job, and drop what a job's own limits forbid."""
    jobs = instance.jobs
    sizes = np.array([len(w) for w in ways], dtype=np.int64)
    stacked = Ways(*(np.concatenate([getattr(w, f.name) for w in ways or [_none()]]) for f in fields(Ways)))
    offset = np.concatenate([[0], np.cumsum(sizes)])
    size = sizes[kind_of]
    job = np.repeat(np.arange(len(jobs)), size)
    within = np.arange(len(job)) - np.repeat(np.cumsum(size) - size, size)
    rows = stacked.take(offset[kind_of][job] + within)

    kept, holding = _kept(instance, everywhere, job, rows)
    restart = np.array([j.restart_s for j in jobs])[job]
    lost = np.where(holding[job] & ~kept, restart, 0.0)
    share = 1.0 - np.minimum(1.0, lost / instance.round_s)

    remaining = np.array([np.nan if j.remaining_examples is None else j.remaining_examples for j in jobs])[job]
    seconds = remaining / rows.goodput
    deadline = np.array([np.inf if j.deadline_s is None else j.deadline_s for j in jobs])[job]
    budget = np.array([np.inf if j.budget is None else j.budget for j in jobs])[job]
    price = np.array([pool.hourly_price for pool in everywhere])[rows.pool]
    here = np.array([j.arrival_s <= instance.now_s for j in jobs], dtype=bool)[job]
    late = instance.now_s + lost + seconds > deadline
    dear = price * rows.gpus * seconds / 3600 > budget
    keep = here & ~late & ~dear
    for number in np.flatnonzero((np.bincount(job[keep], minlength=len(jobs)) == 0) & (size > 0)).tolist():
        own = job == number
        if jobs[number].arrival_s > instance.now_s:
            reasons[number] = f"it arrives at {jobs[number].arrival_s:g} s, after now ({instance.now_s:g} s)"
        elif (late | ~dear)[own].all():
            reasons[number] = f"no configuration ends by its deadline at {jobs[number].deadline_s:g} s"
        else:
            reasons[number] = f"no configuration meets its deadline within its budget of {jobs[number].budget:g}"
    job, rows, kept, share = job[keep], rows.take(keep), kept[keep], share[keep]
    first = np.concatenate([[0], np.cumsum(np.bincount(job, minlength=len(jobs)))])
    shared = resources(instance)
    return Configurations(
        job=job, ways=rows, kept=kept, share=share, first=first, reference=reference, pools=everywhere,
        used=_used(instance, everywhere, job, rows), capacity=np.array([r.capacity for r in shared]),
        resource_names=tuple(r.name for r in shared), reasons=reasons,
    )  # fmt: skip


def _kept(
    instance: Instance, everywhere: tuple[Pool, ...], job: IntArray, rows: Ways
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are what their job holds now, and which jobs hold anything."""
    number_of = {(pool.site, pool.gpu_type): number for number, pool in enumerate(everywhere)}
    held = np.full((len(instance.jobs), 5), np.nan)
    for j, owner in enumerate(instance.jobs):
        if (h := owner.holds) is not None:
            pool = number_of.get((h.site, h.gpu_type), -1)
            held[j] = pool, h.gpus, h.servers, h.nodes or np.nan, h.local_batch or np.nan
    mine = held[job]
    same = (rows.pool == mine[:, 0]) & (rows.gpus == mine[:, 1]) & (rows.servers == mine[:, 2])
    same &= np.isnan(mine[:, 3]) | (rows.nodes == mine[:, 3])
    same &= np.isnan(mine[:, 4]) | np.isclose(rows.local_batch, mine[:, 4])
    return same, ~np.isnan(held[:, 0])


def _used(
    instance: Instance, everywhere: tuple[Pool, ...], job: IntArray, rows: Ways
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return what each row takes of each resource, without zeros."""
    sites = [site.id for site in instance.cluster.sites]
    site = np.array([sites.index(pool.site) for pool in everywhere])[rows.pool]
    row = np.arange(len(job))
    parts = [(row, rows.pool, rows.gpus.astype(np.float64))]
    for number, (per_gpu, per_server) in enumerate(
        (("cpu_cores_per_gpu", "cpu_cores"), ("memory_gb_per_gpu", "memory_gb"))
    ):
        worker = np.array([getattr(j, per_gpu) for j in instance.jobs])[job]
        server = np.array([getattr(j.parameter_servers, per_server, 0.0) for j in instance.jobs])[job]
        amount = worker * rows.gpus + server * rows.servers
        some = amount > 0
        parts.append((row[some], len(everywhere) + number * len(sites) + site[some], amount[some]))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]
