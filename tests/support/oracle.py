"""Brute force: every plan of a small instance, by plain loops over the instance alone.

Nothing of the tables, models or heuristics is used; the curves are evaluated by their own formulas, written
once more in scalars.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from optsched.instance import Instance, Job
from optsched.instance.solution import Allocation
from optsched.prediction.curves import AllReduce, Amdahl, Curve, Table

__all__ = ["Way", "able", "best_plan", "plans", "pools", "raw", "ways"]


@dataclass(frozen=True)
class Way:
    """One way to run a job: what it is, what it takes, what it is worth."""

    job: Job
    site: str
    gpu_type: str
    gpus: int
    nodes: int
    servers: int
    batch: float | None
    passes: int
    throughput: float
    efficiency: float
    kept: bool
    share: float
    progress: float

    @property
    def allocation(self) -> Allocation:
        return Allocation(
            job=self.job.id,
            site=self.site,
            gpu_type=self.gpu_type,
            gpus=self.gpus,
            nodes=self.nodes,
            servers=self.servers,
            local_batch=self.batch,
            accumulation=self.passes,
            throughput=self.throughput,
            progress=self.progress,
        )


def speed(curve: Curve, gpus: int, nodes: int, batch: float | None, passes: int, servers: int) -> float | None:
    """Return examples/s by a curve; None where it is unknown."""
    if isinstance(curve, Amdahl):
        return curve.single / (curve.serial + (1 - curve.serial) / gpus)
    if isinstance(curve, Table):
        for row in curve.rows:
            asked = ((row.nodes, nodes), (row.local_batch, batch), (row.servers, servers))
            if row.gpus == gpus and all(want is None or want == have for want, have in asked):
                return row.throughput
        return None
    assert isinstance(curve, AllReduce)
    if batch is None or servers > 0:
        return None
    compute = curve.pass_s + curve.example_s * batch
    crowd = math.ceil(gpus / nodes)
    sync = 0.0
    if crowd > 1:
        sync += curve.local_sync_s * (crowd / 2) ** curve.local_exponent
    if nodes > 1:
        sync += curve.sync_s * (nodes / 2) ** curve.node_exponent * crowd**curve.gpu_exponent
    last = (compute**curve.overlap + sync**curve.overlap) ** (1 / curve.overlap)
    return gpus * batch * passes / ((passes - 1) * compute + last)


def fewest_nodes(sizes: list[int], gpus: int) -> int:
    left, nodes = gpus, 0
    for size in sorted(sizes, reverse=True):
        if left > 0:
            left, nodes = left - size, nodes + 1
    return nodes


def pools(instance: Instance) -> dict[tuple[str, str], list[int]]:
    """Return the sizes of the servers of each (site, GPU type)."""
    found: dict[tuple[str, str], list[int]] = {}
    for group in instance.cluster.servers:
        if group.gpu_type is not None:
            found.setdefault((group.site, group.gpu_type), []).extend([group.gpus] * group.count)
    return found


def raw(instance: Instance, job: Job) -> Iterator[tuple[str, str, int, int, int, float | None, int, float, float]]:
    """Yield all ways to run a job, without its deadline and budget."""
    for (site, gpu_type), sizes in pools(instance).items():
        if job.sites is not None and site not in job.sites:
            continue
        for c in job.configurations:
            if c.gpu_type == gpu_type and c.site in (None, site) and c.gpus <= sum(sizes):
                fewest = fewest_nodes(sizes, c.gpus)
                if c.nodes is None or c.nodes >= fewest:
                    nodes = c.nodes or fewest
                    yield (
                        site,
                        gpu_type,
                        c.gpus,
                        nodes,
                        c.servers,
                        c.local_batch,
                        c.accumulation,
                        c.throughput,
                        c.efficiency,
                    )
        if gpu_type not in job.curves:
            continue
        curve = instance.curves[job.curves[gpu_type]]
        limit = curve.max_local_batch or math.inf
        most = job.max_gpus or sum(sizes)
        for gpus in range(job.min_gpus, min(most, sum(sizes)) + 1, job.gpu_multiple):
            for servers, batch, passes in shapes(instance, job, site, gpu_type, gpus, limit):
                nodes = fewest_nodes(sizes, gpus)
                rate = speed(curve, gpus, nodes, batch, passes, servers)
                if rate is not None:
                    yield (
                        site,
                        gpu_type,
                        gpus,
                        nodes,
                        servers,
                        batch,
                        passes,
                        rate,
                        worth(job, gpus, batch, passes),
                    )


def shapes(
    instance: Instance, job: Job, site: str, gpu_type: str, gpus: int, limit: float
) -> Iterator[tuple[int, float | None, int]]:
    """Yield the parameter servers, the examples a GPU and pass, and the passes that a job may choose."""
    ps = job.parameter_servers
    for servers in range(ps.minimum, ps.maximum + 1) if ps else [0]:
        if not job.global_batches and not job.local_batches:
            yield servers, None, 1
        for batch in job.local_batches:
            if batch <= limit:
                yield servers, float(batch), 1
        for batch in job.global_batches:
            passes = 1
            while batch / gpus / passes > limit:
                passes += 1
            if batch / gpus / passes >= 1:
                yield servers, batch / gpus / passes, passes
        held = job.holds
        here = (site, gpu_type, gpus, servers)
        if held is None or held.local_batch is None:
            continue
        if (held.site, held.gpu_type, held.gpus, held.servers) == here:
            yield servers, held.local_batch, 1


def worth(job: Job, gpus: int, batch: float | None, passes: int) -> float:
    if job.efficiency is None or batch is None:
        return 1.0
    noise, reference = job.efficiency.noise_scale, job.efficiency.reference_batch
    return min(1.0, (noise + reference) / (noise + gpus * batch * passes))


def ways(instance: Instance, job: Job) -> list[Way]:
    """Return the eligible ways to run a job now."""
    everything = list(raw(instance, job))
    own = [w for w in everything if job.configurations or w[5] in chosen_batches(instance, job, w)]
    least = min((w[2] for w in own), default=0)
    base = max((w[7] * w[8] for w in own if w[2] == least), default=1.0)
    prices = {gpu.id: gpu.hourly_price for gpu in instance.cluster.gpu_types}
    found = []
    for site, gpu_type, gpus, nodes, servers, batch, passes, rate, efficiency in everything:
        held = job.holds
        kept = held is not None and (held.site, held.gpu_type, held.gpus, held.servers) == (
            site,
            gpu_type,
            gpus,
            servers,
        )
        if kept and held is not None:
            kept = held.nodes in (None, nodes) and held.local_batch in (None, batch)
        lost = job.restart_s if held is not None and not kept else 0.0
        share = max(0.0, 1 - lost / instance.round_s)
        if job.arrival_s > instance.now_s or not stands(instance, job, site, gpu_type, gpus, servers):
            continue
        if job.remaining_examples is not None:
            seconds = job.remaining_examples / (rate * efficiency)
            if job.deadline_s is not None and instance.now_s + lost + seconds > job.deadline_s:
                continue
            if job.budget is not None and prices[gpu_type] * gpus * seconds / 3600 > job.budget:
                continue
        progress = rate * efficiency * share / base
        found.append(
            Way(
                job,
                site,
                gpu_type,
                gpus,
                nodes,
                servers,
                batch,
                passes,
                rate,
                efficiency,
                kept,
                share,
                progress,
            )
        )
    return found


def stands(instance: Instance, job: Job, site: str, gpu_type: str, gpus: int, servers: int) -> bool:
    """Tell whether the empty servers hold so many GPUs, by their cores and memory, and each parameter server."""
    ps, held, hosts = job.parameter_servers, 0, servers == 0
    for group in instance.cluster.servers:
        if group.site != site:
            continue
        cores, memory = (math.inf if x is None else x + 1e-9 for x in (group.cpu_cores, group.memory_gb))
        hosts = hosts or (ps is not None and ps.cpu_cores <= cores and ps.memory_gb <= memory)
        if group.gpu_type == gpu_type:
            fits = [
                n
                for n in range(min(group.gpus, job.max_gpus_per_server or group.gpus) + 1)
                if n * job.cpu_cores_per_gpu <= cores and n * job.memory_gb_per_gpu <= memory
            ]
            held += group.count * max(fits)
    for field, worker, server in (
        ("cpu_cores", job.cpu_cores_per_gpu, ps.cpu_cores if ps else 0.0),
        ("memory_gb", job.memory_gb_per_gpu, ps.memory_gb if ps else 0.0),
    ):
        each = [(s.count, getattr(s, field)) for s in instance.cluster.servers if s.site == site]
        if all(x is not None for _, x in each):
            hosts = hosts and worker * gpus + server * servers <= sum(n * x for n, x in each) + 1e-9
    return hosts and held >= gpus


def able(instance: Instance, job: Job) -> bool:
    """Tell whether a job can run while nothing else does: a least value is over such jobs."""
    alone = replace(instance, jobs=(replace(job, required=True, weight=1.0),), max_moves=None, limits=())
    return next(plans(alone), None) is not None


def chosen_batches(instance: Instance, job: Job, way: tuple) -> list[float | None]:
    """Return the batches that a job may choose at a way's count, without the one that it only holds."""
    site, gpu_type, gpus = way[:3]
    limit = instance.curves[job.curves[gpu_type]].max_local_batch or math.inf
    alone = Job(id=job.id, global_batches=job.global_batches, local_batches=job.local_batches)
    return [batch for _, batch, _ in shapes(instance, alone, site, gpu_type, gpus, limit)]


