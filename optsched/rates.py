"""The value of each row as a function of its network rate, in few pieces that lie nowhere below it."""

from __future__ import annotations

import numpy as np

from optsched.curves import FloatArray, IntArray
from optsched.problem import Problem

__all__ = ["rate_breakpoints"]

_FINE = 257
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
    gbps, value = problem.over_rates(rows, _FINE)
    if problem.objective.aggregate != "sum":  # what exceeds the least value that all can reach serves nobody
        value = np.minimum(value, max(problem.ceiling, 0.0))
    best = np.maximum(np.abs(value).max(axis=1, initial=0.0), 1e-300)
    bends = _bends(gbps, value)
    found: list[tuple[FloatArray, FloatArray]] = [(np.empty(0), np.empty(0))] * len(rows)
    missed = np.full(len(rows), np.inf)
    for count in _COUNTS:
        open_rows = np.flatnonzero(missed > error)
        if len(open_rows) == 0:
            break
        for r in open_rows.tolist():
            wanted = np.interp(np.linspace(0.0, 1.0, count + 1), bends[r], np.arange(_FINE))
            kept = np.unique(np.rint(wanted).astype(np.int64))
            off = float(np.max(value[r] - np.interp(gbps[r], gbps[r, kept], value[r, kept])))
            if max(off, 0.0) / best[r] < missed[r]:
                missed[r] = max(off, 0.0) / best[r]
                found[r] = gbps[r, kept], value[r, kept] + max(off, 0.0) + 1e-13 * best[r]
    return found, float(missed.max(initial=0.0))


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
