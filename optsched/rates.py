"""The value of each row as a function of its network rate, in few pieces that lie nowhere below it."""

from __future__ import annotations

import numpy as np

from optsched.curves import FloatArray, IntArray
from optsched.problem import Problem

__all__ = ["rate_breakpoints"]

_FINE = ((1e-2, 65), (1e-3, 129), (0.0, 257))
"""Fine samples for errors from so large on."""
_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Numbers of pieces that are tried."""


def rate_breakpoints(
    problem: Problem, rows: IntArray, error: float
) -> tuple[list[tuple[FloatArray, FloatArray]], float]:
    """Return breakpoints (rates, values) for each row, shape ``(n,)``, and the largest error.

    The error is a part of the row's best value, and is kept below ``error`` where fine samples allow it.

    Between fine samples, the value is bounded by :meth:`Problem.over_rates`. Of these, as few breakpoints are kept
    as the error allows: spread so that each piece bends alike, by the integral of the root of the second derivative
    (de Boor, "A Practical Guide to Splines", 2001, ch. XII), and lifted by what they miss.
    """
    fine = next(count for least, count in _FINE if error >= least)
    gbps, value = problem.over_rates(rows, fine)
    if problem.objective.aggregate != "sum":  # what exceeds the least value that all can reach serves nobody
        value = _cut(value, max(problem.ceiling, 0.0))
    highest = np.abs(value).max(axis=1, initial=0.0)
    best = np.where(highest > 0, highest, 1.0)
    bends = _bends(gbps, value)
    chosen: list[IntArray] = [np.empty(0, dtype=np.int64)] * len(rows)
    missed, lift = np.full(len(rows), np.inf), np.zeros(len(rows))
    for count in _COUNTS:
        left = np.flatnonzero(missed > error)
        if len(left) == 0:
            break
        wanted = np.linspace(0.0, 1.0, count + 1)
        kept = np.stack([np.minimum((bends[left] < w).sum(axis=1), fine - 1) for w in wanted], axis=1)
        kept[:, 0], kept[:, -1] = 0, fine - 1
        off = np.maximum(0.0, _missed(gbps[left], value[left], kept))
        better = off / best[left] < missed[left]
        missed[left[better]] = off[better] / best[left[better]]
        lift[left[better]] = off[better] + 1e-13 * highest[left[better]]
        for k in np.flatnonzero(better).tolist():
            chosen[left[k]] = kept[k]
    found = []
    for r, kept in enumerate(chosen):
        at = kept[np.append(True, np.diff(kept) > 0)]
        found.append((gbps[r, at], value[r, at] + lift[r]))
    return found, float(missed.max(initial=0.0))


def _cut(value: FloatArray, level: float) -> FloatArray:
    """Return values cut at a level, or at the first sample above it: a cut between two samples would lie too low."""
    high = value >= level
    beside = np.pad(~high, ((0, 0), (1, 1)))
    edge = high & (beside[:, :-2] | beside[:, 2:])
    top = np.where(edge, value, level).max(axis=1, initial=level, keepdims=True)
    cut: FloatArray = np.minimum(value, top)
    return cut


def _missed(gbps: FloatArray, value: FloatArray, kept: IntArray) -> FloatArray:
    """Return by how much the interpolation of each row's kept breakpoints falls short of its values, ``(rows,)``."""
    fine = np.arange(gbps.shape[1])
    every = np.arange(len(gbps))
    short = np.full(len(gbps), -np.inf)
    for k in range(kept.shape[1] - 1):
        left, right = kept[:, k], kept[:, k + 1]
        wide = np.maximum(gbps[every, right] - gbps[every, left], 1e-300)
        slope = (value[every, right] - value[every, left]) / wide
        first, last = int(left.min(initial=0)), int(right.max(initial=0)) + 1
        at = slice(first, last)
        line = value[every, left][:, None] + slope[:, None] * (gbps[:, at] - gbps[every, left][:, None])
        inside = (fine[at] >= left[:, None]) & (fine[at] <= right[:, None])
        short = np.maximum(short, np.where(inside, value[:, at] - line, -np.inf).max(axis=1, initial=-np.inf))
    return short


def _bends(gbps: FloatArray, value: FloatArray) -> FloatArray:
    """Return how much of its bending each row has done up to each rate, from 0 to 1."""
    slope = np.diff(value, axis=1) / np.diff(gbps, axis=1)
    second = np.abs(np.diff(slope, axis=1)) / (gbps[:, 2:] - gbps[:, :-2]) * 2
    density = np.sqrt(second)
    width = np.diff(gbps, axis=1)
    cells = np.concatenate([density[:, :1], (density[:, :-1] + density[:, 1:]) / 2, density[:, -1:]], axis=1) * width
    cells += 1e-6 * cells.sum(axis=1, keepdims=True) + 1e-300
    grown = np.concatenate([np.zeros((len(value), 1)), np.cumsum(cells, axis=1)], axis=1)
    bent: FloatArray = grown / grown[:, -1:]
    return bent
