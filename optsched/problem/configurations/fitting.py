"""Which configurations the empty cluster can hold, and why a job has none that it can."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.instance import Instance, Job, ServerGroup
from optsched.instance.pools import Pool
from optsched.problem.configurations.table import ConfigurationColumns

__all__ = ["fitting", "why_none_fits"]

_SLACK = 1e-9


def fitting(
    instance: Instance,
    everywhere: Sequence[Pool],
    job: IntArray,
    rows: ConfigurationColumns,
    rate: FloatArray,
    used: tuple[IntArray, IntArray, FloatArray],
    capacity: FloatArray,
) -> NDArray[np.bool_]:
    """Return which rows fit the cluster while nothing else runs, shape ``(n,)``.

    A row takes no more of any resource than there is. By counts, the servers of its pool hold its GPUs, each as many
    as its cores and its memory allow, and each parameter server fits a server of the site. Where the plan decides on
    placement, the pieces of the row fit servers of their own, and all parameter servers one rack.

    Parameters
    ----------
    job, rate
        Of each row: its job, and its network rate where that is fixed (nan elsewhere); shape ``(n,)``.
    used, capacity
        As in :class:`optsched.problem.configurations.Configurations`.
    """
    keep = np.ones(len(job), dtype=bool)
    row, resource, amount = used
    keep[row[amount > capacity[resource] * (1 + _SLACK)]] = False
    demanding = np.array([_demanding(owner) for owner in instance.jobs], dtype=bool)
    asks = demanding[job] | (rows.servers > 0) | ~np.isnan(rate)
    if not asks.any():
        return keep
    kinds = {_needs(owner): 0.0 for owner in instance.jobs}
    number = {needs: float(k) for k, needs in enumerate(kinds)}
    needs = np.array([number[_needs(owner)] for owner in instance.jobs])
    some = np.flatnonzero(asks & keep)
    keys = np.column_stack(
        [needs[job[some]], rows.pool[some], rows.gpus[some], rows.nodes[some], rows.servers[some], rate[some]]
    )
    one, which = np.unique(np.nan_to_num(keys, nan=-1.0), axis=0, return_inverse=True)
    every = list(kinds)
    fits = _by_counts if instance.decides == "counts" else _placed
    groups = [[g for g in instance.cluster.servers if g.site == pool.site] for pool in everywhere]
    found = []
    for kind, pool, gpus, nodes, servers, sent in one.tolist():
        here = everywhere[int(pool)]
        found.append(fits(groups[int(pool)], here, every[int(kind)], int(gpus), int(nodes), int(servers), sent))
    keep[some] = np.array(found, dtype=bool)[which.ravel()]
    return keep


_Needs = tuple[float, float, float, float, int | None]
"""Cores and memory of each GPU, cores and memory of each parameter server, and the most GPUs on one server."""


def _needs(job: Job) -> _Needs:
    ps = job.parameter_servers
    cores, memory = (ps.cpu_cores, ps.memory_gb) if ps else (0.0, 0.0)
    return job.cpu_cores_per_gpu, job.memory_gb_per_gpu, cores, memory, job.max_gpus_per_server


def _demanding(job: Job) -> bool:
    return job.cpu_cores_per_gpu > 0 or job.memory_gb_per_gpu > 0


def _most(group: ServerGroup, cores: float, memory: float) -> float:
    """Return how many pieces of some cores and memory an empty server holds."""
    most = np.inf
    for there, each in ((group.cpu_cores, cores), (group.memory_gb, memory)):
        if there is not None and each > 0:
            most = min(most, np.floor(there / each * (1 + _SLACK)))
    return most


def _by_counts(
    groups: Sequence[ServerGroup], pool: Pool, needs: _Needs, gpus: int, nodes: int, servers: int, rate: float
) -> bool:
    cores, memory, ps_cores, ps_memory, limit = needs
    own = [g for g in groups if g.gpu_type == pool.gpu_type]
    most = sum(g.count * min(g.gpus, limit or g.gpus, _most(g, cores, memory)) for g in own)
    return most >= gpus and (servers == 0 or any(_most(g, ps_cores, ps_memory) >= 1 for g in groups))


def _placed(
    groups: Sequence[ServerGroup], pool: Pool, needs: _Needs, gpus: int, nodes: int, servers: int, rate: float
) -> bool:
    """Tell whether the pieces of a row fit different servers (Hall's condition for two sizes and one rack)."""
    cores, memory, ps_cores, ps_memory, limit = needs
    whole, more = divmod(gpus, nodes)

    def holds(group: ServerGroup, size: int) -> bool:
        enough = group.gpu_type == pool.gpu_type and min(group.gpus, limit or group.gpus) >= size
        sent = rate if servers == 0 else rate * size * servers / max(gpus, servers)
        return enough and _most(group, cores, memory) >= size and _sends(group, sent)

    ps_sent = rate * gpus / max(gpus, servers)
    large = [g for g in groups if holds(g, whole + 1)]
    small = [g for g in groups if holds(g, whole)]
    hosts = [g for g in groups if _most(g, ps_cores, ps_memory) >= 1 and _sends(g, ps_sent)]
    if sum(g.count for g in small) < nodes or sum(g.count for g in large) < more:
        return False
    if servers == 0:
        return True
    for rack in {g.rack for g in hosts}:
        mine = [g for g in hosts if g.rack == rack]
        if (
            sum(g.count for g in mine) >= servers
            and _together(mine, small) >= servers + nodes
            and _together(mine, large) >= servers + more
        ):
            return True
    return False


def _sends(group: ServerGroup, rate: float) -> bool:
    return rate <= 0 or group.network_gbps is None or group.network_gbps >= rate * (1 - _SLACK)


def _together(some: Sequence[ServerGroup], others: Sequence[ServerGroup]) -> int:
    """Return how many servers either groups have."""
    return sum(g.count for g in {g.id: g for g in (*some, *others)}.values())


def why_none_fits(instance: Instance, everywhere: Sequence[Pool], job: Job) -> str:
    """Say why no configuration of a job fits the empty cluster."""
    pools = [pool for pool in everywhere if job.sites is None or pool.site in job.sites]
    types = {*job.curves, *(c.gpu_type for c in job.configurations)}
    sites = {pool.site for pool in pools}
    own = [g for g in instance.cluster.servers if g.site in sites and g.gpu_type in types]
    near = [g for g in instance.cluster.servers if g.site in sites]
    ps = job.parameter_servers
    asked: list[tuple[str, str, str, float, list[ServerGroup]]] = [
        ("each of its GPUs", "cpu_cores", "CPU cores", job.cpu_cores_per_gpu, own),
        ("each of its GPUs", "memory_gb", "GB of memory", job.memory_gb_per_gpu, own),
        ("each of its parameter servers", "cpu_cores", "CPU cores", ps.cpu_cores if ps else 0.0, near),
        ("each of its parameter servers", "memory_gb", "GB of memory", ps.memory_gb if ps else 0.0, near),
    ]
    for what, field, noun, amount, groups in asked:
        there = [getattr(g, field) for g in groups]
        if there and None not in there and amount > max(there):
            return f"{what} needs {amount:g} {noun}, and no server that it may use has more than {max(there):g}"
    return "the servers that it may use hold none of its configurations, even when nothing else runs"
