"""What jobs hold now: a row of its own where no other is equal, and which rows keep it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import IntArray, members, offsets, run_starts
from optsched.instance import Instance, Job
from optsched.instance.pools import Pool
from optsched.instance.topology import lawful
from optsched.problem.configurations.enumerate import Rater, even_nodes
from optsched.problem.configurations.requests import Requests
from optsched.problem.configurations.table import ConfigurationColumns, none, stacked

__all__ = ["kept", "twins", "with_current"]


def with_current(
    instance: Instance, everywhere: Sequence[Pool], job: IntArray, rows: ConfigurationColumns
) -> tuple[IntArray, ConfigurationColumns]:
    """Return rows, shape ``(n,)`` with the job of each, and what jobs hold where that is none of them.

    A job may go on as it is, also on other nodes or with another batch than those that it would be given.
    """
    holders = [j for j, owner in enumerate(instance.jobs) if owner.holds is not None and not owner.configurations]
    if not holders:
        return job, rows
    owner, current = _held_ways(instance, everywhere, holders)
    if len(owner) == 0:
        return job, rows
    # each row of a job with each row that it holds
    count = np.bincount(owner, minlength=len(instance.jobs))
    of, more = members(count[job])
    number = offsets(count)[job[of]] + more
    some, other = rows.take(of), current.take(number)
    before = np.zeros(len(of), dtype=bool)
    same = np.ones(len(of), dtype=bool)
    for name in ("pool", "gpus", "servers", "nodes"):
        a, b = getattr(some, name), getattr(other, name)
        before |= same & (a < b)
        same &= a == b
    before |= same
    same &= np.nan_to_num(some.local_batch) == np.nan_to_num(other.local_batch)
    new = np.bincount(number[same], minlength=len(owner)) == 0
    first = np.searchsorted(job, owner)
    at = (first + np.bincount(number[before], minlength=len(owner)))[new]
    order = np.insert(np.arange(len(job)), at, len(job) + np.arange(new.sum()))
    return np.concatenate([job, owner[new]])[order], stacked([rows, current.take(new)]).take(order)


def _held_ways(
    instance: Instance, everywhere: Sequence[Pool], holders: Sequence[int]
) -> tuple[IntArray, ConfigurationColumns]:
    """Return (job, way) of what jobs hold and may go on with, where they name their nodes or their batch.

    Where a job does not name its nodes, these are the fewest, or, where places are decided, any that are even.
    """
    number_of = {(pool.site, pool.gpu_type): number for number, pool in enumerate(everywhere)}
    groups: dict[tuple[int, str, bool], list[int]] = defaultdict(list)
    for j in holders:
        job = instance.jobs[j]
        holds = job.holds
        assert holds is not None
        number = number_of.get((holds.site, holds.gpu_type), -1)
        named = bool(_nodes_held(instance, job) or holds.local_batch is not None)
        if number >= 0 and named and _goes_on(job, everywhere[number]):
            groups[number, job.curves[holds.gpu_type], holds.local_batch is None].append(j)
    parts: list[tuple[IntArray, ConfigurationColumns]] = [(np.empty(0, dtype=np.int64), none())]
    for (number, curve, open_batch), some in groups.items():
        jobs, pool = [instance.jobs[j] for j in some], everywhere[number]
        rater = Rater(instance, Requests.of(jobs), number, pool, instance.curves[curve])
        current = [job.holds for job in jobs]
        gpus, servers = (np.array([getattr(h, name) for h in current], dtype=np.int64) for name in ("gpus", "servers"))
        most = rater.requests.per_server
        cell: IntArray = np.arange(len(jobs))
        nodes = np.array([_nodes_held(instance, job) for job in jobs], dtype=np.int64)
        if instance.decides == "counts":
            nodes = np.where(nodes > 0, nodes, pool.packed_nodes(gpus, most))
        else:
            cell, even = even_nodes(pool, gpus, most)
            like = (nodes[cell] == 0) | (nodes[cell] == even)
            cell, nodes = cell[like], even[like]
        fits = pool.fits(gpus[cell], nodes, most[cell], evenly=False)
        cell, nodes = cell[fits], nodes[fits]
        if open_batch:
            which, columns = rater.with_batches(cell, gpus[cell], nodes, servers[cell])
            cell = cell[which]
            best = np.lexsort((-np.nan_to_num(columns.goodput, nan=-np.inf), cell))
            best = best[run_starts(cell[best])]
            cell, columns = cell[best], columns.take(best)
        else:
            batch = np.array([h.local_batch for h in current if h is not None], dtype=np.float64)[cell]
            columns = rater.rated(cell, gpus[cell], nodes, servers[cell], batch, np.ones(len(cell), dtype=np.int64))
        known = ~np.isnan(columns.throughput)
        parts.append((np.array(some)[cell[known]], columns.take(known)))
    owner = np.concatenate([owner for owner, _ in parts])
    order = np.argsort(owner, kind="stable")
    return owner[order], stacked([columns for _, columns in parts]).take(order)


def _nodes_held(instance: Instance, job: Job) -> int:
    """Return the nodes that a job is known to hold; 0 where they are not known."""
    holds = job.holds
    assert holds is not None
    placed = len(holds.placement) if holds.placement and instance.decides != "counts" else 0
    return holds.nodes or placed


def _goes_on(job: Job, pool: Pool) -> bool:
    """Tell whether a job may hold as many GPUs and parameter servers of a pool as it does."""
    holds, ps = job.holds, job.parameter_servers
    assert holds is not None
    most = min(pool.capacity, job.max_gpus or pool.capacity)
    counted = job.min_gpus <= holds.gpus <= most and (holds.gpus - job.min_gpus) % job.gpu_multiple == 0
    served = ps.minimum <= holds.servers <= ps.maximum if ps else holds.servers == 0
    return counted and served and pool.gpu_type in job.curves and (job.sites is None or pool.site in job.sites)


def kept(
    instance: Instance, everywhere: Sequence[Pool], job: IntArray, rows: ConfigurationColumns
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are what their job holds now, and which jobs hold anything."""
    holders = [j for j, owner in enumerate(instance.jobs) if owner.holds is not None]
    holding = np.zeros(len(instance.jobs), dtype=bool)
    holding[holders] = True
    same = holding[job]
    if not holders:
        return same, holding
    number_of = {(pool.site, pool.gpu_type): number for number, pool in enumerate(everywhere)}
    current = np.full((len(instance.jobs), 5), np.nan)
    for j in holders:
        h = instance.jobs[j].holds
        assert h is not None
        pool = number_of.get((h.site, h.gpu_type), -1)
        current[j] = pool, h.gpus, h.servers, _nodes_held(instance, instance.jobs[j]) or np.nan, h.local_batch or np.nan
    for column, name in enumerate(("pool", "gpus", "servers", "nodes")):
        mine = current[job, column]
        same &= (getattr(rows, name) == mine) | ((name == "nodes") & np.isnan(mine))
    batch = current[job, 4]
    same[same] = np.isnan(batch[same]) | np.isclose(rows.local_batch[same], batch[same])
    return same, holding


