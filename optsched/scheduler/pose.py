"""From what is known in a round to the instance that is solved."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import msgspec
import numpy as np

from optsched.errors import InputError, shown
from optsched.instance import Cluster, Configuration, Instance, Job, ObjectiveSpec, Reference, validate
from optsched.instance.admission import trust
from optsched.instance.records import Limit, Tenant
from optsched.instance.solution import Allocation
from optsched.prediction.curves import Curve, Points
from optsched.scheduler.inputs import JOB_FIELDS, read_job
from optsched.scheduler.records import LiveJob

__all__ = ["Question", "Settings", "Validated", "as_held", "instance_of"]


@dataclass(frozen=True)
class Settings:
    """What does not change from round to round; see :class:`optsched.scheduler.Scheduler`."""

    objective: ObjectiveSpec
    round_s: float
    horizon_s: float | None
    decides: str
    max_moves: int | None
    tenants: tuple[Tenant, ...] = ()
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is asked in a round.

    instance
        None where there is nothing to ask.
    idle
        Jobs that are not in it, since they can run nowhere now, with the reason.
    fixed
        Jobs that must keep what they hold: pinned, or with an action under way.
    warnings
        For the caller.
    """

    instance: Instance | None
    idle: dict[str, str] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


class Validated:
    """Which jobs are known to be valid, so that a round checks no more than what has changed."""

    def __init__(self) -> None:
        self._cluster: Cluster | None = None
        self._jobs: dict[str, tuple[object, ...]] = {}

    def check(
        self,
        settings: Settings,
        cluster: Cluster,
        curves: Mapping[str, Curve],
        jobs: Sequence[Job],
        numbers: Sequence[int],
    ) -> None:
        """Raise InputError, with the place in the caller's list (``numbers``), for a job that is not valid."""
        if cluster is not self._cluster:
            self._jobs = {}
        keys = {job.id: _constant(job) for job in jobs}
        new = [(n, job) for n, job in zip(numbers, jobs, strict=True) if self._jobs.get(job.id) != keys[job.id]]
        if new or cluster is not self._cluster:
            instance = Instance(
                format="optsched/1",
                cluster=cluster,
                jobs=tuple(job for _, job in new),
                curves=dict(curves),
                decides=settings.decides,  # type: ignore[arg-type]
                tenants=settings.tenants,
                limits=settings.limits,
            )
            try:
                validate(instance)
            except InputError as error:
                raise _renumbered(error, [n for n, _ in new]) from None
        self._cluster, self._jobs = cluster, keys


_VOLATILE = {"weight", "remaining_examples", "restart_s", "required", "attained_gpu_s", "done_examples", "restarts"}
"""Fields whose own type is all that must be right."""
_constant = attrgetter(*(f.name for f in msgspec.structs.fields(Job) if f.name not in _VOLATILE))


