"""Which configurations the empty cluster can hold, and why a job has none that it can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.instance import Instance, Job, ServerGroup
from optsched.instance.pools import Pool
from optsched.problem.configurations.placeable import SLACK, Asked, pieces_held, placeable, sites_of
from optsched.problem.configurations.table import ConfigurationColumns

__all__ = ["fitting", "why_none_fits"]


def fitting(
    instance: Instance,
    everywhere: Sequence[Pool],
    job: IntArray,
    rows: ConfigurationColumns,
    kept: NDArray[np.bool_],
    rate: FloatArray,
    used: tuple[IntArray, IntArray, FloatArray],
    capacity: FloatArray,
    stand: IntArray | None = None,
    sets: Sequence[Mapping[str, int]] = (),
) -> NDArray[np.bool_]:
    """Return which rows fit the cluster while nothing else runs, shape ``(n,)``.

    A row takes no more of any resource than there is. By counts, the servers of its pool hold its GPUs, each as many
    as its cores and its memory allow, and each parameter server fits a server of the site. Where the plan decides on
    placement, the pieces of the row fit servers of their own, and all parameter servers one rack. Where it decides on
    the network, these servers and the links between them carry the row's least rate. What a job keeps must fit where
    the job is known to be.

    Parameters
    ----------
    job, kept, rate
        Of each row: its job, whether it is what the job holds, and its least network rate (nan where it has none);
        shape ``(n,)``.
    used, capacity, stand
        As in :class:`optsched.problem.configurations.Configurations`.
    sets
        Of each set of servers that ``stand`` numbers: how many servers of each group are in it.
    """
    stand = np.full(len(job), -1) if stand is None else stand
    keep = np.ones(len(job), dtype=bool)
    row, resource, amount = used
    keep[row[amount > capacity[resource] * (1 + SLACK)]] = False
    sites = {} if instance.decides == "counts" else sites_of(instance)
    easy = np.array([sites[pool.site].easy if sites else np.inf for pool in everywhere])
    # together the pieces of a row send no more than this part of its rate through any server or across any link
    part = np.maximum(1, np.minimum(rows.gpus, rows.servers))
    rate = np.where(np.isnan(rate) | (rate * part <= easy[rows.pool]), 0.0, rate)
    demanding = np.array([_demanding(owner) for owner in instance.jobs], dtype=bool)
    named = np.array([_named(owner) and bool(sites) for owner in instance.jobs], dtype=bool)
    placed = kept & named[job]
    asks = demanding[job] | (rows.servers > 0) | (rate > 0) | placed | (stand >= 0)
    if not asks.any():
        return keep
    kinds = {_needs(owner): 0.0 for owner in instance.jobs}
    number = {needs: float(k) for k, needs in enumerate(kinds)}
    needs = np.array([number[_needs(owner)] for owner in instance.jobs])
    some = np.flatnonzero(asks & keep)
    stays = np.where(placed[some], job[some], -1)
    counts = (rows.pool[some], rows.gpus[some], rows.nodes[some], rows.servers[some])
    keys = np.column_stack([needs[job[some]], *counts, rate[some], stays, stand[some]])
    one, which = np.unique(keys, axis=0, return_inverse=True)
    every = list(kinds)
    found = []
    for kind, at, gpus, nodes, servers, sent, holder, where in one.tolist():
        pool, needed = everywhere[int(at)], every[int(kind)]
        asked = Asked(pool.gpu_type, int(gpus), int(nodes), int(servers), *needed, rate=sent)
        if not sites:
            found.append(_by_counts([g for g in instance.cluster.servers if g.site == pool.site], asked))
            continue
        site, holds = sites[pool.site], instance.jobs[int(holder)].holds if holder >= 0 else None
        if where >= 0:
            site = site.within(sets[int(where)])
        found.append(placeable(site if holds is None else site.keeping(holds), asked))
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


def _named(job: Job) -> bool:
    """Tell whether it is known on which servers a job is."""
    return job.holds is not None and (job.holds.placement is not None or job.holds.server_placement is not None)


def _by_counts(groups: Sequence[ServerGroup], asked: Asked) -> bool:
    own = [g for g in groups if g.gpu_type == asked.gpu_type]
    most = sum(g.count * min(g.gpus, asked.limit or g.gpus, pieces_held(g, asked.cores, asked.memory)) for g in own)
    hosted = any(pieces_held(g, asked.ps_cores, asked.ps_memory) >= 1 for g in groups)
    return most >= asked.gpus and (asked.servers == 0 or hosted)


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
    carried = ", or cannot send what these need" if instance.decides == "network" else ""
    return f"the servers that it may use hold none of its configurations{carried}, even when nothing else runs"