def value(way: Way | None, name: str) -> float:
    """Return what a job counts for in an objective before the jobs come together."""
    if way is None:
        return 0.0
    if name == "throughput":
        return way.throughput * way.share
    if name == "progress":
        return way.job.weight * way.progress
    return way.progress / (way.job.weight or 1.0)


def plans(instance: Instance) -> Iterator[list[Way | None]]:
    """Yield every plan that keeps the rules: the way of each job, None for one that waits."""
    options = [[*ways(instance, job), *([] if job.required else [None])] for job in instance.jobs]
    free: dict[object, float] = {pool: float(sum(sizes)) for pool, sizes in pools(instance).items()}
    for field in ("cpu_cores", "memory_gb"):
        for site in instance.cluster.sites:
            each = [(s.count, getattr(s, field)) for s in instance.cluster.servers if s.site == site.id]
            free[field, site.id] = math.inf if any(x is None for _, x in each) else sum(n * x for n, x in each)
    chosen: list[Way | None] = []
    allowed = math.inf if instance.max_moves is None else instance.max_moves

    def go(moves: int) -> Iterator[list[Way | None]]:
        if len(chosen) == len(options):
            yield list(chosen)
            return
        job = instance.jobs[len(chosen)]
        for way in options[len(chosen)]:
            moved = moves + (job.holds is not None and not (way and way.kept))
            if moved > allowed:
                continue
            takes: dict[object, float] = {}
            if way is not None:
                ps = job.parameter_servers
                takes[way.site, way.gpu_type] = way.gpus
                takes["cpu_cores", way.site] = job.cpu_cores_per_gpu * way.gpus + (
                    ps.cpu_cores * way.servers if ps else 0
                )
                takes["memory_gb", way.site] = job.memory_gb_per_gpu * way.gpus + (
                    ps.memory_gb * way.servers if ps else 0
                )
            if all(amount <= free[what] + 1e-9 for what, amount in takes.items()):
                for what, amount in takes.items():
                    free[what] -= amount
                chosen.append(way)
                yield from go(moved)
                chosen.pop()
                for what, amount in takes.items():
                    free[what] += amount

    yield from go(0)


def best_plan(instance: Instance) -> tuple[float, list[Allocation]] | None:
    """Return the best objective and a plan of it; None where no plan keeps the rules."""
    name = instance.objective.name
    counted = [job.weight > 0 and able(instance, job) for job in instance.jobs]

    def total(chosen: list[Way | None]) -> float:
        values = [value(way, name) for way in chosen]
        if name != "max-min":
            return sum(values)
        return min((v for v, counts in zip(values, counted, strict=True) if counts), default=0.0)

    best: tuple[float, list[Way | None]] | None = None
    for chosen in plans(instance):
        if best is None or total(chosen) > best[0]:
            best = total(chosen), chosen
    return None if best is None else (best[0], [way.allocation for way in best[1] if way])
