"""Asynchronous staleness: what more workers cost in steps and in accuracy.

With ``w`` asynchronous workers a gradient is ``w - 1`` updates old on average when it is applied. Over
the few workers that were measured, both its prices are straight lines in logarithms::

    steps to an accuracy      ln steps = a + s ln w
    error that remains        ln (1 - accuracy) = a + e ln w

The exponents are shrunk to those of other groups (model, GPU type): mean and spread over groups by the
moments of DerSimonian & Laird (1986), so that two configurations are enough for a sane answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.base import Z80

__all__ = ["Staleness", "StalenessPrior", "fit_staleness", "learn_staleness"]


@dataclass(frozen=True)
class StalenessPrior:
    """What other groups say: the exponent of ``w`` and its deviation between groups, and the ``noise``: standard
    deviation of a configuration's log value."""

    exponent: float = 0.0
    spread: float = 0.5
    noise: float = 0.2


@dataclass(frozen=True)
class Staleness:
    """A fitted line: log value ``level`` at ``centre`` (mean ln w), its exponent, and their deviations."""

    level: float
    exponent: float
    centre: float
    level_sd: float
    exponent_sd: float
    noise: float

    def predict(self, workers: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the value at ``workers`` and its 10 % and 90 % quantiles."""
        d = np.log(np.asarray(workers, dtype=np.float64)) - self.centre
        middle = self.level + self.exponent * d
        half = Z80 * np.sqrt(self.level_sd**2 + (self.exponent_sd * d) ** 2 + self.noise**2)
        return np.exp(middle), np.exp(middle - half), np.exp(middle + half)


def learn_staleness(groups: Sequence[tuple[FloatArray, FloatArray]]) -> StalenessPrior:
    """Return the prior of the exponent from ``(workers, value)`` of known groups, values positive; groups of
    fewer than three configurations say nothing."""
    usable = [(np.log(w), np.log(v)) for w, v in groups if len(w) > 2]
    if not usable:
        return StalenessPrior()
    slopes = np.array([_slope(x, y) for x, y in usable])
    variance = [_residual_variance(x, y, slope) for (x, y), slope in zip(usable, slopes, strict=True)]
    noise2 = max(float(np.median(variance)), 1e-6)
    weight = np.array([np.sum((x - x.mean()) ** 2) / noise2 for x, _ in usable])
    mean, total = float(weight @ slopes / weight.sum()), float(weight.sum())
    between2 = 0.25
    if len(slopes) > 1:
        excess = float(weight @ (slopes - mean) ** 2) - (len(slopes) - 1)
        between2 = max(excess / (total - float(weight @ weight) / total), 0.0)
    return StalenessPrior(mean, float(np.sqrt(between2 + 1.0 / total)), float(np.sqrt(noise2)))


def fit_staleness(workers: ArrayLike, value: ArrayLike, prior: StalenessPrior) -> Staleness:
    """Return the line through ``value`` (one a configuration) over ln ``workers``, its slope shrunk.

    Raises
    ------
    ValueError
        If there is no configuration, a value is not positive, or there is less than one worker.
    """
    w, v = np.asarray(workers, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if len(v) == 0 or np.any(v <= 0) or np.any(w < 1):
        raise ValueError("need at least one configuration, positive values and at least one worker")
    x, y = np.log(w), np.log(v)
    d = x - x.mean()
    precision = float(d @ d) / prior.noise**2 + 1.0 / prior.spread**2
    exponent = (float(d @ y) / prior.noise**2 + prior.exponent / prior.spread**2) / precision
    level_sd = prior.noise / float(np.sqrt(len(x)))
    return Staleness(float(y.mean()), exponent, float(x.mean()), level_sd, float(precision**-0.5), prior.noise)


def _slope(x: FloatArray, y: FloatArray) -> float:
    d = x - x.mean()
    return float(d @ y / (d @ d))


def _residual_variance(x: FloatArray, y: FloatArray, slope: float) -> float:
    residual = y - y.mean() - slope * (x - x.mean())
    return float(residual @ residual) / (len(x) - 2)
