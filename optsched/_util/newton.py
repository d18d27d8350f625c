"""Projected Newton's method over points >= 0, for convex functions of few variables whose evaluation is costly.

Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM J. Control Optim. 20
(1982): variables at 0 whose gradient is not negative stay there, the others take a Newton step with a line search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from optsched._util.arrays import FloatArray

__all__ = ["Local", "Minimum", "minimize"]

_ARMIJO = 1e-4
"""Part of the decrease promised by the gradient that a step must keep."""
_TRIALS, _SHRINK = 16, 4.0
"""Step lengths that are tried, and the factor between two of them."""


class Local(NamedTuple):
    """A convex function at a point: its value, gradient and Hessian."""

    value: float
    gradient: FloatArray
    hessian: FloatArray


class Minimum(NamedTuple):
    """The best point, the number of evaluations, and whether the method converged."""

    point: FloatArray
    evaluations: int
    settled: bool


def minimize(
    evaluate: Callable[[FloatArray], Local],
    start: FloatArray,
    *,
    steps: int,
    tolerance: float,
    last: float = 0.0,
    scale: float | None = None,
    longest: FloatArray | None = None,
) -> Minimum:
    """Minimize a convex function over points >= 0.

    Parameters
    ----------
    start
        Where to begin, shape ``(n,)``.
    steps
        Limit on the number of Newton steps.
    tolerance, last
        The method ends before a step that promises a decrease of at most ``tolerance``, and after one that promised at
        most ``last``, both times ``scale``.
    scale
        Size of the function's values; None: the absolute value at the current point.
    longest
        The most by which a step may raise each variable, shape ``(n,)``; None: by the largest variable of the point.
    """
    point, here, count = start, evaluate(start), 1
    for _ in range(steps):
        free = (point > 0) | (here.gradient < 0)
        if not free.any():
            return Minimum(point, count, True)
        roof = np.full(len(point), max(float(point.max()), 1e-9)) if longest is None else longest
        step = np.zeros(len(point))
        step[free] = _newton_step(here.hessian[np.ix_(free, free)], here.gradient[free], roof[free])
        promise = -float(here.gradient @ step)
        size = abs(here.value) if scale is None else scale
        if promise <= tolerance * size or not np.isfinite(promise):
            return Minimum(point, count, bool(np.isfinite(promise)))
        with np.errstate(over="ignore"):  # a step of almost nothing meets no roof
            length = min(1.0, float(np.min(roof[step > 0] / step[step > 0], initial=np.inf)))
        for _ in range(_TRIALS):
            trial = np.maximum(0.0, point + length * step)
            there = evaluate(trial)
            count += 1
            promised = min(0.0, float(here.gradient @ (trial - point)))
            if there.value <= here.value + _ARMIJO * promised + 1e-14 * abs(here.value):  # sums are rounded
                break
            length /= _SHRINK
        else:
            return Minimum(point, count, False)
        point, here = trial, there
        if promise <= last * size:
            return Minimum(point, count, True)
    return Minimum(point, count, False)


def _newton_step(hessian: FloatArray, gradient: FloatArray, roof: FloatArray) -> FloatArray:
    """Return the Newton step; a variable without curvature moves as far as it may."""
    ridge = 1e-9 * np.diag(hessian) + 1e-9 * np.abs(gradient) / roof + 1e-300
    diagonal = np.diag(hessian) + ridge
    # rounding may leave a tiny diagonal entry negative, and more off the diagonal than its root allows
    size = np.abs(diagonal)
    scale = np.sqrt(np.maximum(size, 1e-20 * size.max()))
    hessian = hessian + np.diag(ridge)
    step = -np.linalg.lstsq(hessian / np.outer(scale, scale), gradient / scale, rcond=1e-13)[0] / scale
    return np.asarray(step, dtype=np.float64)
