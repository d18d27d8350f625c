"""Examples needed at a batch size that was not tried, from runs at other batch sizes.

Two things change with the batch, and they are predicted apart:

1. *Examples per unit of progress*: ``1 / efficiency``, from the noise scale. Larger batches see a larger
   noise scale at the same progress, so that its logarithm is smoothed over ln batch across the runs at
   hand (with one run it is that run's own, as in Pollux).
2. *Progress to the target.* The gain says that it is the same at all batch sizes. It is not: some
   models need more at large batches, some less. ``ln progress = a + slope ln batch``, where the slope is
   shrunk to zero (Pollux's belief) as strongly as the slopes of other models were small (empirical
   Bayes), and the level listens more to runs at nearby batch sizes (a random walk over ln batch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.convergence.efficiency import efficiency
from optsched.prediction.convergence.runs import Run, progress_to
from optsched.prediction.curves.base import Z80

__all__ = ["BatchPrior", "Needed", "Odometer", "examples_by_gain", "examples_needed", "learn_batch_prior", "odometer"]

_SLOPES, _NOISES, _DRIFTS = (0.01, 0.03, 0.06, 0.1, 0.15), (0.03, 0.06, 0.1, 0.15), (0.0, 0.05)
_LEVELS = 12


@dataclass(frozen=True)
class BatchPrior:
    """How runs of one model differ by batch size, in units of ln progress.

    slope, slope_sd
        Of ln progress over ln batch, between models.
    noise
        Standard deviation between runs.
    drift
        Standard deviation of a random walk over ln batch: what a straight line misses.
    crossing
        Standard deviation of a single crossing around a run's mean pace: a noisy metric crosses a
        level early or late.
    """

    slope: float = 0.0
    slope_sd: float = 0.1
    noise: float = 0.1
    drift: float = 0.05
    crossing: float = 0.15


@dataclass(frozen=True, eq=False)
class Needed:
    """What a target takes at each of ``n`` batch sizes, with the 10 % and 90 % quantiles of the examples.

    examples, low, high
        Examples to the target.
    progress
        Steps at the base batch that it is worth.
    """

    examples: FloatArray
    low: FloatArray
    high: FloatArray
    progress: FloatArray


@dataclass(frozen=True, eq=False)
class Odometer:
    """Examples over progress at one batch size: lines between knots, the last one going on."""

    progress_knots: FloatArray
    example_knots: FloatArray

    def examples(self, progress: FloatArray) -> FloatArray:
        """Return the examples that ``progress`` takes."""
        return _line(progress, self.progress_knots, self.example_knots)

    def progress(self, examples: FloatArray) -> FloatArray:
        """Return the progress that ``examples`` give."""
        return _line(examples, self.example_knots, self.progress_knots)


def _line(x: FloatArray, knots: FloatArray, values: FloatArray) -> FloatArray:
    beyond = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
    return np.asarray(np.interp(x, knots, values) + np.maximum(x - knots[-1], 0.0) * beyond)


def odometer(runs: Sequence[Run], batch: float, started: Run | None = None) -> Odometer:
    """Return the examples over progress at ``batch`` from the noise scales of runs (one at least).

    A run that ``started`` at that batch is followed as far as it got; from there on, its examples grow as
    predicted, times what its counter so far shows over the prediction.
    """
    grid, phi = _noise_scale_at(runs, batch)
    cost = np.diff(grid, prepend=0.0) * runs[0].base_batch / efficiency(batch, phi, runs[0].base_batch)
    whole = Odometer(np.concatenate([[0.0], grid]), np.concatenate([[0.0], np.cumsum(cost)]))
    if started is None or not len(started):
        return whole
    ahead = np.append(grid[grid > started.now * (1 + 1e-6)], 2 * max(started.now, float(grid[-1])))
    done = float(whole.examples(np.array([started.now]))[0])
    scale = float(started.examples[-1]) / done
    later = started.examples[-1] + (whole.examples(ahead) - done) * scale
    return Odometer(np.concatenate([[0.0], started.progress, ahead]), np.concatenate([[0.0], started.examples, later]))


def examples_by_gain(source: Run, batch: float, target: float) -> float:
    """Return what Pollux's gain says: progress as in ``source``, examples by its noise scale; nan if not reached."""
    return float(odometer([source], batch).examples(np.array([progress_to(source, target)]))[0])


def _noise_scale_at(runs: Sequence[Run], batch: float) -> tuple[FloatArray, FloatArray]:
    """Return progress and noise scale at ``batch``: ln phi smoothed over ln batch, one grid point at a time."""
    nearest = min(runs, key=lambda r: abs(np.log(r.batch / batch)))
    grid = nearest.progress
    usable = [r for r in runs if r.now >= 0.3 * nearest.now]
    logs = np.array([np.interp(grid, r.progress, np.log(np.maximum(r.noise_scale, 1e-9))) for r in usable])
    known = np.array([grid <= r.now * 1.001 for r in usable])
    # a trend with a prior (sd 0.3 per e-fold) and a walk: nearby batches speak louder
    covariance = _covariance(np.array([np.log(r.batch / batch) for r in usable]), 0.3, 0.5, 0.3)
    levels = [_level(covariance[np.ix_(k, k)], values[k])[0] for k, values in zip(known.T, logs.T, strict=True)]
    return grid, np.exp(np.array(levels))


