"""Workloads: the jobs that arrive at a cluster over time, as they stand in a file (``optsched-workload/1``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from optsched._util.files import parse, read, write_json
from optsched.errors import InputError, shown
from optsched.prediction.curves import Curve
from optsched.prediction.curves.base import Count, Name, NonNegative, Positive, PositiveInt

__all__ = ["Application", "Maintenance", "Pool", "Queue", "Rate", "TraceJob", "Workload", "load", "loads", "save"]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of the records of the file format."""


class Pool(_Record, frozen=True):
    """``servers`` equal servers with ``gpus_per_server`` GPUs of one type each."""

    gpu_type: Name
    servers: PositiveInt
    gpus_per_server: PositiveInt = 1


class Rate(_Record, frozen=True):
    """Progress of an application in one configuration, in units of its work per second.

    rate
        One number, or one for each stage of the training (equal parts of the work).
    """

    gpu_type: Name
    gpus: PositiveInt
    rate: Positive | Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1)]


class Application(_Record, frozen=True):
    """What jobs of one kind have in common: how fast they progress in each configuration.

    rates
        Configurations listed with their progress; or, instead of them:
    curves
        Name of the throughput curve for each GPU type.
    base_batch, max_batch
        Batch that defines the unit of work (one example at it), and the largest batch allowed.
    noise_scale
        Gradient noise scale (examples) in each stage of the training, stages being equal parts of the work.
        Empty: every example counts the same at any batch.
    min_gpus, max_gpus
        Range of GPUs.
    restart_s
        Seconds that a start, a move or a change of size costs.
    """

    id: Name
    rates: tuple[Rate, ...] = ()
    curves: dict[Name, Name] = {}
    base_batch: Positive = 1.0
    max_batch: Positive | None = None
    noise_scale: tuple[NonNegative, ...] = ()
    min_gpus: PositiveInt = 1
    max_gpus: PositiveInt | None = None
    restart_s: NonNegative = 0.0


class TraceJob(_Record, frozen=True):
    """A job of a workload.

    arrival_s
        When it arrives.
    work
        Of a job with an application: its work in the application's unit (reference-batch examples). Of a
        rigid job (no application): the seconds that it runs.
    gpus
        GPUs that it asks for: those of a rigid job, and what policies give an elastic job that do not resize.
    batch
        Global batch of the requested configuration; None: the best one.
    gpu_types
        Types that it may use; None: any.
    checkpoint_s
        Seconds between checkpoints. Planned stops save first, so that only failures lose what was done since
        the last one; 0: nothing is ever lost; None: it never saves, and any stop loses all its work.
    restart_s
        Instead of the application's.
    deadline_s
        On the clock of arrivals.
    """

    id: Name
    arrival_s: NonNegative
    work: Positive
    application: str = ""
    gpus: PositiveInt = 1
    batch: Positive | None = None
    gpu_types: tuple[Name, ...] | None = None
    queue: Name = "default"
    priority: int = 0
    checkpoint_s: NonNegative | None = 0.0
    restart_s: NonNegative | None = None
    deadline_s: NonNegative | None = None
    min_gpus: PositiveInt | None = None
    max_gpus: PositiveInt | None = None


class Queue(_Record, frozen=True):
    """A queue (tenant) with a quota of GPUs, which may borrow what the queues of its cohort leave unused.

    quota
        GPUs of its own; None: no limit.
    borrowing
        Most GPUs beyond the quota; None: all that its cohort has.
    """

    id: Name
    cohort: str = ""
    quota: Count | None = None
    borrowing: Count | None = None
    weight: Positive = 1.0


class Maintenance(_Record, frozen=True):
    """Servers of a type that are taken away from ``begin_s`` to ``end_s``, announced: jobs on them save first."""

    gpu_type: Name
    servers: PositiveInt
    begin_s: NonNegative
    end_s: NonNegative


class Workload(_Record, frozen=True):
    """A cluster and the jobs that arrive at it."""

    format: Literal["optsched-workload/1"]
    cluster: Annotated[tuple[Pool, ...], msgspec.Meta(min_length=1)]
    jobs: tuple[TraceJob, ...]
    applications: tuple[Application, ...] = ()
    curves: dict[Name, Curve] = {}
    queues: tuple[Queue, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    name: str = ""
    source: str = ""


def load(path: Path | str) -> Workload:
    """Read and validate a workload file; raise InputError where it is wrong."""
    return read(path, Workload, validate)


def loads(content: bytes | str, file: str = "") -> Workload:
    """Read and validate a workload from JSON; ``file`` is the name for errors."""
    return parse(content, Workload, file, validate)


def save(workload: Workload, path: Path | str) -> None:
    """Write a workload file, whole or not at all."""
    write_json(path, workload)


def validate(workload: Workload) -> None:
    """Raise InputError, with the path, for names that are not there, twice there, or ranges that are empty."""
    types = _distinct([p.gpu_type for p in workload.cluster], "$.cluster", "gpu_type")
    applications = _distinct([a.id for a in workload.applications], "$.applications", "id")
    queues = _distinct([q.id for q in workload.queues], "$.queues", "id")
    _distinct([j.id for j in workload.jobs], "$.jobs", "id")
    for number, application in enumerate(workload.applications):
        path = f"$.applications[{number}]"
        if bool(application.rates) == bool(application.curves):
            raise InputError("either rates or curves", path=path, value=shown(application.id))
        for name in application.curves.values():
            if name not in workload.curves:
                raise InputError("the name of a curve of this file", path=f"{path}.curves", value=shown(name))
        lengths = {len(r.rate) for r in application.rates if isinstance(r.rate, tuple)}
        if len(lengths) > 1:
            raise InputError("equally many stages in every rate", path=f"{path}.rates", value=shown(sorted(lengths)))
        for k, rate in enumerate(application.rates):
            if rate.gpu_type not in types:
                raise InputError(
                    "a GPU type of the cluster", path=f"{path}.rates[{k}].gpu_type", value=shown(rate.gpu_type)
                )
    for number, job in enumerate(workload.jobs):
        path = f"$.jobs[{number}]"
        if job.application and job.application not in applications:
            raise InputError("an application of this file", path=f"{path}.application", value=shown(job.application))
        if queues and job.queue not in queues:
            raise InputError("a queue of this file", path=f"{path}.queue", value=shown(job.queue))
        for name in job.gpu_types or ():
            if name not in types:
                raise InputError("a GPU type of the cluster", path=f"{path}.gpu_types", value=shown(name))
        if job.deadline_s is not None and job.deadline_s <= job.arrival_s:
            raise InputError("a deadline after the arrival", path=f"{path}.deadline_s", value=shown(job.deadline_s))
    for number, window in enumerate(workload.maintenance):
        if window.gpu_type not in types:
            raise InputError(
                "a GPU type of the cluster", path=f"$.maintenance[{number}].gpu_type", value=shown(window.gpu_type)
            )
        if window.end_s <= window.begin_s:
            raise InputError("an end after the begin", path=f"$.maintenance[{number}].end_s", value=shown(window.end_s))


def _distinct(names: list[str], path: str, key: str) -> set[str]:
    """Return the names as a set; raise InputError for one that is there twice."""
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            raise InputError(f"a {key} of its own", path=f"{path}[{number}].{key}", value=shown(name))
        seen.add(name)
    return seen
