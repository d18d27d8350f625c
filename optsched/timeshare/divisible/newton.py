"""Projected Newton's method over prices: few dimensions, each evaluation a pass over millions of jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from optsched._util.arrays import FloatArray

__all__ = ["Local", "minimized"]


class Local(NamedTuple):
    """A convex function at a point: value, gradient and Hessian."""

    value: float
    gradient: FloatArray
    hessian: FloatArray


def minimized(
    evaluate: Callable[[FloatArray], Local], start: FloatArray, *, steps: int, tolerance: float
) -> tuple[FloatArray, int]:
    """Minimize over the points >= 0, from one of them; return the point and the number of evaluations.

    Ends where a step promises less than ``tolerance``. Bertsekas, SIAM J. Control Optim. 20 (1982), with the step
    halved until it keeps half of a hundredth of its promise.
    """
    point, here, count = start, evaluate(start), 1
    for _ in range(steps):
        free = (point > 0) | (here.gradient < 0)
        if not free.any():
            break
        system = here.hessian[np.ix_(free, free)]
        scale = np.sqrt(np.maximum(np.diag(system), 1e-300))
        scaled = system / np.outer(scale, scale) + 1e-12 * np.eye(len(scale))
        step = np.zeros(len(point))
        step[free] = -np.linalg.lstsq(scaled, here.gradient[free] / scale, rcond=1e-14)[0] / scale
        promise = -float(here.gradient @ step)
        if not np.isfinite(promise) or promise <= tolerance:
            break
        # where nothing competes there is no curvature, and a step is no longer than the prices are high
        length = min(1.0, float(max(point.max(), 1e-9) / max(np.abs(step).max(), 1e-300)))
        for _ in range(30):
            trial = np.maximum(0.0, point + length * step)
            there = evaluate(trial)
            count += 1
            promised = 5e-3 * min(0.0, float(here.gradient @ (trial - point)))
            if there.value <= here.value + promised + 1e-14 * abs(here.value):  # sums are rounded
                break
            length /= 2
        else:
            break
        point, here = trial, there
    return point, count
