"""Whether a job can run at all while nothing else does: which jobs a least value is over.

Every configuration of the job is tried against the rules of the checker, and its pieces are matched with empty servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import msgspec
import numpy as np

from optsched.checker.copies import copy_rules
from optsched.checker.placement import Places, capacity_rules
from optsched.checker.recompute import TOLERANCE, Truth
from optsched.checker.rules import own_rules
from optsched.checker.violation import Violation
from optsched.instance import Job, ServerGroup
from optsched.instance.solution import Allocation

__all__ = ["empty_server_rules", "runs_alone"]

_FIRST = 16
"""Configurations that are tried together at first: most jobs that can run can do so in one of these."""


def runs_alone(truth: Truth, job: Job) -> bool:
    """Tell whether a job has a configuration that keeps every rule while nothing else runs."""
    every = _configurations(truth, job)
    while some := list(islice(every, _FIRST)):
        with np.errstate(invalid="ignore"):  # a curve that needs a batch has no rate without one
            rates = truth.throughputs(some).tolist()
        for a, rate in zip(some, rates, strict=True):
            if rate == rate and not any(
                chain(own_rules(truth, job, a, rate), copy_rules(truth, {job.id: a}), _alone_rules(truth, a))
            ):
                return True
    return False


def empty_server_rules(truth: Truth, a: Allocation) -> Iterator[Violation]:
    """Check, where the plan decides on counts, that the servers of the pool hold an allocation when they are empty."""
    job, ps = truth.jobs[a.job], truth.jobs[a.job].parameter_servers
    if truth.instance.decides != "counts":
        return
    site = [g for g in truth.groups.values() if g.site == a.site]
    cores, memory = job.cpu_cores_per_gpu, job.memory_gb_per_gpu
    held = sum(g.count * _most_gpus(g, job, cores, memory) for g in site if g.gpu_type == a.gpu_type)
    if held < a.gpus:
        how = f"its CPU cores and memory let the empty servers of {a.gpu_type} in {a.site} hold {held} of {a.gpus} GPUs"
        yield Violation("capacity", a.job, how)
    elif a.servers and ps is not None and not any(_has(g, ps.cpu_cores, ps.memory_gb) for g in site):
        yield Violation("capacity", a.job, f"no empty server in {a.site} holds one of its parameter servers")


def _alone_rules(truth: Truth, a: Allocation) -> Iterator[Violation]:
    if truth.instance.decides == "counts":
        yield from capacity_rules(truth, {a.job: a}, {a.job: Places({}, {})})
        yield from empty_server_rules(truth, a)
    elif not _matched(truth, a):
        yield Violation("placement", a.job, "no empty servers hold its pieces")


def _has(group: ServerGroup, cores: float, memory: float) -> bool:
    """Tell whether an empty server has cores and memory."""
    pairs = ((group.cpu_cores, cores), (group.memory_gb, memory))
    return all(there is None or wanted <= there * (1 + TOLERANCE) for there, wanted in pairs)


def _most_gpus(group: ServerGroup, job: Job, cores: float, memory: float) -> int:
    """Return how many of a job's GPUs an empty server holds."""
    most = min(group.gpus, job.max_gpus_per_server or group.gpus)
    while most > 0 and not _has(group, cores * most, memory * most):
        most -= 1
    return most


