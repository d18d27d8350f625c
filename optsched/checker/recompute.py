"""True numbers: what allocations really yield, recomputed from the instance and its curves alone."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.checker.extremes import best_goodputs
from optsched.checker.memory import Memory
from optsched.instance import Configuration, Instance, Job, ServerGroup
from optsched.instance.objectives import Base
from optsched.instance.server_names import plain
from optsched.instance.solution import Allocation
from optsched.prediction.curves import Points

__all__ = ["TOLERANCE", "Truth", "close", "keeps"]

TOLERANCE = 1e-6
"""Largest relative difference between two numbers that count as equal."""


def close(a: float, b: float) -> bool:
    """Tell whether two numbers are equal within the tolerance."""
    return abs(a - b) <= TOLERANCE * max(abs(a), abs(b), 1e-9)


def keeps(job: Job, a: Allocation) -> bool:
    """Tell whether an allocation is what the job holds now, as far as that is known."""
    if (h := job.holds) is None or (h.site, h.gpu_type, h.gpus, h.servers) != (
        a.site,
        a.gpu_type,
        a.gpus,
        a.servers,
    ):
        return False
    same_batch = h.local_batch is None or (a.local_batch is not None and close(h.local_batch, a.local_batch))
    same_places = _same(h.placement, a.placement) and _same(h.server_placement, a.server_placement)
    return h.nodes in (None, a.nodes) and same_batch and same_places


def _same(held: dict[str, int] | None, named: dict[str, int] | None) -> bool:
    """Tell whether two mean the same servers, or one of them none that is known."""
    if held is None or named is None:
        return True
    return {plain(name): count for name, count in held.items()} == {plain(n): count for n, count in named.items()}


class Truth:
    """The facts of one instance, looked up again and again while a plan is checked."""

    def __init__(self, instance: Instance, memory: Memory | None = None) -> None:
        self.instance = instance
        self._memory = (memory or Memory()).of(instance)
        self._kinds: dict[str, tuple[Hashable, ...]] = {}
        self._listed: dict[str, tuple[Allocation, Configuration | None]] = {}
        self.jobs = {job.id: job for job in instance.jobs}
        self.tenants = {tenant.id: tenant for tenant in instance.tenants}
        self.groups = {group.id: group for group in instance.cluster.servers}
        self._hosting: dict[tuple[str, str | None, int, int | None, int | None], tuple[str, ...]] = {}
        self.held_empty: dict[Hashable, int] = {}
        """GPUs that empty servers hold by site, GPU type, cores and memory of each, and the most on one server."""
        prices = {gpu.id: gpu.hourly_price for gpu in instance.cluster.gpu_types}
        self.prices = {site.id: prices | site.hourly_prices for site in instance.cluster.sites}
        self._references = self._memory.goodputs

    @cached_property
    def _held_by(self) -> dict[tuple[str, str], list[int]]:
        """GPUs on the n + 1 largest servers of each (site, GPU type)."""
        sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
        for group in self.instance.cluster.servers:
            if group.gpu_type is not None:
                sizes[group.site, group.gpu_type] += [group.gpus] * group.count
        return {pool: list(accumulate(sorted(each, reverse=True))) for pool, each in sizes.items()}

    @cached_property
    def _sites_of(self) -> dict[str, list[str]]:
        """The sites that have GPUs of each type."""
        sites: dict[str, list[str]] = defaultdict(list)
        for site, gpu in self._held_by:
            sites[gpu].append(site)
        return sites

    @cached_property
    def _groups_by_site(self) -> dict[str, list[ServerGroup]]:
        found: dict[str, list[ServerGroup]] = defaultdict(list)
        for group in self.groups.values():
            found[group.site].append(group)
        return found

    def groups_of(self, site: str) -> list[ServerGroup]:
        """Return the server groups of a site."""
        return self._groups_by_site.get(site, [])

    @property
    def pools(self) -> list[tuple[str, str]]:
        """The (site, GPU type) of each pool."""
        return list(self._held_by)

    def gpus(self, site: str, gpu_type: str) -> int:
        """Return the GPUs of a type in a site."""
        return self._held_by.get((site, gpu_type), [0])[-1]

    def servers(self, site: str, gpu_type: str) -> int:
        """Return the servers with GPUs of a type in a site."""
        return len(self._held_by.get((site, gpu_type), []))

    def fewest_nodes(self, job: Job, site: str, gpu_type: str, gpus: int) -> int:
        """Return the fewest servers that hold a number of a job's GPUs; one more than there are where none do."""
        held = self._held_by.get((site, gpu_type), [])
        if (most := job.max_gpus_per_server) is not None:
            sizes = [b - a for a, b in zip([0, *held], held, strict=False)]
            held = list(accumulate(min(size, most) for size in sizes))
        return bisect_left(held, gpus) + 1

    def throughputs(self, allocations: Sequence[Allocation]) -> FloatArray:
        """Return the true examples/s of each allocation; nan where it is none of the job's configurations."""
        rates = np.full(len(allocations), np.nan)
        by_curve: dict[str, list[int]] = defaultdict(list)
        for number, a in enumerate(allocations):
            job = self.jobs[a.job]
            if (listed := self.listed(job, a)) is not None:
                rates[number] = listed.throughput
            elif a.gpu_type in job.curves and (a.local_batch is None or 0 < a.local_batch < np.inf):
                by_curve[job.curves[a.gpu_type]].append(number)
        for name, numbers in by_curve.items():
            chosen = [allocations[n] for n in numbers]
            points = Points.of(
                [a.gpus for a in chosen],
                nodes=[a.nodes for a in chosen],
                local_batch=[np.nan if a.local_batch is None else a.local_batch for a in chosen],
                accumulation=[a.accumulation for a in chosen],
                servers=[a.servers for a in chosen],
                gbps=[a.gbps if a.gbps is not None and 0 < a.gbps < np.inf else np.nan for a in chosen],
            )
            with np.errstate(all="ignore"):  # any plan may come here, e.g. one without the batch that its curve needs
                rates[numbers] = self.instance.curves[name].throughput(points)
        return rates

    def listed(self, job: Job, a: Allocation) -> Configuration | None:
        """Return the listed configuration that an allocation means; None where it is none of them.

        Of several that differ in their rates only, it is the one whose network rate it has (where that is decided,
        and it meets the network or names a rate), and then the one whose throughput is claimed.
        """
        if not job.configurations:
            return None
        last = self._listed.get(a.job)
        if last is not None and last[0] is a:
            return last[1]
        rated = self.instance.decides == "network" and (a.nodes > 1 or a.servers > 0 or a.gbps is not None)

        def strangeness(c: Configuration) -> tuple[bool, float, float]:
            return rated and c.gbps != a.gbps, abs(c.throughput - a.throughput), -c.efficiency

        matching = [
            c
            for c in job.configurations
            if c.gpus == a.gpus  # which tells most of them apart
            and (c.gpu_type, c.servers, c.accumulation) == (a.gpu_type, a.servers, a.accumulation)
            and c.site in (None, a.site)
            and (c.nodes or self.fewest_nodes(job, a.site, a.gpu_type, a.gpus)) == a.nodes
            and c.local_batch == a.local_batch
        ]
        found = min(matching, key=strangeness, default=None)
        self._listed[a.job] = a, found
        return found

    def efficiency(self, job: Job, a: Allocation) -> float:
        """Return the progress per example of an allocation's batch in its site."""
        factor = job.affinity.get(a.site, 1.0)
        if (listed := self.listed(job, a)) is not None:
            return listed.efficiency * factor
        if job.efficiency is None or a.local_batch is None:
            return factor
        noise, reference = job.efficiency.noise_scale, job.efficiency.reference_batch
        return min(1.0, (noise + reference) / (noise + a.gpus * a.local_batch * a.accumulation)) * factor

    def lost_seconds(self, job: Job, a: Allocation) -> float:
        """Return what a restart takes, if the allocation is not what the job holds."""
        return 0.0 if job.holds is None or keeps(job, a) else job.restart_s

    def share(self, job: Job, a: Allocation) -> float:
        """Return the part of the round that an allocation trains."""
        return 1.0 - min(1.0, self.lost_seconds(job, a) / self.instance.round_s)

    def reference(self, job: Job) -> float:
        """Return the goodput that progress 1.0 means for a job (see ``Job.reference``)."""
        return float(self.references([job])[0])

    def references(self, jobs: Sequence[Job]) -> FloatArray:
        """Return the goodput that progress 1.0 means for each job, shape ``(jobs,)``; curves are evaluated together."""
        keys: list[Hashable] = [("reference", self._kind(job)) for job in jobs]
        waiting: dict[Hashable, Job] = {}
        for key, job in zip(keys, jobs, strict=True):
            if key not in self._references:
                if job.configurations:
                    self._references[key] = self._listed_reference(job)
                else:
                    waiting[key] = job
        counts = {key: self._counts_of_reference(job) for key, job in waiting.items()}
        while waiting:  # the next number of GPUs of each kind, until one can run
            pairs: list[tuple[Hashable, Allocation]] = []
            known: dict[Hashable, list[float]] = defaultdict(list)
            for key, job in list(waiting.items()):
                if job.reference is not None and job.reference.goodput is not None:
                    found, gpus = job.reference.goodput, 0
                else:
                    found, gpus = 1.0, next(counts[key], 0)
                if gpus == 0:
                    self._references[key] = found
                    del waiting[key]
                    continue
                for pool in self._pools_of_reference(job):
                    if gpus <= self.gpus(*pool):
                        pairs += [(key, a) for a in self.by_curve(job, *pool, gpus)]
            for (key, a), rate in zip(pairs, self.throughputs([a for _, a in pairs]).tolist(), strict=True):
                if not np.isnan(rate):
                    known[key].append(rate * self.efficiency(waiting[key], a))
            for key, found_here in known.items():
                if found_here:
                    self._references[key] = max(found_here)
                    del waiting[key]
        return np.array([self._references[key] for key in keys], dtype=np.float64)

    def _listed_reference(self, job: Job) -> float:
        """Return the goodput that progress 1.0 means for a job that lists its configurations."""
        wanted = job.reference
        if wanted is not None and wanted.goodput is not None:
            return wanted.goodput
        for gpus in sorted({c.gpus for c in job.configurations}):
            rates = [
                goodput
                for c, _, goodput in self.listed_goodputs(job, gpus)
                if wanted is None or (c.gpu_type == wanted.gpu_type and wanted.gpus in (None, c.gpus))
            ]
            if rates:
                return max(rates)
        return 1.0

    def _kind(self, job: Job) -> tuple[Hashable, ...]:
        """Return what decides the goodputs of a job's configurations, and which of them is its reference."""
        if (known := self._kinds.get(job.id)) is not None:
            return known
        kind: tuple[Hashable, ...] = (
            tuple(job.curves),
            self._memory.identities(tuple(job.curves.values()), self.instance.curves),
            self._memory.identity(job.configurations),
            job.sites,
            job.min_gpus,
            job.max_gpus,
            job.gpu_multiple,
            job.global_batches,
            job.local_batches,
            job.parameter_servers,
            job.efficiency,
            job.reference,
            job.max_gpus_per_server,
            tuple(job.affinity.items()),
        )
        self._kinds[job.id] = kind
        return kind

    def measures(self, jobs: Sequence[Job], base: Base) -> FloatArray:
        """Return the goodput that an objective measures each job by (see :data:`optsched.instance.objectives.Base`)."""
        if base == "reference":
            return self.references(jobs)
        there = max(1, sum(other.arrival_s <= self.instance.now_s for other in self.instance.jobs))
        keys = [(base, there if base == "isolated" else 0, self._kind(job)) for job in jobs]
        waiting = {key: job for key, job in zip(keys, jobs, strict=True) if key not in self._references}
        best = best_goodputs(self, list(waiting.values()))
        pick = min if base == "least" else max
        for key, found in zip(waiting, best, strict=True):
            parts = found
            if base == "isolated":
                parts = {cell: rate * min(1.0, self.gpus(*cell[:2]) / there / cell[2]) for cell, rate in found.items()}
            self._references[key] = pick(parts.values(), default=1.0)
        return np.array([self._references[key] for key in keys], dtype=np.float64)

    def dominant_share(self, job: Job, a: Allocation) -> float:
        """Return the largest part that an allocation takes of its pool's GPUs and of its site's cores and memory."""
        ps = job.parameter_servers
        there = self.gpus(a.site, a.gpu_type)
        parts = [a.gpus / there if there else np.inf]
        for field, per_gpu, per_server in (
            ("cpu_cores", job.cpu_cores_per_gpu, ps.cpu_cores if ps else 0.0),
            ("memory_gb", job.memory_gb_per_gpu, ps.memory_gb if ps else 0.0),
        ):
            each = [(s.count, getattr(s, field)) for s in self.instance.cluster.servers if s.site == a.site]
            wanted = per_gpu * a.gpus + per_server * a.servers
            if wanted > 0 and all(x is not None for _, x in each):
                total = sum(count * x for count, x in each)
                parts.append(wanted / total if total > 0 else np.inf)
        return float(max(parts))

    def _pools_of_reference(self, job: Job) -> list[tuple[str, str]]:
        """Return the pools in which a job's reference may be."""
        wanted = job.reference
        return [
            (site, gpu)
            for site, gpu in self._held_by
            if (job.sites is None or site in job.sites) and (wanted is None or wanted.gpu_type == gpu)
        ]

    def _counts_of_reference(self, job: Job) -> Iterator[int]:
        """Yield the numbers of GPUs at which a job's reference may be, the fewest first."""
        most = max((self.gpus(*pool) for pool in self._pools_of_reference(job)), default=0)
        for gpus in range(job.min_gpus, min(most, job.max_gpus or most) + 1, job.gpu_multiple):
            if job.reference is None or job.reference.gpus in (None, gpus):
                yield gpus

    def listed_goodputs(self, job: Job, gpus: int | None = None) -> Iterator[tuple[Configuration, str, float]]:
        """Yield each configuration that a job lists, each site whose empty pool can host it, and its goodput there.

        Parameters
        ----------
        gpus
            Their number of GPUs; None: any.
        """
        sites, affinity, limit, known = job.sites, job.affinity, job.max_gpus_per_server, self._hosting
        for c in job.configurations:
            if gpus is not None and c.gpus != gpus:
                continue
            hosts = known.get((c.gpu_type, c.site, c.gpus, c.nodes, limit))
            for site in self._hosts(c, job) if hosts is None else hosts:
                if sites is None or site in sites:
                    yield c, site, c.throughput * c.efficiency * (affinity.get(site, 1.0) if affinity else 1.0)

    def _hosts(self, c: Configuration, job: Job) -> tuple[str, ...]:
        """Return the sites whose empty pools have the servers for a configuration."""
        sites = self._sites_of.get(c.gpu_type, []) if c.site is None else [c.site]
        fewest = [(site, self.fewest_nodes(job, site, c.gpu_type, c.gpus)) for site in sites]
        found = tuple(site for site, n in fewest if n <= (c.nodes or n) <= self.servers(site, c.gpu_type))
        self._hosting[c.gpu_type, c.site, c.gpus, c.nodes, job.max_gpus_per_server] = found
        return found

    def by_curve(self, job: Job, site: str, gpu_type: str, gpus: int) -> Iterator[Allocation]:
        """Yield the configurations of a job of curves on some GPUs of a pool, on the fewest nodes, without rates."""
        nodes = self.fewest_nodes(job, site, gpu_type, gpus)
        if gpu_type not in job.curves or nodes > self.servers(site, gpu_type):
            return
        limit = self.instance.curves[job.curves[gpu_type]].max_local_batch
        ps = job.parameter_servers
        for batch in job.global_batches or job.local_batches or (None,):
            passes, local = 1, None if batch is None else float(batch)
            if local is not None and job.global_batches:
                whole, local = local, local / gpus
                while limit is not None and local > limit:
                    passes += 1
                    local = whole / gpus / passes
            if local is not None and (local < 1 or (limit is not None and local > limit)):
                continue
            for servers in range(ps.minimum, ps.maximum + 1) if ps else (0,):
                a = Allocation(
                    job=job.id,
                    site=site,
                    gpu_type=gpu_type,
                    gpus=gpus,
                    nodes=nodes,
                    servers=servers,
                    local_batch=local,
                    accumulation=passes,
                    throughput=0.0,
                    progress=0.0,
                )
                yield a
