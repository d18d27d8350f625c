"""Curves as linear pieces with a proven largest relative error.

Two kinds of domain are served by one mechanism, a line through windows ``[low_i, high_i]`` at
``x_i``: on *integers* (GPU counts) every point is looked at, so that the error is exact; on an
*interval* (bandwidth) the curve is bounded between samples by its monotonicity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optsched._util.arrays import FloatArray, IntArray

__all__ = ["ROUNDING", "Piecewise", "Side", "on_integers", "on_interval"]

Side = Literal["on", "under", "over", "within"]
"""Where the pieces run: through the curve at their ends, never above it, never below it, or anywhere near."""

ROUNDING = 1e-12
"""Relative rounding allowance of windows; the proven error includes it."""


@dataclass(frozen=True)
class Piecewise:
    """Linear pieces, piece ``k`` from ``(left[k], at_left[k])`` to ``(right[k], at_right[k])``.

    The pieces are in order and do not overlap but at their ends; between two of them the domain may
    have a gap (no integer lies in it) or the value may jump. A piece may be a single point.

    left, right, at_left, at_right
        Shape ``(pieces,)`` each.
    error
        Proven largest relative deviation from the curve over the domain.
    side
        What is proven of the sign of the deviation.
    """

    left: FloatArray
    right: FloatArray
    at_left: FloatArray
    at_right: FloatArray
    error: float
    side: Side

    def __len__(self) -> int:
        return len(self.left)

    @property
    def slope(self) -> FloatArray:
        """Slope of each piece, 0 for a single point; shape ``(pieces,)``."""
        width = self.right - self.left
        return np.where(width > 0, (self.at_right - self.at_left) / np.where(width > 0, width, 1.0), 0.0)

    @property
    def breakpoints(self) -> tuple[FloatArray, FloatArray]:
        """Ends of the pieces in order, without those that two pieces share; ``(x, y)``."""
        ends = np.column_stack([self.left, self.at_left, self.right, self.at_right]).reshape(-1, 2)
        keep = np.concatenate([[True], np.any(np.diff(ends, axis=0) != 0, axis=1)])
        return ends[keep, 0], ends[keep, 1]

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the value at each ``x``, nan outside the pieces; where two meet, the left one counts."""
        x = np.asarray(x, dtype=np.float64)
        piece = np.minimum(np.searchsorted(self.right, x), len(self) - 1)
        inside = (x >= self.left[piece]) & (x <= self.right[piece])
        return np.where(inside, self.at_left[piece] + self.slope[piece] * (x - self.left[piece]), np.nan)


def on_integers(x: IntArray, y: FloatArray, error: float, side: Side = "on") -> Piecewise:
    """Return the fewest pieces for a curve on integers, its values given at every one.

    Parameters
    ----------
    x, y
        Increasing integers and the positive values there, shape ``(n,)``.
    error
        Largest relative deviation allowed, >= 0, at the integers.
    side
        ``on``: the pieces' ends lie on the curve, so that the breakpoints are exact, and their number
        is the least possible (a shortest path over the chords that keep the error). Others: each
        piece is a line of its own, and the number of pieces is the least possible (greedy, since
        a part of a feasible piece is feasible).

    Raises
    ------
    ValueError
        For an empty domain, a value that is not positive and finite, or a negative error.
    """
    place = np.asarray(x, dtype=np.float64)
    if len(x) == 0 or np.any(np.diff(x) <= 0) or not np.all((y > 0) & np.isfinite(y)) or error < 0:
        raise ValueError("a curve on integers needs increasing x, positive finite y and an error >= 0")
    if side == "on":
        return _chords(place, y, error)
    low, high = _windows(y, y, y, error, side)
    pieces = _stabbed(place, low, high, side, disjoint=True)
    return _proven(pieces, place, y, side)


