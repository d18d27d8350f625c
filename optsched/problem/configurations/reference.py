"""Goodputs that jobs are measured by, other than their references."""

from __future__ import annotations

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray, IntArray, run_starts
from optsched.instance import Instance
from optsched.instance.objectives import Base
from optsched.instance.pools import pools
from optsched.problem.configurations.enumerate import enumerate_configurations
from optsched.problem.configurations.kinds import kinds
from optsched.problem.configurations.table import ConfigurationColumns

__all__ = ["extremes", "measured_by"]


def measured_by(instance: Instance, base: Base) -> FloatArray:
    """Return the least, the most or the isolated goodput of each job, shape ``(jobs,)``.

    See :data:`optsched.instance.objectives.Base`.
    Of all its packed ways, whatever the instance decides, also those that its deadline or its budget forbids; 1 where
    it has none.
    """
    everywhere = pools(instance)
    there = max(1, sum(job.arrival_s <= instance.now_s for job in instance.jobs))
    part = np.array([pool.capacity for pool in everywhere]) / there
    some, kind_of = kinds(instance.jobs)
    packed = msgspec.structs.replace(instance, decides="counts")
    columns, first, _ = enumerate_configurations(some, packed, everywhere)
    return _extreme(columns, first, base, part if base == "isolated" else None)[kind_of]


def extremes(columns: ConfigurationColumns, first: IntArray) -> dict[Base, FloatArray]:
    """Return the least and the most goodput of each of some jobs, whose packed ways begin at ``first``."""
    return {base: _extreme(columns, first, base) for base in ("least", "most")}


def _extreme(columns: ConfigurationColumns, first: IntArray, base: Base, part: FloatArray | None = None) -> FloatArray:
    """Return the least or greatest of the best goodputs at each count in each pool, or of a part of the pools."""
    jobs = len(first) - 1
    owner = np.repeat(np.arange(jobs), np.diff(first))
    starts = run_starts(owner, columns.pool, columns.gpus)
    if len(starts) == 0:
        return np.ones(jobs)
    best = np.maximum.reduceat(columns.goodput, starts)  # of each count in each pool
    if part is not None:
        best = best * np.minimum(1.0, part[columns.pool[starts]] / columns.gpus[starts])
    found = np.full(jobs, np.inf if base == "least" else -np.inf)
    (np.minimum if base == "least" else np.maximum).at(found, owner[starts], best)
    return np.where(np.isfinite(found), found, 1.0)
