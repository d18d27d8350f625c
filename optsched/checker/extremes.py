"""Best goodputs of jobs at each count of GPUs, from their curves: what objectives measure jobs by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from optsched.instance import Configuration, Instance, Job
from optsched.prediction.curves import Points

__all__ = ["Cell", "best_goodputs"]

Cell = tuple[str, str, int]
"""A site, a GPU type, and a number of GPUs."""
_Way = tuple[int, Cell, float, float, float, float, float]
"""The number of a job, a cell, and its nodes, local batch, passes, parameter servers and efficiency."""


class Facts(Protocol):
    """What is asked of :class:`optsched.checker.recompute.Truth`."""

    instance: Instance

    @property
    def pools(self) -> list[tuple[str, str]]:
        """The (site, GPU type) of each pool."""

    def gpus(self, site: str, gpu_type: str) -> int:
        """Return the GPUs of a pool."""

    def servers(self, site: str, gpu_type: str) -> int:
        """Return the servers of a pool."""

    def fewest_nodes(self, job: Job, site: str, gpu_type: str, gpus: int) -> int:
        """Return the fewest servers that hold a number of GPUs."""

    def listed_goodputs(self, job: Job) -> Iterator[tuple[Configuration, str, float]]:
        """Yield each configuration that a job lists, each site that can host it, and its goodput there."""


def best_goodputs(truth: Facts, jobs: Sequence[Job]) -> list[dict[Cell, float]]:
    """Return the best goodput of each job at each count of GPUs in each pool, on the fewest servers that hold them.

    Curves are evaluated once each, for all jobs together.
    """
    found: list[dict[Cell, float]] = [{} for _ in jobs]
    asked: dict[str, list[_Way]] = defaultdict(list)
    for number, job in enumerate(jobs):
        mine = found[number]
        for c, site, rate in truth.listed_goodputs(job):
            cell = (site, c.gpu_type, c.gpus)
            if rate > mine.get(cell, 0.0):
                mine[cell] = rate
        for site, gpu in truth.pools if job.curves else ():
            if job.sites is not None and site not in job.sites:
                continue
            if gpu in job.curves:
                asked[job.curves[gpu]] += _ways(truth, number, job, site, gpu)
    for name, ways in asked.items():
        columns = np.array([way[2:] for way in ways], dtype=np.float64).reshape(-1, 5).T
        nodes, local, passes, servers, efficiency = columns
        counts = np.array([cell[2] for _, cell, *_ in ways], dtype=np.float64)
        points = Points.of(counts, nodes=nodes, local_batch=local, accumulation=passes, servers=servers)
        goodput = truth.instance.curves[name].throughput(points) * efficiency
        for (number, cell, *_), rate in zip(ways, goodput.tolist(), strict=True):
            if rate == rate:
                found[number][cell] = max(rate, found[number].get(cell, 0.0))
    return found


def _ways(truth: Facts, number: int, job: Job, site: str, gpu: str) -> list[_Way]:
    """Return the configurations of a job in a pool."""
    most = truth.gpus(site, gpu)
    limit = truth.instance.curves[job.curves[gpu]].max_local_batch or np.inf
    noise, reference = (job.efficiency.noise_scale, job.efficiency.reference_batch) if job.efficiency else (0.0, 0.0)
    ps = job.parameter_servers
    helpers = range(ps.minimum, ps.maximum + 1) if ps else (0,)
    whole, affinity = bool(job.global_batches), job.affinity.get(site, 1.0)
    ways: list[_Way] = []
    for gpus in range(job.min_gpus, min(most, job.max_gpus or most) + 1, job.gpu_multiple):
        nodes = truth.fewest_nodes(job, site, gpu, gpus)
        if nodes > truth.servers(site, gpu):
            continue
        for batch in job.global_batches or job.local_batches or (np.nan,):
            share = batch / gpus if whole else batch
            passes = max(1.0, float(np.ceil(share / limit))) if whole else 1.0
            local = share / passes
            if local < 1 or local > limit:
                continue
            examples = local * passes * gpus
            known = job.efficiency is not None and examples == examples
            part = min(1.0, (noise + reference) / (noise + examples)) if known else 1.0
            ways += [
                (number, (site, gpu, gpus), float(nodes), local, passes, float(n), part * affinity) for n in helpers
            ]
    return ways
