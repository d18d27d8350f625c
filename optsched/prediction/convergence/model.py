"""What is known of one model's convergence, and what follows for new runs of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from optsched._util.arrays import FloatArray
from optsched.prediction.convergence.batch_size import (
    BatchPrior,
    Needed,
    Odometer,
    examples_needed,
    learn_batch_prior,
    odometer,
)
from optsched.prediction.convergence.efficiency import repaired
from optsched.prediction.convergence.forecast import (
    Arrival,
    Forecast,
    History,
    arrival,
    chance_by,
    forecast,
    learn_history,
)
from optsched.prediction.convergence.runs import Run

__all__ = ["ArrivalExamples", "Convergence", "learn_convergence"]


@dataclass(frozen=True)
class ArrivalExamples:
    """When a target is reached: ``progress`` as there, and the same in examples and in epochs of progress.

    examples, low, high
        Expected examples since the run's start, and their 10 % and 90 % quantiles.
    epochs
        Expected epochs, as the model's runs count them.
    """

    progress: Arrival
    examples: float
    low: float
    high: float
    epochs: float


@dataclass(frozen=True, eq=False)
class Convergence:
    """One model's earlier runs, and what other models taught about how its runs differ.

    Metrics and targets are the user's own everywhere (a loss is a loss). A started run is a ``Run`` of
    the same model, as ``read_runs`` gives, of any length.
    """

    runs: tuple[Run, ...]
    history: History
    prior: BatchPrior

    @property
    def sign(self) -> float:
        """1 if larger is better, -1 for a loss."""
        return self.runs[0].sign

    def efficiency(self, batches: ArrayLike, progress: float | None = None) -> FloatArray:
        """Return the progress per example at batch sizes relative to the base batch.

        Over the whole training so far as runs went; or up to a ``progress`` (steps at the base batch).
        """
        end = max(r.now for r in self.runs) if progress is None else progress
        base = self.runs[0].base_batch
        tried = np.atleast_1d(np.asarray(batches, dtype=np.float64))
        took = [float(odometer(self.runs, float(b)).examples(np.array([end]))[0]) for b in tried]
        return end * base / np.array(took)

    def needed(self, target: float, batches: ArrayLike) -> Needed:
        """Return the examples to a target at batch sizes, with 80 % bands; ValueError if no run reached it."""
        tried = np.atleast_1d(np.asarray(batches, dtype=np.float64))
        return examples_needed(self.runs, tried, self.sign * target, self.prior)

    def forecast(self, started: Run, examples: ArrayLike) -> Forecast:
        """Return the metric after a number of examples of a started run, with its 80 % band."""
        at = self._odometer(started).progress(np.atleast_1d(np.asarray(examples, dtype=np.float64)))
        got = forecast(started, at, self.runs, self.history)
        low, high = (got.low, got.high) if self.sign > 0 else (-got.high, -got.low)
        return Forecast(self.sign * got.metric, low, high)

    def arrival(self, started: Run, target: float, horizon: float | None = None) -> ArrivalExamples:
        """Return when a started run reaches a target; looks as far as the longest run, or a ``horizon`` (examples)."""
        meter = self._odometer(started)
        far = None if horizon is None else float(meter.progress(np.array([horizon]))[0])
        when = arrival(started, self.sign * target, self.runs, self.history, far)
        middle, low, high = meter.examples(np.array([when.progress, when.low, when.high])).tolist()
        longest = max(self.runs, key=lambda r: r.now)
        epochs = when.progress * float(longest.epochs[-1]) / longest.now
        return ArrivalExamples(when, middle, low, high, epochs)

    def chance_of_missing(self, started: Run, target: float, budgets: ArrayLike) -> FloatArray:
        """Return the probability that a started run does *not* reach a target within budgets of examples.

        One minus ``chance_by`` of ``forecast``: a run whose probability is high may be ended early.
        """
        at = self._odometer(started).progress(np.atleast_1d(np.asarray(budgets, dtype=np.float64)))
        return 1.0 - chance_by(started, self.sign * target, self.runs, self.history, at)

    def _odometer(self, started: Run) -> Odometer:
        return odometer(self.runs, started.batch, started)


def learn_convergence(models: Mapping[str, Sequence[Run]], only: Sequence[str] | None = None) -> dict[str, Convergence]:
    """Learn each model's convergence from its own runs, and how runs differ from the other models'.

    Parameters
    ----------
    models
        Earlier runs by model (``read_runs``), at least one each.
    only
        The models to return, if not all; the others only teach.
    """
    known = {}
    for name in models if only is None else only:
        others = [runs for other, runs in models.items() if other != name]
        (own,) = repaired([models[name]], others)
        history = learn_history(others or [own])
        known[name] = Convergence(own, history, learn_batch_prior([*others, own]))
    return known
