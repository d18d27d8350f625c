"""Values at integers as few pieces that lie nowhere below them, with a proven largest relative error."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.prediction.curves.piecewise import ROUNDING, on_integers

__all__ = ["cover_curve", "cover_grid"]


def cover_curve(x: IntArray, y: FloatArray, error: float) -> tuple[FloatArray, FloatArray, float]:
    """Return breakpoints whose interpolation is nowhere below a curve, and by how much it exceeds it at most.

    Parameters
    ----------
    x, y
        Increasing integers and the positive values there, shape ``(n,)``, n >= 2.
    error
        Largest relative error allowed; with 0 the breakpoints are exact.

    Returns
    -------
    at, value
        Of the breakpoints, at ends of the given range and at integers between; shape ``(m,)`` each.
    error
        Proven at every integer.
    """
    exact = on_integers(x, y, 0.0).breakpoints
    if error > 0 and len(exact[0]) > 2:
        at, value = on_integers(x, y, error, "over").breakpoints
        if len(at) < len(exact[0]):
            near = np.interp(x, at, value)
            lift = max(1.0, float(np.max(y / near))) * (1 + ROUNDING)
            return at, value * lift, lift * float(np.max(near / y)) - 1
    return exact[0], exact[1] * (1 + 2 * ROUNDING), 4 * ROUNDING


def cover_grid(value: FloatArray, error: float) -> tuple[IntArray, IntArray, FloatArray, float]:
    """Return lines of a coarser grid whose interpolation, by the union jack, is nowhere below the values.

    Lines are added where the interpolation is farthest from the values, from the four corners on;
    it is then lifted by a factor so that it lies nowhere below. With all lines it is exact.

    Parameters
    ----------
    value
        Positive values at all crossings of the grid, shape ``(wide, high)``, both >= 2.

    Returns
    -------
    x, y
        Numbers of the lines kept along each axis.
    value
        At their crossings, shape ``(len(x), len(y))``.
    error
        Proven at every crossing of the whole grid.
    """
    wide, high = value.shape
    x, y = np.array([0, wide - 1]), np.array([0, high - 1])
    while True:
        near, across, up = _interpolated(value[np.ix_(x, y)], x, y)
        lift = max(1.0, float(np.max(value / near))) * (1 + ROUNDING)
        found = lift * float(np.max(near / value)) - 1
        # no line is left to add where all are there: then the interpolation is the values
        off = np.where((across > 0)[:, None] | (up > 0), np.abs(np.log(near / value)), -1.0)
        if found <= error + 4 * ROUNDING or off.max() < 0:
            return x, y, value[np.ix_(x, y)] * lift, found
        i, j = np.unravel_index(int(np.argmax(off)), off.shape)
        if across[i] >= up[j]:
            x = np.sort(np.append(x, i))
        else:
            y = np.sort(np.append(y, j))


def _interpolated(corner: FloatArray, x: IntArray, y: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the interpolation at every crossing, and how far each is from the kept lines of either axis (0 to 1/2)."""
    i, u = _placed(x)
    j, v = _placed(y)
    across, up = np.minimum(u, 1 - u), np.minimum(v, 1 - v)
    i, j = i[:, None], j[None, :]
    mirrored = (i + j) % 2  # there the cell is cut from its lower right to its upper left: look at it from the right
    u = np.where(mirrored, 1 - u[:, None], u[:, None])
    near, far = corner[i + mirrored, j], corner[i + 1 - mirrored, j + 1]
    side, above = corner[i + 1 - mirrored, j], corner[i + mirrored, j + 1]
    below = u >= v
    first = np.where(below, side - near, far - above)
    second = np.where(below, far - side, above - near)
    return near + first * u + second * v, across, up


def _placed(line: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the cell of each number up to the last line, and the part of the cell that lies before it."""
    number = np.arange(line[-1] + 1)
    cell = np.minimum(np.searchsorted(line, number, side="right") - 1, len(line) - 2)
    return cell, (number - line[cell]) / (line[cell + 1] - line[cell])