def on_interval(
    function: Callable[[FloatArray], FloatArray],
    left: float,
    right: float,
    error: float,
    side: Side = "within",
    jumps: tuple[float, ...] = (),
) -> Piecewise:
    """Return few pieces for a curve on ``[left, right]`` that is monotone between its jumps.

    The proof: between neighbouring samples a monotone curve lies between its values there, and so
    the windows of both samples of a cell hold for the cell. Samples are added until their values
    differ by less than a quarter of the error.

    Parameters
    ----------
    function
        Positive, monotone (either way) between jumps, vectorized.
    error
        Largest relative deviation allowed, > 0.
    side
        ``under``, ``over`` or ``within``.
    jumps
        Where the curve jumps: each belongs to the part on its left.

    Raises
    ------
    ValueError
        Where the samples are not positive, finite and monotone, or too many would be needed.
    """
    if side == "on" or error <= 0 or not left < right:
        raise ValueError("an interval needs left < right, an error > 0 and a side other than 'on'")
    inner = sorted(j for j in jumps if left < j < right)
    parts = []
    for a, b in zip([left, *inner], [*inner, right], strict=True):
        start = a if a == left else float(np.nextafter(a, b))
        x, y = _samples(function, start, b, error / 4)
        before = np.concatenate([y[:1], y[:-1]])
        after = np.concatenate([y[1:], y[-1:]])
        low, high = _windows(
            y, np.maximum(np.maximum(before, y), after), np.minimum(np.minimum(before, y), after), error, side
        )
        parts.append(_stabbed(x, low, high, side, disjoint=False))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Piecewise(columns[0], columns[1], columns[2], columns[3], error, side)


def _windows(
    y: FloatArray, most: FloatArray, least: FloatArray, error: float, side: Side
) -> tuple[FloatArray, FloatArray]:
    """Return where a line may pass at each sample, if the curve near it lies in ``[least, most]``."""
    low = most if side == "over" else most * (1 - error)
    high = least if side == "under" else least * (1 + error)
    return low - ROUNDING * y, high + ROUNDING * y


def _samples(
    function: Callable[[FloatArray], FloatArray], left: float, right: float, step: float
) -> tuple[FloatArray, FloatArray]:
    """Return samples of a monotone function whose neighbours differ by a relative ``step`` at most."""
    x = np.linspace(left, right, 33)
    for _ in range(40):
        y = np.asarray(function(x), dtype=np.float64)
        rise = np.diff(y)
        if not np.all(np.isfinite(y) & (y > 0)) or (np.any(rise > 0) and np.any(rise < 0)):
            raise ValueError("the curve is not positive, finite and monotone between its jumps")
        wide = np.flatnonzero(np.abs(rise) > step * np.minimum(y[1:], y[:-1]))
        if len(wide) == 0:
            return x, y
        if len(x) > 1_000_000:
            break
        x = np.sort(np.concatenate([x, (x[wide] + x[wide + 1]) / 2]))
    raise ValueError("the curve is too steep to be sampled: does it jump where no jump was named?")


