"""Features of an instance: what it is made of, by which one finds it, and groups results."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from optsched.instance import Instance
from optsched.instance.objectives import objective
from optsched.problem.configurations import tabulate

__all__ = ["Features", "features"]

_LISTED = 20_000
"""Most jobs whose configurations are counted."""


class Features(Struct, frozen=True, kw_only=True):
    """What an instance is made of.

    gpus, gpu_types, sites, servers, links
        In the cluster.
    configurations
        In the table that formulations see; None where there are very many jobs.
    scaling
        ``allreduce``, ``parameter_servers``, ``listed``: in which ways its jobs run, joined by ``+``.
    load
        GPUs that the jobs could use at the most, over those that there are.
    decides, objective, sense
        What is asked; ``least`` is better, or ``most``.
    """

    jobs: int
    gpus: int
    gpu_types: int
    sites: int
    servers: int
    links: int
    configurations: int | None
    scaling: str
    load: float
    decides: str
    objective: str
    sense: str


def features(instance: Instance) -> Features:
    """Return the features of an instance."""
    groups = instance.cluster.servers
    gpus = sum(group.count * group.gpus for group in groups)
    columns = {"listed" if job.configurations else job.scaling for job in instance.jobs}
    most = np.array([_most(job.max_gpus, [c.gpus for c in job.configurations], gpus) for job in instance.jobs])
    return Features(
        jobs=len(instance.jobs),
        gpus=gpus,
        gpu_types=len({g.gpu_type for g in groups if g.gpu_type}),
        sites=len(instance.cluster.sites),
        servers=sum(group.count for group in groups),
        links=len(instance.cluster.links),
        scaling="+".join(sorted(columns)),
        configurations=len(tabulate(instance)) if len(instance.jobs) <= _LISTED else None,
        load=round(float(most.sum()) / max(1, gpus), 3),
        decides=instance.decides,
        objective=instance.objective.name,
        sense="least" if objective(instance.objective).sign < 0 else "most",
    )


def _most(limit: int | None, listed: list[int], there: int) -> int:
    return min(there, max(listed) if listed else there if limit is None else limit)
