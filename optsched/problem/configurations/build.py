"""From an instance to its table of configurations. Jobs of one kind (curves, limits, batches) are evaluated once."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, members, offsets
from optsched.instance import Instance
from optsched.instance.pools import Pool, pools, resources
from optsched.instance.transfers import Transfers
from optsched.problem.configurations.current import kept, twins, with_current
from optsched.problem.configurations.eligible import eligible
from optsched.problem.configurations.enumerate import enumerate_configurations, reference_goodputs
from optsched.problem.configurations.fitting import fitting, why_none_fits
from optsched.problem.configurations.hosts import host_sets, why_no_servers, with_hosts
from optsched.problem.configurations.kinds import kinds
from optsched.problem.configurations.reference import extremes
from optsched.problem.configurations.remembered import Remembered
from optsched.problem.configurations.table import ConfigurationColumns, Configurations, throughputs

__all__ = ["SLOWEST", "tabulate"]

SLOWEST = 100
"""The fastest network rate of a configuration over the slowest that it may be assigned."""


def tabulate(instance: Instance, memory: Remembered | None = None) -> Configurations:
    """Return the table of an instance.

    A row is left out where the job has not arrived yet, where its curve is unknown, where, held from now on, it would
    miss the job's deadline or cost more than its budget, and where the cluster does not hold it while nothing else
    runs. A job without rows waits for its reason, and the others are planned as if it were not there.

    ``memory``: of tables of earlier rounds.
    """
    everywhere = pools(instance)
    some, kind_of = kinds(instance.jobs)
    listed_ways = enumerate_configurations if memory is None else memory.enumerated
    columns, first, notes = listed_ways(some, instance, everywhere)
    packed = columns, first
    if instance.decides != "counts":  # jobs are measured by what was measured: packed, and without a rate
        packed = enumerate_configurations(some, msgspec.structs.replace(instance, decides="counts"), everywhere)[:2]
    reference = reference_goodputs(some, *packed, everywhere)
    job, within = members(np.diff(first)[kind_of])
    rows = columns if len(some) == len(instance.jobs) else columns.take(first[kind_of[job]] + within)
    job, rows = with_current(instance, everywhere, job, rows)
    idle = np.flatnonzero(np.bincount(job, minlength=len(instance.jobs)) == 0)
    reasons = {j: notes[kind_of[j]] for j in idle.tolist()}
    same, holding = kept(instance, everywhere, job, rows)
    if instance.decides != "counts":
        job, rows, same = twins(instance, job, rows, same)
    stand, hosts = None, host_sets(instance)
    if hosts is not None:
        job, rows, same, stand = with_hosts(instance, hosts, job, rows, same)
    lost = np.zeros(len(job))
    if holding.any():
        restart = np.array([owner.restart_s for owner in instance.jobs])
        lost = np.where(holding[job] & ~same, restart[job], 0.0)
    share = 1.0 - np.minimum(1.0, lost / instance.round_s)
    keep, needed, why = eligible(instance, everywhere, job, rows, lost)
    pinned = np.array([owner.is_pinned(instance.now_s) for owner in instance.jobs], dtype=bool)
    if pinned.any():
        keep &= same | ~pinned[job]
        moved = pinned & (np.bincount(job[keep], minlength=len(instance.jobs)) == 0)
        why |= dict.fromkeys(np.flatnonzero(moved).tolist(), "it is pinned, and cannot go on with what it holds")
    transfers = Transfers(instance)
    if transfers.any:
        reached = _reached(instance, transfers, everywhere, job, rows)
        lost_all = np.bincount(job[keep], minlength=len(instance.jobs)) > 0
        keep &= reached
        lost_all &= np.bincount(job[keep], minlength=len(instance.jobs)) == 0
        why |= dict.fromkeys(np.flatnonzero(lost_all).tolist(), "no links lead from its home to where it could run")
    slowest = _slowest(instance, everywhere, job, rows, needed) if instance.decides == "network" else rows.gbps
    if not keep.all():
        job, rows, same, share, slowest = job[keep], rows.take(keep), same[keep], share[keep], slowest[keep]
        stand = None if stand is None else stand[keep]
    shared = resources(instance)
    used, capacity = _used(instance, transfers, everywhere, job, rows), np.array([r.capacity for r in shared])
    sets = () if hosts is None else hosts.counts
    fits = fitting(instance, everywhere, job, rows, same, slowest, used, capacity, stand, sets)
    count = np.bincount(job[fits], minlength=len(instance.jobs))
    for number in np.setdiff1d(job, np.flatnonzero(count)).tolist():
        owner = instance.jobs[number]
        why[number] = why_no_servers(instance, owner) or why_none_fits(instance, everywhere, owner)
    if not fits.all():
        job, rows, same, share, slowest = job[fits], rows.take(fits), same[fits], share[fits], slowest[fits]
        stand = None if stand is None else stand[fits]
        used = _used(instance, transfers, everywhere, job, rows)
    return Configurations(
        job=job,
        columns=rows,
        kept=same,
        share=share,
        slowest=slowest,
        first=offsets(count),
        reference=reference[kind_of],
        pools=everywhere,
        used=used,
        capacity=capacity,
        resource_names=tuple(r.name for r in shared),
        reasons=reasons | why,
        able=count > 0,
        stand=stand,
        hosts=None if hosts is None else hosts.sets,
        extremes={base: found[kind_of] for base, found in extremes(*packed).items()},
    )


def _moved(
    instance: Instance, transfers: Transfers, everywhere: tuple[Pool, ...], job: IntArray, rows: ConfigurationColumns
) -> Iterator[tuple[IntArray, str, str]]:
    """Yield the rows whose jobs' data are copied from one site to another, with both."""
    sites = [site.id for site in instance.cluster.sites]
    number = {site: k for k, site in enumerate(sites)}
    home = np.array([number[j.home] if j.home is not None and j.data_gb else -1 for j in instance.jobs], dtype=np.int64)
    there = [-1 if j.holds is None else number[j.holds.site] for j in instance.jobs]
    origin, held = home[job], np.array(there, dtype=np.int64)[job]
    site = np.array([number[pool.site] for pool in everywhere], dtype=np.int64)[rows.pool]
    some = np.flatnonzero((origin >= 0) & (origin != site) & (held != site))
    key = origin[some] * len(sites) + site[some]
    order = np.argsort(key, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        if len(part):
            a, b = divmod(int(key[part[0]]), len(sites))
            yield some[part], sites[a], sites[b]


def _reached(
    instance: Instance, transfers: Transfers, everywhere: tuple[Pool, ...], job: IntArray, rows: ConfigurationColumns
) -> NDArray[np.bool_]:
    """Tell of each row whether its job's data can be copied there, alone on the links."""
    reached = np.ones(len(job), dtype=bool)
    rate = np.array([transfers.gbps(owner) for owner in instance.jobs])
    for some, origin, site in _moved(instance, transfers, everywhere, job, rows):
        route = transfers.route(origin, site)
        most = -1.0 if route is None else min((link.capacity_gbps for link, _ in route), default=np.inf)
        reached[some] = rate[job[some]] <= most
    return reached


def _slowest(
    instance: Instance, everywhere: tuple[Pool, ...], job: IntArray, rows: ConfigurationColumns, needed: FloatArray
) -> FloatArray:
    """Return the least network rate of each row: a hundredth of the fastest, or what it needs for a goodput."""
    slow: FloatArray = rows.gbps / SLOWEST
    fast = rows.gbps.copy()
    listed = np.array([bool(owner.configurations) for owner in instance.jobs], dtype=bool)[job]
    slow[listed] = fast[listed]
    tight = np.flatnonzero((needed > 0) & ~np.isnan(fast) & ~listed)
    if len(tight):
        some, mine, goal = rows.take(tight), job[tight], needed[tight] / rows.efficiency[tight]
        low, high = slow[tight], fast[tight]
        enough = throughputs(instance, everywhere, mine, some, low) >= goal
        for _ in range(50):
            middle = np.sqrt(low * high)
            reached = throughputs(instance, everywhere, mine, some, middle) >= goal
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        slow[tight] = np.where(enough, slow[tight], high)
    return slow


def _used(
    instance: Instance, transfers: Transfers, everywhere: tuple[Pool, ...], job: IntArray, rows: ConfigurationColumns
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return what each row takes of each resource, without zeros."""
    sites = [site.id for site in instance.cluster.sites]
    site = np.array([sites.index(pool.site) for pool in everywhere])
    parts = [(np.arange(len(job)), rows.pool, rows.gpus.astype(np.float64))]
    for number, (per_gpu, per_server) in enumerate(
        (("cpu_cores_per_gpu", "cpu_cores"), ("memory_gb_per_gpu", "memory_gb"))
    ):
        worker = np.array([getattr(j, per_gpu) for j in instance.jobs])
        server = np.array([getattr(j.parameter_servers, per_server, 0.0) for j in instance.jobs])
        if worker.any() or server.any():
            amount = worker[job] * rows.gpus + server[job] * rows.servers
            some = np.flatnonzero(amount)
            parts.append((some, len(everywhere) + number * len(sites) + site[rows.pool[some]], amount[some]))
    if transfers.any:
        rate = np.array([transfers.gbps(owner) for owner in instance.jobs])
        place = {link.id: len(everywhere) + 2 * (len(sites) + k) for k, link in enumerate(transfers.links)}
        for some, origin, goal in _moved(instance, transfers, everywhere, job, rows):
            for link, end in transfers.route(origin, goal) or ():
                parts.append((some, np.full(len(some), place[link.id] + end), rate[job[some]]))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]
