"""Goodputs that jobs are measured by, other than their references."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from optsched.configurations.tabulate import kind
from optsched.configurations.ways import ways_of
from optsched.curves import FloatArray
from optsched.instance import Instance
from optsched.objectives import Base
from optsched.pools import pools

__all__ = ["measured_by"]


def measured_by(instance: Instance, base: Base) -> FloatArray:
    """Return the least or the isolated goodput of each job (see :data:`optsched.objectives.Base`), shape ``(jobs,)``.

    Of all its ways, also those that its deadline or its budget forbids; 1 where it has none.
    """
    everywhere = pools(instance)
    there = max(1, sum(job.arrival_s <= instance.now_s for job in instance.jobs))
    part = np.array([pool.capacity for pool in everywhere]) / there
    known: dict[Hashable, float] = {}
    found = np.ones(len(instance.jobs))
    for number, job in enumerate(instance.jobs):
        key = kind(job)
        if key not in known:
            ways, choosable, _ = ways_of(job, instance, everywhere)
            ways = ways.take(choosable)
            starts = np.flatnonzero((np.diff(ways.pool, prepend=-1) != 0) | (np.diff(ways.gpus, prepend=-1) != 0))
            best = np.maximum.reduceat(ways.goodput, starts) if len(starts) else np.ones(1)
            if base == "isolated" and len(starts):
                best = best * np.minimum(1.0, part[ways.pool[starts]] / ways.gpus[starts])
            known[key] = float(best.min() if base == "least" else best.max())
        found[number] = known[key]
    return found
