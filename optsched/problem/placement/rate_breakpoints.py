"""The value of each row as a function of its network rate, in few pieces that lie nowhere below it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.problem import Problem

__all__ = ["rate_breakpoints"]

_FINE = ((1e-2, 65), (1e-3, 129), (1e-4, 257), (0.0, 513))
"""Fine samples for errors from so large on."""
_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Numbers of pieces that are tried."""


def rate_breakpoints(
    problem: Problem, rows: IntArray, error: float
) -> tuple[list[tuple[FloatArray, FloatArray]], float]:
    """Return breakpoints (rates, values) for each row, shape ``(n,)``, and the largest error.

    The error is a part of the row's best value, and is kept below ``error`` where fine samples allow it.

    Between fine samples, the value is bounded by :meth:`Problem.over_rates`. A concave one (or nearly so: its concave
    hull is taken) is then the least of the lines through neighbouring samples, and lies below any few of them; these
    miss nothing where they touch it, as at both ends. Of any other, some samples are kept as breakpoints, and lifted
    by what the neighbouring pieces miss. Lines and breakpoints are spread so that each piece bends alike, by the
    integral of the root of the second derivative (de Boor, "A Practical Guide to Splines", 2001, ch. XII), and half as
    the samples are spread, where these lie around rates of interest.
    """
    fine = next(count for least, count in _FINE if error >= least)
    gbps, value = problem.over_rates(rows, fine)
    if problem.objective.aggregate != "sum":  # values above the least that all can reach gain nothing
        value = _cut(value, max(problem.ceiling, 0.0))
    highest = np.abs(value).max(axis=1, initial=0.0)
    best = np.where(highest > 0, highest, 1.0)
    bends = _bends(gbps, value)
    if problem.near is not None:
        bends = (bends + np.linspace(0.0, 1.0, fine)) / 2
    slope = np.diff(value, axis=1) / np.diff(gbps, axis=1)
    # between two slopes that are equal but for rounding
    steep = 1e-12 * np.abs(slope).max(axis=1, initial=0.0)
    concave = (np.diff(slope, axis=1) <= steep[:, None]).all(axis=1)
    for r in np.flatnonzero(~concave).tolist():
        hull = _hull(gbps[r], value[r])
        if np.max(hull - value[r]) <= error / 2 * best[r]:  # the lift of the samples alone may bend it
            value[r], slope[r], concave[r] = hull, np.diff(hull) / np.diff(gbps[r]), True
            steep[r] = max(steep[r], float(np.diff(slope[r]).max(initial=0.0)))
    found: list[tuple[FloatArray, FloatArray]] = [(np.empty(0), np.empty(0))] * len(rows)
    missed = np.full(len(rows), np.inf)
    lift = fine * steep * (gbps[:, -1] - gbps[:, 0]) + 1e-13 * highest
    for count in _COUNTS:
        residual = np.flatnonzero(missed > error)
        wanted = np.linspace(0.0, 1.0, count + 1)
        kept = np.stack([np.minimum((bends[residual] < w).sum(axis=1), fine - 1) for w in wanted], axis=1)
        bare = concave[residual]
        some = residual[bare]
        for r, at, above, over in _touching(gbps[some], value[some], slope[some], kept[bare]):
            if (off := over / best[some[r]]) < missed[some[r]]:
                missed[some[r]], found[some[r]] = off, (at, above + lift[some[r]])
        for r, places in zip(residual[~bare].tolist(), kept[~bare], strict=True):
            at, above = _through(gbps[r], value[r], places)
            if (off := float((np.interp(gbps[r], at, above) - value[r]).max()) / best[r]) < missed[r]:
                missed[r], found[r] = off, (at, above + 1e-13 * highest[r])
    return found, float(missed.max(initial=0.0))


def _hull(gbps: FloatArray, value: FloatArray) -> FloatArray:
    """Return the least concave function above samples, at each of them (Andrew's monotone chain)."""
    x, y = gbps.tolist(), value.tolist()
    kept: list[int] = []
    for k in range(len(x)):
        while len(kept) > 1:
            i, j = kept[-2:]
            if (y[j] - y[i]) * (x[k] - x[i]) > (y[k] - y[i]) * (x[j] - x[i]):
                break
            kept.pop()
        kept.append(k)
    return np.maximum(value, np.interp(gbps, gbps[kept], value[kept]))


def _touching(
    gbps: FloatArray, value: FloatArray, slope: FloatArray, kept: IntArray
) -> Iterator[tuple[int, FloatArray, FloatArray, float]]:
    """Yield the corners of the least of the lines through the samples at kept places and those after them.

    With the number of each row comes by how much these exceed it at the most, which is at a corner.
    """
    line = np.minimum(kept, slope.shape[1] - 1)
    every = np.arange(len(gbps))[:, None]
    lean, start = slope[every, line], gbps[every, line]
    level = value[every, line] - lean * start
    apart = lean[:, :-1] - lean[:, 1:]
    low, high = gbps[every, line[:, :-1] + 1], np.maximum(start[:, 1:], gbps[every, line[:, :-1] + 1])
    # lines that are parallel but for rounding meet anywhere between
    cross = np.where(apart > 0, (level[:, 1:] - level[:, :-1]) / np.where(apart > 0, apart, 1.0), low)
    cross = np.clip(cross, low, high)
    above = np.maximum(lean[:, :-1] * cross + level[:, :-1], lean[:, 1:] * cross + level[:, 1:])
    real = line[:, 1:] > line[:, :-1]
    over = np.zeros(len(gbps))
    for k in range(cross.shape[1]):
        cell = np.minimum((gbps <= cross[:, k, None]).sum(axis=1), slope.shape[1]) - 1
        under = value[every[:, 0], cell] + slope[every[:, 0], cell] * (cross[:, k] - gbps[every[:, 0], cell])
        over = np.maximum(over, np.where(real[:, k], above[:, k] - under, 0.0))
    for r in range(len(gbps)):
        some = real[r]
        ends = value[r, 0], lean[r, -1] * gbps[r, -1] + level[r, -1]
        yield (
            r,
            np.concatenate([gbps[r, :1], cross[r, some], gbps[r, -1:]]),
            np.concatenate([ends[:1], above[r, some], ends[1:]]),
            float(over[r]),
        )


def _through(gbps: FloatArray, value: FloatArray, kept: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the samples at kept places, lifted by what the pieces on either side miss."""
    at = np.unique([0, *kept[1:-1], len(gbps) - 1])
    short = np.maximum(0.0, value - np.interp(gbps, gbps[at], value[at]))
    lift = np.pad([short[one : other + 1].max() for one, other in pairwise(at.tolist())], 1)
    return gbps[at], value[at] + np.maximum(lift[:-1], lift[1:])


def _cut(value: FloatArray, level: float) -> FloatArray:
    """Return values cut at a level, or at the first sample above it: a cut between two samples would lie too low."""
    high = value >= level
    around = np.pad(~high, ((0, 0), (1, 1)))
    edge = high & (around[:, :-2] | around[:, 2:])
    top = np.where(edge, value, level).max(axis=1, initial=level, keepdims=True)
    cut: FloatArray = np.minimum(value, top)
    return cut


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
