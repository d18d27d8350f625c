"""A second checker, and mutations of plans for it and the package's own to judge.

A plan is legal if each allocation is one of the ways that brute force lists, and these fit together. Of the package
only the records are used.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from optsched.instance import Instance
from optsched.instance.solution import Allocation
from tests.support.oracle import ways
from tests.support.placement_options import options_of, servers_of, sides

__all__ = ["legal", "mutants"]

NEAR = 1e-6


def near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= NEAR * max(abs(a), abs(b), 1e-9)


def legal(instance: Instance, plan: Sequence[Allocation]) -> bool:
    """Tell whether a plan keeps every rule, and claims true throughputs and progress."""
    jobs = {job.id: job for job in instance.jobs}
    names = [a.job for a in plan]
    if len(set(names)) < len(names) or not set(names) <= set(jobs):
        return False
    if any(job.required and job.id not in names for job in instance.jobs):
        return False
    kept = _kept_by_counts(instance, plan) if instance.decides == "counts" else _kept_in_places(instance, plan)
    if kept is None:
        return False
    moved = sum(job.holds is not None and job.id not in kept for job in instance.jobs)
    return instance.max_moves is None or moved <= instance.max_moves


def _kept_by_counts(instance: Instance, plan: Sequence[Allocation]) -> set[str] | None:
    """Return the jobs that keep what they hold; None where a rule is broken. Plans name no places here."""
    jobs = {job.id: job for job in instance.jobs}
    free: dict[object, float] = defaultdict(float)
    for group in instance.cluster.servers:
        free[group.site, group.gpu_type] += group.count * group.gpus if group.gpu_type is not None else 0
        for field in ("cpu_cores", "memory_gb"):
            there = getattr(group, field)
            free[field, group.site] += math.inf if there is None else group.count * there
    kept = set()
    for a in plan:
        job = jobs[a.job]
        found = [
            w
            for w in ways(instance, job)
            if (w.site, w.gpu_type, w.gpus, w.nodes, w.servers, w.passes)
            == (a.site, a.gpu_type, a.gpus, a.nodes, a.servers, a.accumulation)
            and near(w.batch, a.local_batch)
            and a.gbps is None
            and near(w.throughput, a.throughput)
            and near(w.progress, a.progress)
        ]
        if not found:
            return None
        if any(w.kept for w in found):
            kept.add(a.job)
        ps = job.parameter_servers
        free[a.site, a.gpu_type] -= a.gpus
        free["cpu_cores", a.site] -= job.cpu_cores_per_gpu * a.gpus + (ps.cpu_cores * a.servers if ps else 0)
        free["memory_gb", a.site] -= job.memory_gb_per_gpu * a.gpus + (ps.memory_gb * a.servers if ps else 0)
    return None if any(left < -1e-9 for left in free.values()) else kept


def _kept_in_places(instance: Instance, plan: Sequence[Allocation]) -> set[str] | None:
    """Return the jobs that keep what they hold; None where a rule is broken."""
    jobs = {job.id: job for job in instance.jobs}
    servers = servers_of(instance)
    links = sides(instance, servers)
    number = {s.name: k for k, s in enumerate(servers)}
    number |= {f"{s.name}/0": k for k, s in enumerate(servers) if s.group.count == 1}
    free = [
        [float(s.group.gpus), *(math.inf if x is None else x for x in (s.group.cpu_cores, s.group.memory_gb))]
        for s in servers
    ]
    rest = [s.group.network_gbps or math.inf for s in servers] + [capacity for capacity, _ in links]
    most = list(rest)
    kept = set()

    def numbers(named: dict[str, int] | None) -> dict[int, int] | None:
        if any(name not in number for name in named or {}):
            return None
        found = {number[name]: count for name, count in (named or {}).items()}
        return found if len(found) == len(named or {}) else None

    for a in plan:
        found = []
        for o in options_of(instance, servers, links, jobs[a.job]):
            site, gpu_type, gpus, nodes, count, batch, passes = o.way
            if (site, gpu_type, gpus, nodes, count, passes) != (
                a.site,
                a.gpu_type,
                a.gpus,
                a.nodes,
                a.servers,
                a.accumulation,
            ):
                continue
            if numbers(a.placement) != numbers(o.placement) or numbers(a.server_placement) != numbers(
                o.server_placement
            ):
                continue
            if not near(batch, a.local_batch) or o.asks != (a.gbps is not None):
                continue
            gbps = a.gbps or 0.0
            if o.asks and not o.least * (1 - NEAR) <= gbps <= o.most * (1 + NEAR):
                continue
            said = o.allocation(gbps)
            if near(said.throughput, a.throughput) and near(said.progress, a.progress):
                found.append(o)
        if not found:
            return None
        option = found[0]
        if any(o.kept for o in found):
            kept.add(a.job)
        for k, *amounts in option.uses:
            free[k] = [x - amount for x, amount in zip(free[k], amounts, strict=True)]
        for k, part in enumerate(option.sends):
            rest[k] -= part * (a.gbps or 0.0)
    over = any(left < -1e-9 for each in free for left in each)
    over |= any(left < -NEAR * there for left, there in zip(rest, most, strict=True) if there < math.inf)
    return None if over else kept


def mutants(
    instance: Instance, plan: Sequence[Allocation], draw: random.Random, count: int
) -> Iterator[list[Allocation]]:
    """Yield plans that differ from a plan in one or two things, most of which break a rule."""
    cluster = instance.cluster
    names = [s.name for s in servers_of(instance)]
    sites, types = [s.id for s in cluster.sites], [g.id for g in cluster.gpu_types]
    for _ in range(count):
        found = list(plan)
        for _ in range(draw.choice([1, 1, 2])):
            if not found:
                break
            k = draw.randrange(len(found))
            kind = draw.randrange(16)
            if kind == 0:
                del found[k]
                continue
            if kind == 1:
                found.append(
                    replace(found[k], job=draw.choice([found[k].job, "nobody", *(j.id for j in instance.jobs)]))
                )
                continue
            found[k] = _changed(found[k], kind, names, sites, types, draw)
        yield found


def _changed(
    a: Allocation, kind: int, names: list[str], sites: list[str], types: list[str], draw: random.Random
) -> Allocation:
    """Return an allocation with one thing changed."""
    factor = draw.choice([0.25, 0.5, 0.9, 1.1, 2.0, 8.0])
    placement, hosts = dict(a.placement or {}), dict(a.server_placement or {})
    if kind == 2:
        return replace(a, gpus=max(1, a.gpus + draw.choice([-1, 1, 2])))
    if kind == 3:
        return replace(a, nodes=max(1, a.nodes + draw.choice([-1, 1, 2])))
    if kind == 4:
        return replace(a, site=draw.choice(sites))
    if kind == 5:
        return replace(a, gpu_type=draw.choice(types))
    if kind == 6:
        return replace(a, local_batch=draw.choice([None, 1.0, (a.local_batch or 8.0) * factor]))
    if kind == 7:
        return replace(a, accumulation=max(1, a.accumulation + draw.choice([-1, 1])))
    if kind == 8:
        return replace(a, servers=max(0, a.servers + draw.choice([-1, 1])))
    if kind == 9:
        return replace(a, gbps=draw.choice([None, 1.2345, (a.gbps or 5.0) * factor]))
    if kind == 10:
        return replace(a, throughput=a.throughput * factor)
    if kind == 11:
        return replace(a, progress=a.progress * factor)
    if kind == 12 and placement:  # another server in the place of one
        old = draw.choice(sorted(placement))
        size = placement.pop(old)
        return replace(a, placement={**placement, draw.choice(names): size})
    if kind == 13 and len(placement) > 1:  # from one server to another
        one, other = draw.sample(sorted(placement), 2)
        moved = {**placement, one: placement[one] - 1, other: placement[other] + 1}
        return replace(a, placement={name: size for name, size in moved.items() if size > 0})
    if kind == 14 and hosts:
        hosts.pop(draw.choice(sorted(hosts)))
        return replace(a, server_placement={**hosts, draw.choice(names): 1})
    if kind == 15 and (placement or hosts):
        return replace(a, **{draw.choice(["placement", "server_placement"]): None})
    return replace(a, gpus=a.gpus + 1)