def instance_of(
    settings: Settings,
    cluster: Cluster | None,
    curves: Mapping[str, Curve],
    jobs: Sequence[LiveJob],
    late: frozenset[str],
    now: float,
    known: Validated,
    *,
    pins: bool = True,
) -> Question:
    """Return the question of a round; ``pins=False`` lets pinned jobs go, where they cannot all keep what they hold.

    Raises
    ------
    InputError
        Where a job names what is not there: a curve, a GPU type, a tenant.
    """
    if cluster is None:
        return Question(None, {job.id: "the cluster has no GPU now" for job in jobs})
    sizes: Counter[tuple[str, str]] = Counter()
    for group in cluster.servers:
        if group.gpu_type is not None:
            sizes[group.site, group.gpu_type] += group.count * group.gpus
    asked, idle, fixed, numbers, warnings = [], {}, set(), [], []
    guess = _usual_work(jobs)
    room, seen = Counter(sizes), dict[tuple[object, ...], str]()
    for number, job in enumerate(jobs):
        for gpu, name in job.curves.items():
            if name not in curves:
                raise InputError("the name of a curve", path=f'$.jobs[{number}].curves["{gpu}"]', value=shown(name))
        wanted = pins and job.holds is not None and (job.is_pinned(now) or job.id in late)
        if wanted and _takes(job, room):
            record = _fixed(job, cluster, curves)
            fixed.add(job.id)
        else:
            if wanted:
                warnings.append(f"pinned job {job.id!r} cannot keep what it holds: the cluster has less than that now")
            record = _record(job)
            key = tuple(record.curves), record.configurations, record.min_gpus, record.sites
            if (reason := seen.get(key)) is None:
                reason = seen[key] = _fits_nowhere(record, sizes)
            if reason:
                idle[job.id] = reason
                if record.required:
                    warnings.append(f"required job {job.id!r} cannot run: {reason}")
                continue
        if record.remaining_examples is None and settings.objective.name in ("flow-time", "finish-time"):
            record = msgspec.structs.replace(record, remaining_examples=job.done_examples or guess)
        asked.append(record)
        numbers.append(number)
    horizon = _horizon(settings, asked)
    unknown = sum(job.remaining_examples is None for job in jobs)
    if unknown and settings.objective.name == "flow-time":
        warnings.append(f"{unknown} jobs without remaining_examples count as if as much were left as they have done")
    warnings += _restarts(settings, asked, horizon)
    known.check(settings, cluster, curves, asked, numbers)
    instance = Instance(
        format="optsched/1",
        cluster=cluster,
        jobs=tuple(asked),
        curves=dict(curves),
        objective=settings.objective,
        decides=settings.decides,  # type: ignore[arg-type]
        now_s=now,
        round_s=horizon,
        max_moves=settings.max_moves,
        tenants=settings.tenants,
        limits=settings.limits,
    )
    return Question(trust(instance), idle, frozenset(fixed), tuple(warnings))


def _takes(job: LiveJob, room: Counter[tuple[str, str]]) -> bool:
    """Take what a job holds out of what pools have left, and tell whether there was enough."""
    holds = job.holds
    assert holds is not None
    if room[holds.site, holds.gpu_type] < holds.gpus:
        return False
    room[holds.site, holds.gpu_type] -= holds.gpus
    return True


def _record(job: LiveJob) -> Job:
    """Return a job as one of an instance: what a restart takes has what is lost since the last checkpoint in it."""
    fields = dict(zip(JOB_FIELDS, read_job(job), strict=True))
    fields["pinned"], fields["pinned_until_s"] = False, None  # those that keep what they hold have no other way to run
    if job.holds is not None and job.lost_s:
        fields["restart_s"] = job.restart_s + job.lost_s
    fields["pinned"] = False  # a pinned job that holds something has one way to run, and another one waits
    return Job(**fields)


def _fixed(job: LiveJob, cluster: Cluster, curves: Mapping[str, Curve]) -> Job:
    """Return a job that has one way to run: what it holds."""
    holds = job.holds
    assert holds is not None
    rate = _rate(job, curves)
    only = Configuration(
        gpu_type=holds.gpu_type,
        gpus=holds.gpus,
        site=holds.site,
        nodes=holds.nodes,
        servers=holds.servers,
        local_batch=holds.local_batch,
        throughput=rate,
    )
    return msgspec.structs.replace(
        _record(job),
        curves={},
        configurations=(only,),
        required=True,
        deadline_s=None,
        budget=None,
        reference=job.reference if job.reference and job.reference.goodput else Reference(goodput=rate),
    )


