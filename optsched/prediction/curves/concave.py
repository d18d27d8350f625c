"""Nearly concave parts of a curve as the minimum of lines: the hypograph that a linear program needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.prediction.curves.piecewise import ROUNDING

__all__ = ["Lines", "concave_lines", "concave_runs"]


@dataclass(frozen=True)
class Lines:
    """Lines ``slope * x + level`` whose minimum over-estimates a nearly concave curve on ``[left, right]``."""

    left: float
    right: float
    slope: FloatArray
    level: FloatArray
    error: float

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the least of the lines at each ``x``."""
        least: FloatArray = np.min(np.multiply.outer(x, self.slope) + self.level, axis=-1)
        return least


def concave_runs(x: IntArray, y: FloatArray, error: float) -> list[tuple[int, int]]:
    """Return the fewest runs of points whose concave envelope exceeds them by ``error`` at most.

    Each run is a pair (first, last) of positions; they cover all points in order. A gap in ``x``
    wider than the smallest step ends a run, since no line may invite a count that is not there.
    Greedy is optimal: a part of a good run is good.
    """
    steps = np.diff(x)
    ends = np.append(np.flatnonzero(steps != steps.min(initial=np.iinfo(np.int64).max)), len(x) - 1)
    runs = []
    first = 0
    while first < len(x):
        last = int(ends[np.searchsorted(ends, first)])
        if not _nearly_concave(x[first : last + 1], y[first : last + 1], error):
            good, bad = first, last
            while bad - good > 1:
                middle = (good + bad) // 2
                if _nearly_concave(x[first : middle + 1], y[first : middle + 1], error):
                    good = middle
                else:
                    bad = middle
            last = good
        runs.append((first, last))
        first = last + 1
    return runs


def _nearly_concave(x: IntArray, y: FloatArray, error: float) -> bool:
    """Tell whether the concave envelope exceeds the points by a relative ``error`` at most."""
    hull = _upper_hull(x, y)
    return bool(np.all(np.interp(x, x[hull], y[hull]) <= y * (1 + error + ROUNDING)))


def _upper_hull(x: IntArray, y: FloatArray) -> list[int]:
    """Return the positions of the upper hull's corners (Andrew's monotone chain, 1979)."""
    across, up = x.tolist(), y.tolist()
    hull: list[int] = []
    for k in range(len(across)):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (up[b] - up[a]) * (across[k] - across[a]) > (up[k] - up[a]) * (across[b] - across[a]):
                break
            hull.pop()
        hull.append(k)
    return hull


def concave_lines(counts: IntArray, y: FloatArray, error: float) -> Lines:
    """Return the fewest lines that lie above all points, their minimum by ``error`` at most.

    For the points of one concave run. From the left: among the lines above all points, the one
    through the highest place allowed at the first point that no line covers yet falls fastest, and
    so covers the most.
    """
    if len(counts) == 1:
        return Lines(float(counts[0]), float(counts[0]), np.zeros(1), y.copy(), 0.0)
    x = np.asarray(counts, dtype=np.float64)
    hull = _upper_hull(counts, y)
    envelope = np.interp(x, x[hull], y[hull])
    top = np.maximum(y * (1 + error), envelope)
    slopes, levels = [], []
    first = 0
    while first < len(x):
        if first == len(x) - 1:
            slope, at = (y[hull[-1]] - y[hull[-2]]) / (x[hull[-1]] - x[hull[-2]]), envelope[first]
        else:
            at = top[first]
            slope = np.max((envelope[first + 1 :] - at) / (x[first + 1 :] - x[first]))
        line = at + slope * (x - x[first])
        line += max(0.0, float(np.max(y - line)))  # rounding must not let a point out
        slopes.append(slope)
        levels.append(line[0] - slope * x[0] + ROUNDING * float(np.max(y)))
        beyond = np.flatnonzero(line[first:] > top[first:] * (1 + 1e-9))
        first = len(x) if len(beyond) == 0 else first + max(1, int(beyond[0]))
    lines = Lines(float(x[0]), float(x[-1]), np.array(slopes), np.array(levels), 0.0)
    return Lines(lines.left, lines.right, lines.slope, lines.level, max(0.0, float(np.max(lines(x) / y - 1))))
