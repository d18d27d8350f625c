"""What an objective is: a value for each way to run a job, and how the values of all jobs come together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.instance import GpuType, Instance, Job

__all__ = ["Base", "Objective", "Rates"]

Base = Literal["reference", "least", "most", "isolated"]
"""The goodput of a job that its others are measured by.

Whatever a plan decides on, it is that of configurations on the fewest servers that hold their GPUs in the empty pool
(listed ones on as many as they name), at the nominal network rate, also where a deadline or a budget forbids them.

reference
    What progress 1.0 means (``Job.reference``).
least
    Of its best goodputs at each count of GPUs of each pool that it may use, the least.
most
    The greatest of them.
isolated
    Its best goodput on a share of one N-th of any pool, N jobs being there. Where that is less than its GPUs, it has
    them for a part of the time.
"""


@dataclass(frozen=True)
class Rates:
    """Ways to run jobs, and how fast they are; every array has shape ``(n,)``.

    job, gpu_type
        Numbers in ``instance.jobs`` and ``instance.cluster.gpu_types``.
    gpus
        In all.
    kept
        Whether the way is what its job holds now.
    share
        Part of the round that it trains: 1, less what a restart takes.
    weight
        Of the job.
    reference
        The goodput that it is measured by, as ``Objective.base`` says.
    throughput, goodput
        Examples/s, and reference-batch examples/s, net of what a restart loses of the round.
    steady
        Reference-batch examples/s while it trains, whatever a restart takes.
    measure
        Returns the goodput that each job of the instance is measured by, shape ``(jobs,)``, for any base.
    hourly_cost
        Returns the price of its GPUs, and of copying its data to where it runs, spread over the round (currency/h).
    dominant_share
        Returns the largest part that it takes of its pool's GPUs and of its site's CPU cores and memory.
    """

    instance: Instance
    job: IntArray
    gpu_type: IntArray
    gpus: FloatArray
    kept: NDArray[np.bool_]
    share: FloatArray
    weight: FloatArray
    reference: FloatArray
    throughput: FloatArray
    goodput: FloatArray
    steady: FloatArray
    measure: Callable[[Base], FloatArray]
    hourly_cost: Callable[[], FloatArray]
    dominant_share: Callable[[], FloatArray]

    @property
    def progress(self) -> FloatArray:
        """Goodput by the reference."""
        return self.goodput / self.reference

    @property
    def divisor(self) -> FloatArray:
        """What a least value is divided by: the weight, and 1 for jobs of weight 0, which do not count."""
        return np.where(self.weight > 0, self.weight, 1.0)

    def of_job(self, read: Callable[[Job], float | None]) -> FloatArray:
        """Return a number of each way's job; nan for None."""
        return self._taken(map(read, self.instance.jobs), self.job)

    def of_type(self, read: Callable[[GpuType], float | None]) -> FloatArray:
        """Return a number of each way's GPU type; nan for None."""
        return self._taken(map(read, self.instance.cluster.gpu_types), self.gpu_type)

    def tenant_weight(self) -> FloatArray:
        """Return the weight of each way's tenant; 1 where the instance names none."""
        weights = {tenant.id: tenant.weight for tenant in self.instance.tenants}
        return self.of_job(lambda job: weights.get(job.tenant, 1.0))

    @staticmethod
    def _taken(values: Any, rows: IntArray) -> FloatArray:
        return np.array([np.nan if x is None else x for x in values], dtype=np.float64)[rows]


@dataclass(frozen=True)
class Objective:
    """A separable objective; a job that does not run has value 0.

    name, meaning, source
        For people.
    unit
        Of the total.
    value
        Of each way to run a job, the more the better; :class:`Rates` -> shape ``(n,)``. Never negative where the
        least counts.
    aggregate
        ``sum``: the values of all jobs are summed. ``min``: those of each party are summed, and the least of these
        sums counts. ``lexmin``: then the second least, and so on; its total is the least.
    party
        Of a minimum: each job that is there and has a positive weight, or each tenant of such jobs.
    sign
        -1 for what is to be minimized: its values are negative, and people see the total with this sign.
    base
        What jobs' goodputs are measured by.
    parameters
        As the instance gave them.
    member
        Returns whether each job of an instance counts, shape ``(jobs,)``; None: all count.
    """

    name: str
    meaning: str
    source: str
    unit: str
    value: Callable[[Rates], FloatArray]
    aggregate: Literal["sum", "min", "lexmin"] = "sum"
    party: Literal["jobs", "tenants"] = "jobs"
    sign: float = 1.0
    base: Base = "reference"
    parameters: dict[str, Any] = field(default_factory=dict)
    member: Callable[[Instance], NDArray[np.bool_]] | None = None

    def parties(self, instance: Instance, able: NDArray[np.bool_] | None = None) -> IntArray:
        """Return the number of each job's party, shape ``(jobs,)``: of a sum all are one; -1 for a job without a party.

        Parameters
        ----------
        able
            Whether each job can run by itself, shape ``(jobs,)``: a least value is over those that can; None: all can.
        """
        if self.aggregate == "sum":
            return np.zeros(len(instance.jobs), dtype=np.int64)
        if self.member is not None:
            able = self.member(instance) if able is None else able & self.member(instance)
        names: dict[str, int] = {}
        found = np.full(len(instance.jobs), -1)
        for number, job in enumerate(instance.jobs):
            if job.weight > 0 and job.arrival_s <= instance.now_s and (able is None or able[number]):
                found[number] = names.setdefault(job.tenant if self.party == "tenants" else job.id, len(names))
        return found

    def total(self, values: FloatArray, party: IntArray) -> float:
        """Return the objective, to be maximized, from the values and parties of *all* jobs, shape ``(jobs,)`` each."""
        counted = party >= 0
        if self.aggregate == "sum" or not counted.any():
            return float(values[counted].sum())
        return float(np.bincount(party[counted], weights=values[counted]).min())