def _covariance(distance: FloatArray, slope_sd: float, noise: float, drift: float) -> FloatArray:
    """Return the covariance of log values at batches ``exp(distance)`` away from the wanted one (at 0)."""
    same = np.sign(distance)[:, None] == np.sign(distance)[None, :]
    walk = np.minimum(np.abs(distance)[:, None], np.abs(distance)[None, :]) * same
    trend = slope_sd**2 * np.outer(distance, distance)
    return np.asarray(trend + drift**2 * walk + noise**2 * np.eye(len(distance)))


def _level(covariance: FloatArray, values: FloatArray) -> tuple[float, float]:
    """Return generalized least squares of a constant: its value and its variance."""
    weight = np.linalg.inv(covariance).sum(axis=0)
    total = float(weight.sum())
    return float(weight @ values) / total, 1.0 / total


def examples_needed(runs: Sequence[Run], batches: FloatArray, target: float, prior: BatchPrior) -> Needed:
    """Return what ``target`` takes at batch sizes, from one or more runs of the model.

    Raises
    ------
    ValueError
        If no run reached the target.
    """
    reached = [(r.batch, p) for r in runs if np.isfinite(p := progress_to(r, target))]
    if not reached:
        raise ValueError("no run has reached the target")
    own = _model_prior(runs, prior)
    tried, took = np.log(np.array(reached)).T
    single = float(np.hypot(own.noise, own.crossing))
    rows = []
    for batch in batches:
        distance = tried - np.log(batch)
        covariance = _covariance(distance, own.slope_sd, single, own.drift)
        middle, variance = _level(covariance, took - own.slope * distance)
        half = Z80 * float(np.sqrt(variance + single**2))
        progress = np.exp(middle + np.array([0.0, -half, half]))
        rows.append([*odometer(runs, float(batch)).examples(progress), progress[0]])
    return Needed(*np.array(rows).reshape(-1, 4).T)


def _paces(runs: Sequence[Run]) -> tuple[FloatArray, FloatArray, float]:
    """Return ln batch and the mean ln progress to metric levels that all runs reached, shape ``(runs,)``.

    The mean over levels is far less noisy than any single crossing, whose variance around it is the
    third result.
    """
    low, high = max(float(r.metric[0]) for r in runs), min(float(r.metric.max()) for r in runs)
    # the lowest levels are crossed within the first evaluation: they say nothing about pace
    targets = np.minimum(low + np.linspace(0.4, 1.0, _LEVELS) * (high - low), high)
    logs = np.array([[np.log(progress_to(r, float(t))) for t in targets] for r in runs])
    mean = logs.mean(axis=1)
    odd = logs - mean[:, None] - logs.mean(axis=0) + logs.mean()
    return np.log([r.batch for r in runs]), mean, float(np.mean(odd**2))


def learn_batch_prior(models: Sequence[Sequence[Run]]) -> BatchPrior:
    """Return the spread of slopes over models and the noise between runs, averaged over their evidence.

    Models with two batch sizes at least say something; the model to be predicted belongs among them.
    """
    usable = [_paces(runs) for runs in models if len(runs) > 1]
    if not usable:
        return BatchPrior()
    grid = np.array([(s, n, d) for s in _SLOPES for n in _NOISES for d in _DRIFTS])
    scores = np.array([sum(_evidence(x, y, *g) for x, y, _ in usable) for g in grid])
    weight = np.exp(scores - scores.max())
    slope_sd, noise, drift = np.sqrt((grid**2 * weight[:, None]).sum(axis=0) / weight.sum())
    crossing = float(np.sqrt(np.mean([v for _, _, v in usable])))
    return BatchPrior(0.0, float(slope_sd), float(noise), float(drift), crossing)


def _model_prior(runs: Sequence[Run], prior: BatchPrior) -> BatchPrior:
    """Return the prior with the slope that the model's own runs show, shrunk (a Gaussian update)."""
    if len(runs) < 2:
        return prior
    x, y, _ = _paces(runs)
    d = x - x.mean()
    variance = 1.0 / (float(d @ d) / prior.noise**2 + 1.0 / prior.slope_sd**2)
    slope = variance * (float(d @ y) / prior.noise**2 + prior.slope / prior.slope_sd**2)
    return replace(prior, slope=slope, slope_sd=float(np.sqrt(variance)))


def _evidence(x: FloatArray, y: FloatArray, slope_sd: float, noise: float, drift: float) -> float:
    """Return the restricted log likelihood: the level is integrated out."""
    covariance = _covariance(x - x.min(), slope_sd, noise, drift)
    level, variance = _level(covariance, y)
    off = y - level
    return 0.5 * float(np.log(variance) - np.linalg.slogdet(covariance)[1] - off @ np.linalg.solve(covariance, off))
