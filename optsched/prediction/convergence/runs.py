"""A training run as arrays, and the few things every predictor of its future needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from optsched._util.arrays import FloatArray

__all__ = ["Run", "examples_to", "first_crossing", "level", "metric_at", "progress_to"]


@dataclass(frozen=True, eq=False)
class Run:
    """One training run by evaluation point, ``n`` of them in the order of training.

    model
        What was trained.
    batch, base_batch
        Global batch size, and the one at which one step is one unit of progress (examples).
    epochs
        Epochs as the run counts them, shape ``(n,)``.
    progress
        Statistical progress, in steps at ``base_batch``: increasing and positive, shape ``(n,)``.
    examples
        Examples processed, increasing, shape ``(n,)``.
    metric
        *Larger is better*: a loss stands here negated, shape ``(n,)``.
    noise_scale
        Noise scale of the gradient in examples, shape ``(n,)``.
    sign
        What the metric must be multiplied by to give the user's own (-1 for a loss).
    """

    model: str
    batch: float
    base_batch: float
    epochs: FloatArray
    progress: FloatArray
    examples: FloatArray
    metric: FloatArray
    noise_scale: FloatArray
    sign: float = 1.0

    def __len__(self) -> int:
        return len(self.progress)

    @property
    def now(self) -> float:
        """Progress so far; 0 before the first evaluation."""
        return float(self.progress[-1]) if len(self) else 0.0

    def until(self, progress: float) -> Run:
        """Return the run's beginning, as far as ``progress``."""
        keep = self.progress <= progress * (1 + 1e-9)
        names = ("epochs", "progress", "examples", "metric", "noise_scale")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})


def metric_at(run: Run, progress: ArrayLike) -> FloatArray:
    """Return the metric at ``progress``, linear in ln progress between points, nan beyond the run's end."""
    at = np.asarray(progress, dtype=np.float64)
    value = np.interp(np.log(at), np.log(run.progress), run.metric)
    return np.where(at <= run.now * (1 + 1e-3), value, np.nan)


def first_crossing(progress: FloatArray, metric: FloatArray, target: float) -> float:
    """Return where the best metric so far first reaches a target (linear in ln progress); nan if nowhere."""
    best = np.maximum.accumulate(metric)
    i = int(np.searchsorted(best, target))
    if i == len(best):
        return float("nan")
    if i == 0:
        return float(progress[0])
    share = (target - best[i - 1]) / (best[i] - best[i - 1])
    low, high = np.log(progress[i - 1]), np.log(progress[i])
    return float(np.exp(low + share * (high - low)))


def progress_to(run: Run, target: float) -> float:
    """Return the progress at which ``target`` is first reached; nan if it never is."""
    return first_crossing(run.progress, run.metric, target)


def examples_to(run: Run, target: float) -> float:
    """Return the examples processed when ``target`` is first reached; nan if it never is."""
    return float(np.interp(progress_to(run, target), run.progress, run.examples))


def level(run: Run, progress: float, width: float = 0.15) -> float:
    """Return the smoothed metric near ``progress``: the mean over the last ``width`` share of it."""
    near = (run.progress <= progress * (1 + 1e-9)) & (run.progress >= progress * (1 - width))
    if not near.any():
        return float(np.interp(progress, run.progress, run.metric))
    return float(run.metric[near].mean())