def twins(
    instance: Instance, job: IntArray, rows: ConfigurationColumns, same: NDArray[np.bool_]
) -> tuple[IntArray, ConfigurationColumns, NDArray[np.bool_]]:
    """Give what a job holds on known servers a second row: the same counts anywhere else, which is a move.

    With a batch that only what it holds has, it may go on, and not move.
    """
    placed = np.zeros(len(instance.jobs), dtype=bool)
    strays = np.zeros(len(instance.jobs), dtype=bool)
    for j, owner in enumerate(instance.jobs):
        if (h := owner.holds) is not None and (h.placement or h.server_placement):
            placed[j], strays[j] = True, not lawful(instance, h)
    current: IntArray = np.flatnonzero(same & placed[job])
    moves = current[[_given(instance, instance.jobs[job[row]], rows, row) for row in current.tolist()]]
    stays = np.ones(len(job), dtype=bool)
    stays[current] = ~strays[job[current]]
    once = np.flatnonzero(stays | ~same)
    order = np.argsort(np.concatenate([once, moves]), kind="stable")
    taken = np.concatenate([once, moves])[order]
    still = np.concatenate([same[once], np.zeros(len(moves), dtype=bool)])[order]
    return job[taken], rows.take(taken), still


def _given(instance: Instance, job: Job, rows: ConfigurationColumns, row: int) -> bool:
    """Tell whether what a job holds, which is a row, has one of the batches that the job may be given."""
    batch, passes = float(rows.local_batch[row]), int(rows.accumulation[row])
    if job.configurations or np.isnan(batch):
        return True
    assert job.holds is not None
    limit = instance.curves[job.curves[job.holds.gpu_type]].max_local_batch
    if limit is not None and batch > limit * (1 + 1e-9):
        return False
    if job.global_batches:
        return bool(np.isclose(rows.gpus[row] * batch * passes, job.global_batches).any())
    return passes == 1 and bool(np.isclose(batch, job.local_batches).any())