def _matched(truth: Truth, a: Allocation) -> bool:
    """Tell whether the pieces of an allocation stand on empty servers of their own, parameter servers in one rack."""
    job = truth.jobs[a.job]
    ps = job.parameter_servers
    sizes = [a.gpus // a.nodes + (k < a.gpus % a.nodes) for k in range(a.nodes)]
    site = [g for g in truth.groups.values() if g.site == a.site]
    fixed = job.configurations and a.gbps is not None
    rate = a.gbps if fixed and a.gbps is not None else 0.0

    def sends(group: ServerGroup, amount: float) -> bool:
        return group.network_gbps is None or amount <= group.network_gbps * (1 + TOLERANCE)

    def fits(group: ServerGroup, size: int) -> bool:
        if group.gpu_type != a.gpu_type or _most_gpus(group, job, job.cpu_cores_per_gpu, job.memory_gb_per_gpu) < size:
            return False
        return sends(group, rate * size * a.servers / max(a.gpus, a.servers) if a.servers else rate)

    most = a.nodes + a.servers
    workers = [[(g.id, k) for g in site if fits(g, size) for k in range(min(g.count, most))] for size in sizes]
    if not a.servers:
        return _all_matched(workers)
    cores, memory = (ps.cpu_cores, ps.memory_gb) if ps else (0.0, 0.0)
    for rack in {g.rack for g in site}:
        hosts = [
            (g.id, k)
            for g in site
            if g.rack == rack and _has(g, cores, memory) and sends(g, rate * a.gpus / max(a.gpus, a.servers))
            for k in range(min(g.count, most))
        ]
        if _all_matched([*workers, *([hosts] * a.servers)]):
            return True
    return False


def _all_matched(choices: list[list[tuple[str, int]]]) -> bool:
    """Tell whether each piece finds a server of its own, by augmenting paths."""
    holder: dict[tuple[str, int], int] = {}

    def placed(piece: int, seen: set[tuple[str, int]]) -> bool:
        for server in choices[piece]:
            if server not in holder:
                holder[server] = piece
                return True
        for server in choices[piece]:
            if server not in seen:
                seen.add(server)
                if placed(holder[server], seen):
                    holder[server] = piece
                    return True
        return False

    order = sorted(range(len(choices)), key=lambda k: len(choices[k]))
    return all(placed(piece, set()) for piece in order)


def _configurations(truth: Truth, job: Job) -> Iterator[Allocation]:
    """Yield every configuration of a job, without its rates: what it holds first."""
    instance = truth.instance
    if (h := job.holds) is not None and not job.configurations:
        nodes = h.nodes or (len(h.placement) if h.placement else truth.fewest_nodes(job, h.site, h.gpu_type, h.gpus))
        held = _allocation(job, h.site, h.gpu_type, h.gpus, nodes, h.servers, h.local_batch)
        known = h.local_batch is not None or not (job.global_batches or job.local_batches)
        shapes = [held] if known else truth.by_curve(job, h.site, h.gpu_type, h.gpus)
        for a in shapes:
            yield from _rated(truth, job, _replaced(a, nodes=nodes, servers=h.servers))
    for site, gpu_type in truth.pools:
        for c in job.configurations:
            if c.gpu_type == gpu_type and c.site in (None, site) and c.gpus <= truth.gpus(site, gpu_type):
                nodes = c.nodes or truth.fewest_nodes(job, site, gpu_type, c.gpus)
                a = _allocation(job, site, gpu_type, c.gpus, nodes, c.servers, c.local_batch, c.accumulation)
                rate = c.gbps if instance.decides == "network" and (nodes > 1 or c.servers > 0) else None
                yield _replaced(a, gbps=rate, throughput=c.throughput)
        if job.configurations or gpu_type not in job.curves:
            continue
        most = truth.gpus(site, gpu_type)
        for gpus in range(job.min_gpus, min(most, job.max_gpus or most) + 1, job.gpu_multiple):
            fewest = truth.fewest_nodes(job, site, gpu_type, gpus)
            last = fewest if instance.decides == "counts" else min(gpus, truth.servers(site, gpu_type))
            for a in truth.by_curve(job, site, gpu_type, gpus):
                for nodes in range(fewest, last + 1):
                    yield from _rated(truth, job, _replaced(a, nodes=nodes))


def _rated(truth: Truth, job: Job, a: Allocation) -> Iterator[Allocation]:
    """Yield an allocation at its fastest network rate, where it is assigned one."""
    curve = truth.instance.curves.get(job.curves.get(a.gpu_type, ""))
    meets = a.nodes > 1 or a.servers > 0
    if truth.instance.decides == "network" and curve is not None and curve.on_network and meets:
        fastest = max(group.network_gbps or 0.0 for group in truth.groups.values() if group.site == a.site)
        a = _replaced(a, gbps=fastest)
    yield a


def _allocation(
    job: Job, site: str, gpu_type: str, gpus: int, nodes: int, servers: int, batch: float | None, passes: int = 1
) -> Allocation:
    return Allocation(
        job=job.id,
        site=site,
        gpu_type=gpu_type,
        gpus=gpus,
        nodes=nodes,
        servers=servers,
        local_batch=batch,
        accumulation=passes,
        throughput=0.0,
        progress=0.0,
    )


def _replaced(a: Allocation, **changes: object) -> Allocation:
    return msgspec.structs.replace(a, **changes)
