"""Whether a job can run at all while nothing else does: which jobs a least value is over.

Every configuration of the job is tried against the rules of the checker, and its pieces on empty servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import msgspec
import numpy as np

from optsched.checker.copies import copy_rules
from optsched.checker.placement import Places, capacity_rules
from optsched.checker.quotas import quota_rules
from optsched.checker.recompute import Truth, keeps
from optsched.checker.rules import own_rules
from optsched.checker.stands import has, most_gpus, stands
from optsched.checker.traffic import LEAST_RATE
from optsched.checker.violation import Violation
from optsched.instance import Job
from optsched.instance.solution import Allocation

__all__ = ["empty_server_rules", "runs_alone"]

_FIRST = 16
"""Configurations that are tried together at first: most jobs that can run can do so in one of these."""
_HALVINGS = 40
"""Of the range of network rates, in search of the least that ends a job in time."""


def runs_alone(truth: Truth, job: Job) -> bool:
    """Tell whether a job has a configuration that keeps every rule while nothing else runs.

    Where places are decided, it has places, too, and where the network is, a rate that servers and links carry there.
    """
    every = _configurations(truth, job)
    while some := list(islice(every, _FIRST)):
        for a, fine in zip(some, _fine(truth, job, some), strict=True):
            slowest = a if fine else None
            if not fine and a.gbps is not None and not job.configurations:
                slowest = _slowest(truth, job, a, _replaced(a, gbps=_fastest(truth, a)))
            if slowest is not None and not any(_alone_rules(truth, slowest)):
                return True
    return False


def _fine(truth: Truth, job: Job, some: list[Allocation]) -> list[bool]:
    """Tell which allocations keep every rule that asks neither for places nor for capacities."""
    with np.errstate(invalid="ignore"):  # a curve that needs a batch has no rate without one
        rates = truth.throughputs(some).tolist()
    return [
        rate == rate and not any(chain(own_rules(truth, job, a, rate), copy_rules(truth, {job.id: a})))
        for a, rate in zip(some, rates, strict=True)
    ]


def _slowest(truth: Truth, job: Job, low: Allocation, high: Allocation) -> Allocation | None:
    """Return an allocation at the least network rate at which it keeps its rules, between two; None where none does."""
    if not _fine(truth, job, [high])[0]:
        return None
    assert low.gbps is not None
    assert high.gbps is not None
    for _ in range(_HALVINGS):
        middle = _replaced(low, gbps=(low.gbps * high.gbps) ** 0.5)
        if _fine(truth, job, [middle])[0]:
            high = middle
        else:
            low = middle
    return high


def empty_server_rules(truth: Truth, a: Allocation) -> Iterator[Violation]:
    """Check, where the plan decides on counts, that the servers of the pool hold an allocation when they are empty."""
    job, ps = truth.jobs[a.job], truth.jobs[a.job].parameter_servers
    if truth.instance.decides != "counts":
        return
    site = truth.groups_of(a.site)
    cores, memory = job.cpu_cores_per_gpu, job.memory_gb_per_gpu
    key = (a.site, a.gpu_type, cores, memory, job.max_gpus_per_server)
    if (held := truth.held_empty.get(key)) is None:
        held = sum(g.count * most_gpus(g, job, cores, memory) for g in site if g.gpu_type == a.gpu_type)
        truth.held_empty[key] = held
    if held < a.gpus:
        how = f"its CPU cores and memory let the empty servers of {a.gpu_type} in {a.site} hold {held} of {a.gpus} GPUs"
        yield Violation("capacity", a.job, how)
    elif a.servers and ps is not None and not any(has(g, ps.cpu_cores, ps.memory_gb) for g in site):
        yield Violation("capacity", a.job, f"no empty server in {a.site} holds one of its parameter servers")


def _alone_rules(truth: Truth, a: Allocation) -> Iterator[Violation]:
    yield from quota_rules(truth, {a.job: a})
    if truth.instance.decides == "counts":
        yield from capacity_rules(truth, {a.job: a}, {a.job: Places({}, {})})
        yield from empty_server_rules(truth, a)
    elif not stands(truth, a):
        yield Violation("placement", a.job, "no empty servers hold its pieces and send its rate")


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
                yield from _where(truth, job, _replaced(a, gbps=rate, throughput=c.throughput))
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
    """Yield an allocation at its slowest network rate, where it is assigned one, as what the job keeps and moved."""
    curve = truth.instance.curves.get(job.curves.get(a.gpu_type, ""))
    meets = a.nodes > 1 or a.servers > 0
    if truth.instance.decides == "network" and curve is not None and curve.on_network and meets:
        a = _replaced(a, gbps=LEAST_RATE * _fastest(truth, a))
    yield from _where(truth, job, a)


def _where(truth: Truth, job: Job, a: Allocation) -> Iterator[Allocation]:
    """Yield an allocation where the job is known to be, if it keeps what it holds, and anywhere else."""
    h = job.holds
    if h is None or truth.instance.decides == "counts" or not keeps(job, a):
        yield a
        return
    if h.placement is None and h.server_placement is None:
        yield a
        return
    yield _replaced(a, placement=h.placement, server_placement=h.server_placement)
    yield _replaced(  # servers that do not exist are others than those that it holds
        a,
        placement=None if h.placement is None else {},
        server_placement=None if h.server_placement is None else {},
    )


def _fastest(truth: Truth, a: Allocation) -> float:
    """Return the fastest network of the servers of an allocation's site."""
    return max(group.network_gbps or 0.0 for group in truth.groups.values() if group.site == a.site)


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
