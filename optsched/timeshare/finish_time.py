"""Finish-time fairness: the least largest ratio to the end on an equal share (Gavel, sec. 4.2; Themis, NSDI'20).

``rho_j = (elapsed_j + steps_j / rate_j) / (isolated_j + steps_j / equal_j)``, where ``equal_j`` is the
throughput on an equal share of all GPUs. ``rho_j <= rho`` means ``rate_j >= steps_j / (rho D_j - elapsed_j)``
with ``D_j`` the denominator: convex in rho, so that the whole is one convex program in the level ``z = -rho``,
where Gavel searches over rho.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from optsched._util.arrays import FloatArray
from optsched.timeshare.data import per_job
from optsched.timeshare.linear_program import Needs
from optsched.timeshare.market import Market, columns, merged
from optsched.timeshare.shares import Shares, best_level, nothing, shares

__all__ = ["finish_time"]


def finish_time(
    market: Market, steps: ArrayLike, elapsed: ArrayLike = 0.0, isolated: ArrayLike | None = None
) -> Shares:
    """Minimize the largest finish-time ratio.

    Parameters
    ----------
    steps
        Work left of each job in its throughput's unit, > 0, shape ``(jobs,)``.
    elapsed
        Time since each job's arrival, in the throughputs' unit of time.
    isolated
        What the work done so far would have taken on an equal share; default: as long as it took.
    """
    left = per_job(steps, market, "steps", positive=True)
    past = per_job(elapsed, market, "elapsed")
    alone = past if isolated is None else per_job(isolated, market, "isolated")
    fair = alone + left / market.equal_share  # of all jobs: before equal ones are merged
    of, kind, (left, past, fair) = merged(market, left, past, fair)

    def needs(level: float) -> Needs:
        left_over = -level * fair - past
        rate = left / left_over
        slope = rate * fair / left_over
        return Needs(rate, slope, 2.0 * slope * fair / left_over)

    def ratios(rate: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            ratio: FloatArray = (past + left / rate) / fair
        return ratio

    ways = columns(of)
    start = -float(ratios(of.equal_share).max())
    ceiling = -float(np.max(past / fair))
    found = best_level(of, ways, needs, lambda rate: -ratios(rate), start, ceiling)
    if found is None or not np.isfinite(found.reached):
        return nothing("finish-time fairness", market, "unknown", "no engine found shares")
    return shares(
        "finish-time fairness",
        of,
        ways,
        kind,
        found.time,
        found.held,
        -found.reached,
        -found.bound,
        found.point.prices,
        found.point.steps,
    )
