"""Work, arrivals and deadlines for instances that have none, the same for the same seed."""

from __future__ import annotations

import msgspec
import numpy as np

from optsched.errors import InputError, shown
from optsched.instance import Instance, validate
from optsched.instance.pools import pools
from optsched.problem.configurations import tabulate

__all__ = ["timed"]

_COUNTS = (1, 2, 4, 8)


def timed(instance: Instance, hours: float, load: float = 1.0, seed: int = 0) -> Instance:
    """Return the instance with work, an arrival and a deadline for every job.

    Each job asks for 1, 2, 4 or 8 GPUs of a pool that it may use, for a time that is lognormal (its logarithm has
    the standard deviation 0.8) and scaled so that all requests come to ``load`` times the GPUs of the cluster over
    ``hours``. Its work is what it does in that time. Arrivals are uniform over ``hours``; the deadline comes 0.5 to 1.5
    requested times after the arrival, as in ElasticFlow (Gu et al., ASPLOS'23, sec. 6.1), but no sooner than 1.05 times
    the shortest time that the job can take: jobs with less than 1 must get more GPUs than they ask for, or faster ones.
    Times are whole seconds.

    Raises
    ------
    InputError
        For hours or a load that are not positive.
    """
    for name, value in (("hours", hours), ("load", load)):
        if not 0 < value < float("inf"):
            raise InputError("a number > 0", path=name, value=shown(value))
    random = np.random.default_rng((seed, len(instance.jobs)))
    open_ended = [
        msgspec.structs.replace(job, arrival_s=0.0, deadline_s=None, remaining_examples=None, budget=None)
        for job in instance.jobs
    ]
    table = tabulate(msgspec.structs.replace(instance, jobs=tuple(open_ended)))
    row, gpus = [], table.columns.gpus
    for j in range(len(instance.jobs)):
        own = np.arange(table.first[j], table.first[j + 1])
        if len(own) == 0:
            raise InputError("a job that can run somewhere", path=f"$.jobs[{j}]", value=table.reasons.get(j, ""))
        of_pool = own[table.columns.pool[own] == random.choice(np.unique(table.columns.pool[own]))]
        row.append(int(of_pool[np.argmin(np.abs(gpus[of_pool] - random.choice(_COUNTS)))]))
    seconds = np.exp(random.normal(0.0, 0.8, len(row)))
    whole = 3600 * hours * sum(pool.capacity for pool in pools(instance))
    seconds = np.maximum(60.0, np.rint(seconds * load * whole / (seconds * gpus[row]).sum()))
    arrival = np.floor(random.uniform(0, 3600 * hours, len(row)))
    work = seconds * table.columns.goodput[row]
    fastest = work / np.maximum.reduceat(table.columns.goodput, table.first[:-1])
    deadline = arrival + np.ceil(np.maximum(1.05 * fastest, seconds * random.uniform(0.5, 1.5, len(row))))
    jobs = tuple(
        msgspec.structs.replace(job, remaining_examples=examples, arrival_s=begin + instance.now_s, deadline_s=end)
        for job, examples, begin, end in zip(
            instance.jobs, work.tolist(), arrival.tolist(), (deadline + instance.now_s).tolist(), strict=True
        )
    )
    return validate(msgspec.structs.replace(instance, jobs=jobs))
