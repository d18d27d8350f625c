"""What a plan gives to each job, and what each is entitled to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from optsched.checker import check
from optsched.checker.recompute import Truth
from optsched.errors import InputError
from optsched.instance import Instance, ObjectiveSpec
from optsched.instance.pools import pools
from optsched.instance.solution import Allocation
from optsched.problem.configurations import tabulate
from optsched.problem.configurations.enumerate import enumerate_configurations
from optsched.problem.configurations.kinds import kinds

__all__ = ["claimed_anew", "confirmed", "entitlements", "goodputs"]


def confirmed(instance: Instance, allocations: Sequence[Allocation], spec: ObjectiveSpec) -> float:
    """Return the objective of a plan; raise InputError for one that breaks a rule."""
    report = check(instance, allocations, spec)
    if not report.ok:
        raise InputError("a feasible plan", path="$.allocations", value=str(report.violations[0]))
    return report.value


def goodputs(instance: Instance, allocations: Sequence[Allocation]) -> dict[str, float]:
    """Return each running job's goodput by the true curves, net of what a restart loses of the round."""
    truth = Truth(instance)
    rates = truth.throughputs(allocations).tolist()
    found = {}
    for a, rate in zip(allocations, rates, strict=True):
        job = truth.jobs[a.job]
        found[a.job] = rate * truth.efficiency(job, a) * truth.share(job, a)
    return found


def claimed_anew(instance: Instance, allocations: Sequence[Allocation]) -> tuple[Allocation, ...]:
    """Return a plan with the throughputs and progress that an instance's own curves give it."""
    from msgspec.structs import replace

    truth = Truth(instance)
    net = goodputs(instance, allocations)
    rates = truth.throughputs(allocations).tolist()
    return tuple(
        replace(a, throughput=rate, progress=net[a.job] / truth.reference(truth.jobs[a.job]))
        for a, rate in zip(allocations, rates, strict=True)
    )


def entitlements(instance: Instance) -> tuple[dict[str, float], dict[str, float]]:
    """Return the progress of every job that is there on its share of the cluster, and the same for tenants.

    A job's share is its weight's part of the weights of all that are there. A share of s gives it ``s`` of the GPUs of
    a pool, whichever serves it best; where that is less than a way to run takes, it runs so for a part of the time
    (Themis, NSDI'20, sec. 3.1, with shares for 1/N). A tenant's share is its own weight's part, parted evenly among
    its jobs; what it is entitled to is the sum of their progress.
    """
    everywhere = pools(instance)
    here = [job for job in instance.jobs if job.arrival_s <= instance.now_s]
    whole = sum(job.weight for job in here)
    weights = {tenant.id: tenant.weight for tenant in instance.tenants}
    owners = {job.tenant: weights.get(job.tenant, 1.0) for job in here}
    entitled = sum(owners.values())
    mates = Counter(job.tenant for job in here)
    reference = dict(zip((job.id for job in instance.jobs), tabulate(instance).reference.tolist(), strict=True))
    some, kind_of = kinds(here)
    columns, first, _ = enumerate_configurations(some, instance, everywhere)
    capacity = np.array([pool.capacity for pool in everywhere], dtype=np.float64)[columns.pool]
    goodputs, fractions = columns.goodput, capacity / columns.gpus
    of_job: dict[str, float] = {}
    of_tenant: dict[str, float] = dict.fromkeys(owners, 0.0)
    for job, k in zip(here, kind_of.tolist(), strict=True):
        goodput, fraction = (column[first[k] : first[k + 1]] for column in (goodputs, fractions))

        def alone(share: float, goodput: np.ndarray = goodput, fraction: np.ndarray = fraction) -> float:
            return float((goodput * np.minimum(1.0, share * fraction)).max(initial=0.0))

        of_job[job.id] = alone(job.weight / whole if whole > 0 else 0.0) / reference[job.id]
        of_tenant[job.tenant] += alone(owners[job.tenant] / entitled / mates[job.tenant]) / reference[job.id]
    return of_job, of_tenant
