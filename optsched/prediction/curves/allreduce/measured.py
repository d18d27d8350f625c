"""Measurements of one (model, GPU type), with equal configurations merged."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.prediction.curves.allreduce.correction import Bools
from optsched.prediction.curves.configurations import Points

# standard deviation of the log of one measured computation, where its spread is not known
COMPUTE_NOISE = 0.1


@dataclass(frozen=True)
class Measured:
    """r rows: steps at distinct configurations, then computations alone at distinct batches.

    points: (r,); alone: a computation (r,); log_time: log seconds (r,); count: measurements merged
    into each, (r,); spread: variance of the log of a computation, 0 for steps (their noise is
    fitted), (r,); rate: effective bandwidth relative to the network that curves refer to, (r,).
    """

    points: Points
    alone: Bools
    log_time: FloatArray
    count: FloatArray
    spread: FloatArray
    rate: FloatArray


def group_medians(values: FloatArray, group: IntArray, groups: int) -> FloatArray:
    """Median of ``values`` in each group 0..groups-1, shape (groups,)."""
    order = np.lexsort((values, group))
    ids = np.arange(groups)
    start = np.searchsorted(group[order], ids)
    end = np.searchsorted(group[order], ids, side="right")
    v = values[order]
    return np.asarray(0.5 * (v[(start + end - 1) // 2] + v[(start + end) // 2]))


def merge(
    points: Points, step_time: FloatArray, sync_time: FloatArray | None = None, rate: FloatArray | None = None
) -> Measured:
    """Measurements merged by medians; what is left of a step without its sync is computation.

    step_time, sync_time: seconds, (n,), positive; sync_time may hold nan, and is used as a further
    measurement where the rest of the step is positive.
    """
    n = len(points)
    rate = np.ones(n) if rate is None else rate
    key = np.stack([points.nodes, points.gpus, points.crowding(), points.local_batch, points.accumulation, rate])
    _, first, group, count = np.unique(key, axis=1, return_index=True, return_inverse=True, return_counts=True)
    y = group_medians(np.log(step_time), group.ravel(), len(first))
    known = np.zeros(n, bool)
    if sync_time is not None:
        # nan compares as false; a sync of all the step says nothing of the rest
        known = (sync_time >= 0) & (sync_time < 0.98 * step_time) & (points.accumulation == 1)
        known &= points.local_batch > 0
    left = np.log(step_time[known] - (sync_time[known] if sync_time is not None else 0.0))
    batch, at, of, number = np.unique(
        points.local_batch[known], return_index=True, return_inverse=True, return_counts=True
    )
    middle = group_medians(left, of, len(batch))
    mad = 1.4826 * group_medians(np.abs(left - middle[of]), of, len(batch))
    # the spread of few rows is pulled to the usual one, as if 2 rows had shown that; the mean of
    # many is no better than one, since what varies (the placement) varies for all
    var = (number * mad**2 + 2.0 * COMPUTE_NOISE**2) / (number + 2.0)
    where = np.concatenate([first, np.flatnonzero(known)[at]])
    steps, alone = len(first), len(batch)
    return Measured(
        points.take(where),
        np.arange(steps + alone) >= steps,
        np.concatenate([y, middle]),
        np.concatenate([count, number]).astype(float),
        np.concatenate([np.zeros(steps), var]),
        rate[where],
    )


def thin(measured: Measured, rows: int) -> Measured:
    """At most ``rows`` rows, spread evenly over the sorted configurations."""
    n = len(measured.log_time)
    if n <= rows:
        return measured
    at = np.unique(np.round(np.linspace(0, n - 1, rows)).astype(np.intp))
    arrays = {f.name: getattr(measured, f.name)[at] for f in fields(measured) if f.name != "points"}
    return Measured(points=measured.points.take(at), **arrays)
