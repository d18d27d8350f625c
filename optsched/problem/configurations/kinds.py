"""Jobs of one kind have the same ways to run, whatever they hold, and are evaluated once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from optsched._util.arrays import IntArray
from optsched.instance import Job

__all__ = ["kind", "kinds"]


def kinds(jobs: Sequence[Job]) -> tuple[list[Job], IntArray]:
    """Return one job of each kind, and the kind of each job, shape ``(jobs,)``."""
    number: dict[Hashable, int] = {}
    some: list[Job] = []
    kind_of = np.empty(len(jobs), dtype=np.int64)
    for j, job in enumerate(jobs):
        if (k := number.setdefault(kind(job), len(some))) == len(some):
            some.append(job)
        kind_of[j] = k
    return some, kind_of


def kind(job: Job) -> Hashable:
    """Return what decides a job's ways, whatever it holds; jobs with equal kinds share one evaluation."""
    if job.configurations:
        return job.configurations, job.sites, job.max_gpus_per_server, job.reference, tuple(job.affinity.items())
    return (
        tuple(job.curves.items()),
        job.sites,
        job.min_gpus,
        job.max_gpus,
        job.gpu_multiple,
        job.global_batches,
        job.local_batches,
        job.parameter_servers,
        job.efficiency,
        job.reference,
        job.max_gpus_per_server,
        tuple(job.affinity.items()),
    )