def _stabbed(
    x: FloatArray, low: FloatArray, high: FloatArray, side: Side, *, disjoint: bool
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the fewest lines through all windows; ``disjoint``: two pieces share no sample."""
    pieces = []
    start = 0
    while start < len(x):
        end, level, slope = _line(x, low, high, start, side)
        pieces.append((x[start], x[end], level, level + slope * (x[end] - x[start])))
        if end == len(x) - 1:
            break
        start = end + 1 if disjoint or end == start else end
    columns = np.array(pieces).T
    return columns[0], columns[1], columns[2], columns[3]


def _line(x: FloatArray, low: FloatArray, high: FloatArray, start: int, side: Side) -> tuple[int, float, float]:
    """Return the last window that a line from window ``start`` can reach, with its level and slope.

    The lines that pass all windows so far form a polygon in the plane of (level at the start, slope);
    each further window clips it by two half-planes (a line stabbing problem: O'Rourke, CACM 1981).
    """
    steep = 4 * float(np.max(high)) / max(1e-300, float(np.min(np.diff(x[start:])))) if start < len(x) - 1 else 1.0
    corners = np.array([(low[start], -steep), (high[start], -steep), (high[start], steep), (low[start], steep)])
    end = start
    for k in range(start + 1, len(x)):
        run = np.array([1.0, x[k] - x[start]])
        clipped = _clip(_clip(corners, run, low[k]), -run, -high[k])
        if len(clipped) == 0:
            break
        corners, end = clipped, k
    middle = np.array([1.0, (x[end] - x[start]) / 2])
    if side == "over":
        best = corners[np.argmin(corners @ middle)]
    elif side == "under":
        best = corners[np.argmax(corners @ middle)]
    else:
        best = corners.mean(axis=0)
    return end, float(best[0]), 0.0 if end == start else float(best[1])


def _clip(corners: FloatArray, normal: FloatArray, least: float) -> FloatArray:
    """Return the part of a convex polygon where ``normal @ corner >= least`` (Sutherland-Hodgman)."""
    if len(corners) == 0:
        return corners
    above = corners @ normal - least
    inside = above >= 0
    if inside.all():
        return corners
    kept = []
    for k in range(len(corners)):
        n = (k + 1) % len(corners)
        if inside[k]:
            kept.append(corners[k])
        if inside[k] != inside[n]:
            t = above[k] / (above[k] - above[n])
            kept.append(corners[k] + t * (corners[n] - corners[k]))
    return np.array(kept).reshape(-1, 2)


def _proven(
    pieces: tuple[FloatArray, FloatArray, FloatArray, FloatArray], x: FloatArray, y: FloatArray, side: Side
) -> Piecewise:
    """Measure the error at every point, after lifting or lowering pieces that rounding put on the wrong side."""
    left, right, at_left, at_right = pieces
    draft = Piecewise(left, right, at_left, at_right, 0.0, side)
    piece = np.searchsorted(right, x)
    for _ in range(4):
        off = draft(x) - y
        wrong = {"over": off < 0, "under": off > 0}.get(side, np.zeros(len(x), dtype=bool))
        if not wrong.any():
            break
        shift = np.zeros(len(left))
        sign = 1.0 if side == "over" else -1.0
        np.maximum.at(shift, piece[wrong], np.abs(off[wrong]) + 1e-15 * y[wrong])
        draft = Piecewise(left, right, draft.at_left + sign * shift, draft.at_right + sign * shift, 0.0, side)
    error = float(np.max(np.abs(draft(x) - y) / y))
    return Piecewise(left, right, draft.at_left, draft.at_right, error, side)


def _chords(x: FloatArray, y: FloatArray, error: float) -> Piecewise:
    """Return the interpolation with the fewest breakpoints on the curve: a shortest path over good chords."""
    n = len(x)
    cost = np.full(n, n + 1)
    cost[0], came = 0, np.zeros(n, dtype=np.int64)
    for a in range(n - 1):
        # the chord from a to b keeps the error at k if its slope lies in the window of slopes at k
        run = x[a + 1 :] - x[a]
        least = np.maximum.accumulate((y[a + 1 :] * (1 - error - ROUNDING) - y[a]) / run)
        most = np.minimum.accumulate((y[a + 1 :] * (1 + error + ROUNDING) - y[a]) / run)
        slope = (y[a + 1 :] - y[a]) / run
        good = np.concatenate([[True], (slope[1:] >= least[:-1]) & (slope[1:] <= most[:-1])])
        reach = a + 1 + np.flatnonzero(good)
        better = reach[cost[reach] > cost[a] + 1]
        cost[better], came[better] = cost[a] + 1, a
    path = [n - 1]
    while path[-1] > 0:
        path.append(int(came[path[-1]]))
    knots = np.array(path[::-1])
    starts, ends = (knots[:-1], knots[1:]) if n > 1 else (knots, knots)
    # no integer lies inside a unit chord, so its ends are enough: they are in the neighbouring chords
    wide = x[ends] - x[starts] > 1
    pieces = [(a, b) for a, b, w in zip(starts, ends, wide, strict=True) if w]
    covered = {k for piece in pieces for k in piece}
    pieces += [(k, k) for k in knots.tolist() if k not in covered]
    first, last = np.array(sorted(pieces)).T
    draft = Piecewise(x[first], x[last], y[first], y[last], 0.0, "on")
    deviation = float(np.max(np.abs(draft(x) - y) / y))
    return Piecewise(x[first], x[last], y[first], y[last], deviation, "on")
