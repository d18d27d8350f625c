"""Statistical efficiency of a batch size, from the noise of the gradient.

McCandlish et al. 2018 ("An empirical model of large-batch training"): the *noise scale* is the batch,
in examples, at which the gradient's noise equals its signal. Pollux (Qiao et al., OSDI'21, sec. 3) and
AdaScale (Johnson et al. 2020) measure it as ``phi = m0 grad_var / grad_sqr``, where ``grad_var`` is
the (pre-conditioned) variance of the gradient of a batch of ``m0`` examples and ``grad_sqr`` the
squared norm of its mean. Then::

    efficiency(m) = (phi + m0) / (phi + m)      progress per example, 1 at m = m0
    gain(m)       = efficiency(m) m / m0        progress per step, in steps at m0
    goodput       = throughput x efficiency
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from optsched._util.arrays import FloatArray
from optsched.prediction.convergence.runs import Run
from optsched.prediction.curves.base import CurveBase
from optsched.prediction.curves.configurations import Points

__all__ = ["BestBatches", "best_batches", "efficiency", "gain", "noise_scale", "noise_scale_from_steps", "repaired"]


def noise_scale(grad_sqr: ArrayLike, grad_var: ArrayLike, base_batch: float) -> FloatArray:
    """Return the noise scale in examples, from statistics of (or scaled to) ``base_batch`` examples.

    Raises
    ------
    ValueError
        If a variance is negative, or a squared norm or the batch is not positive.
    """
    signal, noise = np.asarray(grad_sqr, dtype=np.float64), np.asarray(grad_var, dtype=np.float64)
    if np.any(signal <= 0) or np.any(noise < 0) or base_batch <= 0:
        raise ValueError("grad_sqr and base_batch must be positive, and grad_var not negative")
    return np.asarray(base_batch * noise / signal)


def efficiency(batch: ArrayLike, phi: ArrayLike, base_batch: float) -> FloatArray:
    """Return the progress per example at ``batch`` relative to ``base_batch`` (above 1 below it)."""
    noise = np.asarray(phi, dtype=np.float64)
    return np.asarray((noise + base_batch) / (noise + np.asarray(batch, dtype=np.float64)))


def gain(batch: ArrayLike, phi: ArrayLike, base_batch: float) -> FloatArray:
    """Return the steps at ``base_batch`` that one step at ``batch`` is worth."""
    return np.asarray(efficiency(batch, phi, base_batch) * np.asarray(batch, dtype=np.float64) / base_batch)


def noise_scale_from_steps(progress: FloatArray, examples: FloatArray, batch: float, base_batch: float) -> FloatArray:
    """Return the noise scale that a run's counters imply: the gain is progress per step, so invert it.

    Epoch means of ``grad_sqr`` are ruled by the first few steps of training, whose gradients are
    orders of magnitude larger: for the first epoch of a detector they gave 0.3 examples where the
    counters say 60 to 100. The counters average the gain itself, which is what examples depend on.

    Shape ``(n,)``, over the interval that ends at each point; nan where the gain is not between 1 and
    ``batch / base_batch`` (always so at the base batch, which shows no gain).
    """
    scale = batch / base_batch
    steps = np.diff(examples, prepend=0.0) / batch
    gained = np.diff(progress, prepend=0.0) / np.maximum(steps, 1e-300)
    valid = (gained > 1.0) & (gained < scale)
    safe = np.where(valid, gained, 1.0)
    return np.where(valid, base_batch * (safe - 1.0) / np.where(valid, 1.0 - safe / scale, 1.0), np.nan)


def repaired(models: Sequence[Sequence[Run]], teachers: Sequence[Sequence[Run]]) -> list[tuple[Run, ...]]:
    """Return the runs of models with the best noise scale for predicting examples.

    It comes from the counters where they resolve it (batches of at least four times the base), else
    from the gradients, whose first value is lifted to the second's times what the teachers' counters
    showed that ratio to be (median over models).
    """
    ratios = [_first_over_second(runs) for runs in teachers]
    known = [r for r in ratios if np.isfinite(r)]
    lift = float(np.exp(np.median(known))) if known else 0.5
    return [tuple(_repair(run, lift) for run in runs) for runs in models]


def _counted(run: Run) -> FloatArray:
    """Return the noise scale by the counters, nan where they resolve nothing: with a small gain, 1 % of a step
    moves it by more than itself."""
    told = noise_scale_from_steps(run.progress, run.examples, run.batch, run.base_batch)
    return told if run.batch >= 4 * run.base_batch else np.full(len(run), np.nan)


def _first_over_second(runs: Sequence[Run]) -> float:
    """Return the mean logarithm of the counted first noise scale over the gradients' second; nan if unknown."""
    logs = [
        float(np.log(first / run.noise_scale[1]))
        for run in runs
        if len(run) > 1 and np.isfinite(first := _counted(run)[0]) and run.noise_scale[1] > 0
    ]
    return float(np.mean(logs)) if logs else float("nan")


def _repair(run: Run, lift: float) -> Run:
    phi = run.noise_scale.copy()
    if len(phi) > 1:
        phi[0] = max(phi[0], lift * phi[1])
    counted = _counted(run)
    return replace(run, noise_scale=np.where(np.isfinite(counted), counted, phi))


@dataclass(frozen=True, eq=False)
class BestBatches:
    """For each of ``n`` configurations the mini-batch that progresses fastest; nan where none is allowed.

    local_batch, batch
        Examples per GPU and pass, and per step.
    throughput, goodput
        Examples/s, and the same times the efficiency.
    """

    local_batch: FloatArray
    batch: FloatArray
    throughput: FloatArray
    goodput: FloatArray


def best_batches(
    curve: CurveBase,
    points: Points,
    phi: float,
    base_batch: float,
    *,
    largest: float,
    smallest: float = 1.0,
    candidates: int = 128,
) -> BestBatches:
    """Return the mini-batch with the largest goodput for each configuration, whatever batch it names.

    Every GPU gets the same whole number of examples, of a geometric grid: robust against curves that
    jump, and at most a few percent of a batch from the best. Ties go to the smaller batch.

    Parameters
    ----------
    phi, base_batch
        Noise scale now, and the batch that the learning rate was chosen for.
    smallest, largest
        Allowed examples per step. The curve's own ``max_local_batch`` holds, too.
    """
    most = min(largest, curve.max_local_batch or np.inf)
    if not 0 < smallest <= largest:
        raise ValueError("need 0 < smallest <= largest")
    local = np.unique(np.rint(np.geomspace(1.0, max(most, 1.0), candidates)))
    local = local[local <= max(most, 1.0)]
    rows = np.repeat(np.arange(len(points)), len(local))
    tried = replace(points.take(rows), local_batch=np.tile(local, len(points)))
    batch = tried.examples()
    rate = curve.throughput(tried)
    good = np.where((batch >= smallest) & (batch <= largest), rate * efficiency(batch, phi, base_batch), np.nan)
    table = np.where(np.isnan(good), -np.inf, good).reshape(len(points), len(local))
    best = np.arange(len(points)) * len(local) + np.argmax(table, axis=1)
    none = np.isneginf(table.max(axis=1))
    return BestBatches(*(np.where(none, np.nan, x[best]) for x in (tried.local_batch, batch, rate, good)))
