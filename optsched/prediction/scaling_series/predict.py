"""Predict minutes to quality, with their 80 % interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.base import Z80
from optsched.prediction.scaling_series.fitted import ScalingSeries, System
from optsched.prediction.scaling_series.process import predict_log_minutes

__all__ = ["predict"]


def predict(series: ScalingSeries, asked: Sequence[System]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the minutes to quality of systems, and the ends of their 80 % interval, shape ``(n,)`` each.

    What is predicted is not verified by MLCommons.
    """
    mean, deviation = predict_log_minutes(series.rows, asked)
    reach = series.stretch * Z80 * deviation
    return np.exp(mean), np.exp(mean - reach), np.exp(mean + reach)