def _rate(job: LiveJob, curves: Mapping[str, Curve]) -> float:
    """Return the throughput of what a job holds; 1.0 where it is not known."""
    holds = job.holds
    assert holds is not None
    for c in job.configurations:
        if (c.gpu_type, c.gpus, c.servers) == (holds.gpu_type, holds.gpus, holds.servers):
            return c.throughput
    curve = curves.get(job.curves.get(holds.gpu_type, ""))
    if curve is not None:
        batch = holds.local_batch
        if batch is None and (batches := job.local_batches or job.global_batches):
            batch = batches[0] / (holds.gpus if job.global_batches else 1)
        points = Points.of(
            holds.gpus,
            nodes=holds.nodes or 1,
            local_batch=np.nan if batch is None else batch,
            servers=holds.servers,
        )
        rate = float(curve.throughput(points)[0])
        if 0 < rate < np.inf:
            return rate
    return 1.0


def as_held(jobs: Sequence[LiveJob], curves: Mapping[str, Curve]) -> tuple[Allocation, ...]:
    """Return what jobs hold as allocations."""
    return tuple(
        Allocation(
            job=job.id,
            site=h.site,
            gpu_type=h.gpu_type,
            gpus=h.gpus,
            nodes=h.nodes or 1,
            servers=h.servers,
            local_batch=h.local_batch,
            placement=h.placement,
            server_placement=h.server_placement,
            throughput=_rate(job, curves),
            progress=1.0,
        )
        for job in jobs
        if (h := job.holds) is not None
    )


def _fits_nowhere(job: Job, sizes: Mapping[tuple[str, str], int]) -> str:
    """Return why a job can run in no pool, as the cluster is now; empty where it can."""
    wanted = dict.fromkeys(job.curves, job.min_gpus)
    for c in job.configurations:
        wanted[c.gpu_type] = min(c.gpus, wanted.get(c.gpu_type, c.gpus))
    allowed = [pool for pool in sizes if job.sites is None or pool[0] in job.sites]
    if not wanted or any(wanted.get(gpu, size + 1) <= size for site, gpu in allowed for size in [sizes[site, gpu]]):
        return ""
    least = " or ".join(f"{count} {gpu}" for gpu, count in wanted.items())
    most = ", ".join(f"{sizes[pool]} {pool[1]} in {pool[0]}" for pool in allowed if pool[1] in wanted)
    return f"it needs at least {least}, and the cluster has {most or 'none of these'} now"


def _usual_work(jobs: Sequence[LiveJob]) -> float:
    """Return the median of the work that jobs have left; 1 where no job says it."""
    known = [job.remaining_examples for job in jobs if job.remaining_examples is not None]
    return float(np.median(known)) if known else 1.0


def _horizon(settings: Settings, jobs: Sequence[Job]) -> float:
    """Return over how long restarts are amortized: ten of the longest, at least a quarter of an hour and a round."""
    if settings.horizon_s is not None:
        return settings.horizon_s
    return max(900.0, settings.round_s, 10 * max((job.restart_s for job in jobs), default=0.0))


def _restarts(settings: Settings, jobs: Sequence[Job], horizon: float) -> list[str]:
    """Warn of restarts that an objective holds to be too long for any move."""
    if settings.objective.name == "flow-time":
        return []
    slow = [job for job in jobs if job.restart_s >= settings.round_s and job.restart_s > 0]
    if not slow:
        return []
    longest = max(slow, key=lambda job: job.restart_s)
    what = f"a restart of job {longest.id!r} takes {longest.restart_s:g} s"
    if longest.restart_s >= horizon:
        name = settings.objective.name
        return [
            f"{what}, and the horizon is {horizon:g} s: the objective {name} can never move it; set horizon_s higher"
        ]
    return [f"{what}, longer than a round of {settings.round_s:g} s: it is amortized over horizon_s = {horizon:g} s"]


def _renumbered(error: InputError, numbers: Sequence[int]) -> InputError:
    """Return the error with the place that a job has in the caller's list."""
    found = re.match(r"\$\.jobs\[(\d+)\]", error.path)
    if found is None:
        return error
    path = f"$.jobs[{numbers[int(found[1])]}]{error.path[found.end() :]}"
    return InputError(error.expected, path=path, value=error.value, file=error.file)
