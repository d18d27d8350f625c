"""Makespan: the last job ends as early as can be (Gavel, sec. 4.2).

With shares that stay as they are, job j ends after ``steps_j / rate_j``. All end by M exactly if
``rate_j >= steps_j / M`` for all: with z = 1 / M that is one linear program where Gavel searches over M.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from optsched.timeshare.data import per_job
from optsched.timeshare.linear_program import linear_needs
from optsched.timeshare.market import Market, columns, merged
from optsched.timeshare.shares import Shares, best_level, nothing, shares

__all__ = ["makespan"]


def makespan(market: Market, steps: ArrayLike) -> Shares:
    """Minimize the time at which the last job ends, in seconds if throughputs are per second.

    Parameters
    ----------
    steps
        Work left of each job in its throughput's unit, > 0, shape ``(jobs,)``.
    """
    left = per_job(steps, market, "steps", positive=True)
    of, kind, (left,) = merged(market, left)
    ways = columns(of)
    found = best_level(of, ways, linear_needs(np.zeros(of.jobs), left), lambda rate: rate / left)
    if found is None or found.reached <= 0:
        return nothing("makespan", market, "unknown", "no engine found shares")
    value, bound = 1.0 / found.reached, 1.0 / found.bound
    prices = found.point.prices * value * value
    return shares("makespan", of, ways, kind, found.time, found.held, value, bound, prices, found.point.steps)
