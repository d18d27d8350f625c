"""The policies by name, with what each needs to know of an instance's jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from optsched.errors import InputError, shown
from optsched.instance import Instance, Job
from optsched.timeshare.finish_time import finish_time
from optsched.timeshare.hierarchical import hierarchical
from optsched.timeshare.makespan import makespan
from optsched.timeshare.maxmin import max_min
from optsched.timeshare.proportional import proportional
from optsched.timeshare.reading import Read
from optsched.timeshare.shares import Shares
from optsched.timeshare.throughput import cost, first_in_first_out, throughput

__all__ = ["POLICIES", "Policy", "policy"]


Policy = Callable[[Instance, Read], Shares]


def policy(name: str, *, lexicographic: bool = False) -> Policy:
    """Return what divides the time of an instance's GPUs, given its market (:mod:`optsched.timeshare.reading`).

    It raises InputError for jobs of which it does not know enough.

    Parameters
    ----------
    lexicographic
        Of max-min only: go on to the lexicographic optimum.

    Raises
    ------
    InputError
        For an unknown name, or a policy that is not lexicographic.
    """
    if name not in POLICIES:
        raise InputError(f"one of {', '.join(POLICIES)}", path="policy", value=shown(name))
    if not lexicographic:
        return POLICIES[name]
    if name != "max-min":
        raise InputError("the policy max-min, which alone it applies to", path="lexicographic")
    return lambda instance, read: max_min(read.market, lexicographic=True)


def _makespan(instance: Instance, read: Read) -> Shares:
    return makespan(read.market, _work(read.jobs))


def _finish_time(instance: Instance, read: Read) -> Shares:
    return finish_time(read.market, _work(read.jobs), [instance.now_s - job.arrival_s for job in read.jobs])


def _throughput(instance: Instance, read: Read) -> Shares:
    return throughput(read.market, worth=[job.weight for job in read.jobs] / read.market.fastest)


def _fifo(instance: Instance, read: Read) -> Shares:
    order = np.argsort([job.arrival_s for job in read.jobs], kind="stable")
    return first_in_first_out(read.market, np.argsort(order))


def _cost(instance: Instance, read: Read) -> Shares:
    for k, price in enumerate(read.price):
        if price <= 0:
            raise InputError("an hourly_price > 0 of each GPU type", path="$.cluster", value=read.pools[k])
    return cost(read.market, read.price, least=[_least(job, instance.now_s) for job in read.jobs])


def _hierarchical(instance: Instance, read: Read) -> Shares:
    weight = {tenant.id: tenant.weight for tenant in instance.tenants}
    return hierarchical(read.market, [job.tenant for job in read.jobs], weight=weight)


POLICIES: dict[str, Policy] = {
    "max-min": lambda instance, read: max_min(read.market),
    "makespan": _makespan,
    "finish-time": _finish_time,
    "throughput": _throughput,
    "fifo": _fifo,
    "cost": _cost,
    "hierarchical": _hierarchical,
    "proportional": lambda instance, read: proportional(read.market),
}


def _work(jobs: Sequence[Job]) -> list[float]:
    """Return the jobs' work left, which this policy needs of each."""
    for job in jobs:
        if job.remaining_examples is None:
            raise InputError("remaining_examples of each job", path="$.jobs", value=shown(job.id))
    return [job.remaining_examples or 0.0 for job in jobs]


def _least(job: Job, now_s: float) -> float:
    """Return the throughput by which a job ends at its deadline; 0 where it has none."""
    if job.deadline_s is None or job.remaining_examples is None:
        return 0.0
    return job.remaining_examples / max(1e-9, job.deadline_s - now_s)
