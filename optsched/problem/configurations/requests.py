"""What jobs ask for, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, offsets
from optsched.instance import Job

__all__ = ["Requests"]

_ANY = np.iinfo(np.int64).max // 4
"""A limit that is none."""


@dataclass(frozen=True)
class Requests:
    """Limits of jobs; every field has shape ``(jobs,)``, but for ``batch``.

    least, most, multiple, per_server
        GPUs in all, their steps, and the most on one server.
    fewest_servers, most_servers
        Parameter servers.
    whole
        Whether its batches are those of a step, and not of one GPU.
    batches, first_batch
        How many batches it may choose from, one nan where it names none; and which of ``batch`` is its first.
    batch
        All of them, job by job.
    noise, reference_batch
        Of its statistical efficiency; nan where it has none.
    affinities
        Of each job that has any: its factors by site, by the job's number.
    """

    least: IntArray
    most: IntArray
    multiple: IntArray
    per_server: IntArray
    fewest_servers: IntArray
    most_servers: IntArray
    whole: NDArray[np.bool_]
    batches: IntArray
    first_batch: IntArray
    batch: FloatArray
    noise: FloatArray
    reference_batch: FloatArray
    affinities: dict[int, dict[str, float]]

    @staticmethod
    def of(jobs: Sequence[Job]) -> Requests:
        """Read the columns off jobs."""
        batches = [job.global_batches or job.local_batches or (np.nan,) for job in jobs]
        count = np.array([len(each) for each in batches], dtype=np.int64)
        servers = [job.parameter_servers for job in jobs]
        efficiency = [job.efficiency for job in jobs]
        return Requests(
            least=np.array([job.min_gpus for job in jobs], dtype=np.int64),
            most=np.array([job.max_gpus or _ANY for job in jobs], dtype=np.int64),
            multiple=np.array([job.gpu_multiple for job in jobs], dtype=np.int64),
            per_server=np.array([job.max_gpus_per_server or _ANY for job in jobs], dtype=np.int64),
            fewest_servers=np.array([ps.minimum if ps else 0 for ps in servers], dtype=np.int64),
            most_servers=np.array([ps.maximum if ps else 0 for ps in servers], dtype=np.int64),
            whole=np.array([bool(job.global_batches) for job in jobs], dtype=bool),
            batches=count,
            first_batch=offsets(count)[:-1],
            batch=np.array([batch for each in batches for batch in each], dtype=np.float64),
            noise=np.array([e.noise_scale if e else np.nan for e in efficiency], dtype=np.float64),
            reference_batch=np.array([e.reference_batch if e else np.nan for e in efficiency], dtype=np.float64),
            affinities={j: job.affinity for j, job in enumerate(jobs) if job.affinity},
        )

    def efficiency(self, owner: IntArray, examples: FloatArray) -> FloatArray:
        """Return the progress per example of steps with a global batch, shape of ``owner``: the job of each."""
        noise, reference = self.noise[owner], self.reference_batch[owner]
        known = np.where(np.isnan(examples), reference, examples)  # without a batch, the reference is meant
        part = np.minimum(1.0, (noise + reference) / (noise + known))
        return np.where(np.isnan(noise), 1.0, part)

    def affinity(self, site: str, owner: IntArray) -> FloatArray | float:
        """Return the factor on goodput in a site, shape of ``owner``, or 1 for all."""
        if not self.affinities:
            return 1.0
        factor = np.ones(len(self.least))
        for j, by_site in self.affinities.items():
            factor[j] = by_site.get(site, 1.0)
        return np.asarray(factor[owner], dtype=np.float64)
