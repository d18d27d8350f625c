"""From an instance to its table of configurations. Jobs of one kind (curves, limits, batches) are evaluated once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched.configurations.table import Configurations, Ways, throughputs
from optsched.configurations.ways import none, reference_goodput, ways_of
from optsched.curves import FloatArray, IntArray
from optsched.instance import Holding, Instance, Job
from optsched.places import lawful
from optsched.pools import Pool, pools, resources

__all__ = ["kind", "tabulate"]

SLOWEST = 100
"""The fastest network rate of a configuration over the slowest that it may be assigned."""


def tabulate(instance: Instance) -> Configurations:
    """Return the table of an instance.

    A row is left out where the job has not arrived yet, where its curve is unknown, and where,
    held from now on, it would miss the job's deadline or cost more than its budget.
    """
    everywhere = pools(instance)
    plain = msgspec.structs.replace(instance, decides="counts")
    kinds: dict[Hashable, int] = {}
    plain_kinds: dict[Hashable, dict[int, Ways]] = {}  # which differ in what they hold, and share all but that
    ways: list[Ways] = []
    notes: list[str] = []
    references: list[float] = []
    kind_of = np.empty(len(instance.jobs), dtype=np.int64)
    for number, job in enumerate(instance.jobs):
        key = kind(job)
        if key not in kinds:
            kinds[key] = len(ways)
            known = plain_kinds.setdefault(kind(msgspec.structs.replace(job, holds=None)), {})
            found, choosable, note = ways_of(job, instance, everywhere, known)
            ways.append(found)
            notes.append(note)
            if instance.decides != "counts":  # progress is measured by what was measured: packed, and without a rate
                packed, choosable, _ = ways_of(job, plain, everywhere)
                references.append(reference_goodput(job, packed.take(choosable), everywhere))
            else:
                references.append(reference_goodput(job, found.take(choosable), everywhere))
        kind_of[number] = kinds[key]
    reasons = {j: notes[k] for j, k in enumerate(kind_of) if notes[k]}
    reference = np.array(references)[kind_of] if len(kind_of) else np.empty(0)
    return _eligible(instance, everywhere, ways, kind_of, reference, reasons)


def kind(job: Job) -> Hashable:
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


def _eligible(
    instance: Instance, everywhere: tuple[Pool, ...], ways: list[Ways], kind_of: IntArray,
    reference: FloatArray, reasons: dict[int, str],
) -> Configurations:  # fmt: skip
    """Lay the kinds' ways out job by job, and drop what a job's own limits forbid."""
    jobs = instance.jobs
    sizes = np.array([len(w) for w in ways], dtype=np.int64)
    stacked = Ways(*(np.concatenate([getattr(w, f.name) for w in ways or [none()]]) for f in fields(Ways)))
    offset = np.concatenate([[0], np.cumsum(sizes)])
    size = sizes[kind_of]
    job = np.repeat(np.arange(len(jobs)), size)
    within = np.arange(len(job)) - np.repeat(np.cumsum(size) - size, size)
    rows = stacked.take(offset[kind_of][job] + within)

    kept, holding = _kept(instance, everywhere, job, rows)
    if instance.decides != "counts":
        job, rows, kept = _twins(instance, job, rows, kept)
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
    slowest = rows.gbps
    if instance.decides == "network":
        with np.errstate(invalid="ignore", divide="ignore"):
            in_time = remaining / (deadline - instance.now_s - lost)
            in_budget = price * rows.gpus * remaining / 3600 / budget
        needed = np.nan_to_num(np.fmax(in_time, in_budget))
        slowest = _slowest(instance, everywhere, job, rows, np.where(keep, needed, 0.0))
    for number in np.flatnonzero((np.bincount(job[keep], minlength=len(jobs)) == 0) & (size > 0)).tolist():
        own = job == number
        if jobs[number].arrival_s > instance.now_s:
            reasons[number] = f"it arrives at {jobs[number].arrival_s:g} s, after now ({instance.now_s:g} s)"
        elif (late | ~dear)[own].all():
            reasons[number] = f"no configuration ends by its deadline at {jobs[number].deadline_s:g} s"
        else:
            reasons[number] = f"no configuration meets its deadline within its budget of {jobs[number].budget:g}"
    job, rows, kept, share, slowest = job[keep], rows.take(keep), kept[keep], share[keep], slowest[keep]
    first = np.concatenate([[0], np.cumsum(np.bincount(job, minlength=len(jobs)))])
    shared = resources(instance)
    return Configurations(
        job=job, ways=rows, kept=kept, share=share, slowest=slowest, first=first, reference=reference, pools=everywhere,
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
            nodes = h.nodes or (len(h.placement) if h.placement and instance.decides != "counts" else np.nan)
            held[j] = pool, h.gpus, h.servers, nodes, h.local_batch or np.nan
    mine = held[job]
    same = (rows.pool == mine[:, 0]) & (rows.gpus == mine[:, 1]) & (rows.servers == mine[:, 2])
    same &= np.isnan(mine[:, 3]) | (rows.nodes == mine[:, 3])
    same &= np.isnan(mine[:, 4]) | np.isclose(rows.local_batch, mine[:, 4])
    return same, ~np.isnan(held[:, 0])


def _twins(
    instance: Instance, job: IntArray, rows: Ways, kept: NDArray[np.bool_]
) -> tuple[IntArray, Ways, NDArray[np.bool_]]:
    """Give what a job holds on known servers a second row: the same counts anywhere else, which is a move."""
    placed = np.zeros(len(instance.jobs), dtype=bool)
    strays = np.zeros(len(instance.jobs), dtype=bool)
    for j, owner in enumerate(instance.jobs):
        if (h := owner.holds) is not None and (h.placement or h.server_placement):
            placed[j], strays[j] = True, not lawful(instance, h)
    kept = kept & ~strays[job]
    twins = np.flatnonzero(kept & placed[job])
    order = np.argsort(np.concatenate([np.arange(len(job)), twins]), kind="stable")
    taken = np.concatenate([np.arange(len(job)), twins])[order]
    again = np.concatenate([kept, np.zeros(len(twins), dtype=bool)])[order]
    return job[taken], rows.take(taken), again


def _slowest(
    instance: Instance, everywhere: tuple[Pool, ...], job: IntArray, rows: Ways, needed: FloatArray
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
