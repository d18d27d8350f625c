"""Goodputs that jobs are measured by, other than their references."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray, run_starts
from optsched.instance import Instance
from optsched.instance.objectives import Base
from optsched.instance.pools import pools
from optsched.problem.configurations.build import kinds
from optsched.problem.configurations.enumerate import ways_of

__all__ = ["measured_by"]


def measured_by(instance: Instance, base: Base) -> FloatArray:
    """Return the least or the isolated goodput of each job, shape ``(jobs,)``.

    See :data:`optsched.instance.objectives.Base`.
    Of all its ways, also those that its deadline or its budget forbids; 1 where it has none.
    """
    everywhere = pools(instance)
    there = max(1, sum(job.arrival_s <= instance.now_s for job in instance.jobs))
    part = np.array([pool.capacity for pool in everywhere]) / there
    some, kind_of = kinds(instance.jobs)
    ways, first, _ = ways_of(some, instance, everywhere)
    owner = np.repeat(np.arange(len(some)), np.diff(first))
    starts = run_starts(owner, ways.pool, ways.gpus)
    if len(starts) == 0:
        return np.ones(len(instance.jobs))
    best = np.maximum.reduceat(ways.goodput, starts)  # of each count in each pool
    if base == "isolated":
        best = best * np.minimum(1.0, part[ways.pool[starts]] / ways.gpus[starts])
    found = np.full(len(some), np.inf if base == "least" else -np.inf)
    (np.minimum if base == "least" else np.maximum).at(found, owner[starts], best)
    return np.where(np.isfinite(found), found, 1.0)[kind_of]
