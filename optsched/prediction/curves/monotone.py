"""Throughput that never falls with the GPUs, and is otherwise as it was measured: the fallback of the fits."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.amdahl import Amdahl
from optsched.prediction.curves.base import CurveBase, Positive
from optsched.prediction.curves.configurations import Points

__all__ = ["Monotone", "fit_amdahl", "fit_monotone"]


class Monotone(CurveBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="monotone"):
    """Interpolation in log-log between knots that do not fall; constant beyond the last.

    gpus, rates
        GPUs, increasing, and examples/s there, non-decreasing.
    """

    needs_batch: ClassVar[bool] = False

    gpus: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1)]
    rates: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        rises = all(a < b for a, b in zip(self.gpus, self.gpus[1:], strict=False))
        if len(self.gpus) != len(self.rates) or not rises or list(self.rates) != sorted(self.rates):
            raise ValueError("as many rates as gpus, gpus increasing, rates not falling")

    def throughput(self, points: Points) -> FloatArray:
        return np.exp(np.interp(np.log(points.gpus), np.log(self.gpus), np.log(self.rates)))


def fit_monotone(points: Points, throughput: FloatArray, **more: object) -> Monotone:
    """Fit by isotonic regression of the log throughput on the GPUs (Barlow et al. 1972), batches mixed."""
    from scipy.optimize import isotonic_regression

    gpus, group = np.unique(points.gpus, return_inverse=True)
    counts = np.bincount(group)
    means = np.bincount(group, weights=np.log(throughput)) / counts
    rates = np.exp(isotonic_regression(means, weights=counts).x)
    rates = np.maximum.accumulate(rates)  # rounding of the exponential must not let it fall
    return Monotone(gpus=tuple(gpus.tolist()), rates=tuple(rates.tolist()), **more)  # type: ignore[arg-type]


def fit_amdahl(points: Points, throughput: FloatArray, **more: object) -> Amdahl:
    """Fit by least squares of the log throughput over a grid of serial fractions, batches mixed."""
    serial = np.linspace(0.0, 1.0, 201)
    shape = -np.log(serial[:, None] + (1 - serial[:, None]) / points.gpus)
    off = np.log(throughput) - shape
    best = int(np.argmin(np.abs(off - np.median(off, axis=1)[:, None]).sum(axis=1)))
    single = float(np.exp(np.median(off[best])))
    return Amdahl(single=single, serial=float(serial[best]), **more)  # type: ignore[arg-type]
