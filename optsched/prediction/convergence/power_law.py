"""The rest of a training curve from its beginning alone.

Three members, all for a metric where larger is better, over progress ``k``:

- ``optimus_curve``: Optimus's loss curve ``l = 1 / (b0 k + b1) + b2`` (Peng et al., EuroSys'18, sec. 3.1).
- ``power_curve``: ``y = a - c k^-alpha``.
- ``own_curve``: the power law, shrunk to the present level as other models taught, with a spread in
  units of what the last doubling of progress brought.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.convergence.runs import Run, level
from optsched.prediction.curves.base import Z80

__all__ = ["OwnRule", "learn_own_rule", "optimus_curve", "own_curve", "power_curve", "weighted_quantile"]

_SHARES = (0.125, 0.25, 0.5)


def optimus_curve(run: Run, at: FloatArray) -> FloatArray:
    """Return Optimus's curve fitted to ``run``, at progress ``at``.

    The loss is the best possible metric (1, 100 or 0) less the metric; as in Optimus it is scaled by
    its largest value, and non-negative least squares fits ``1 / (l - b2) = b0 k + b1`` for each ``b2`` of
    a grid; the least squared error in ``l`` wins.
    """
    from scipy.optimize import nnls

    top = 0.0
    if run.metric.min() >= 0:
        top = 1.0 if run.metric.max() <= 1 else 100.0
    loss = top - run.metric
    scale = max(float(loss.max()), 1e-9)
    loss, k = loss / scale, run.progress / run.now
    features, ahead = np.stack([k, np.ones_like(k)], axis=1), np.stack([at / run.now, np.ones_like(at)], axis=1)
    best, answer = np.inf, np.full(len(at), run.metric[-1])
    for floor in np.linspace(0.0, 0.999 * float(loss.min()), 60):
        coefficients, _ = nnls(features, 1.0 / np.maximum(loss - floor, 1e-9))
        error = float(np.sum((1.0 / np.maximum(features @ coefficients, 1e-9) + floor - loss) ** 2))
        if error < best:
            best, answer = error, top - scale * (1.0 / np.maximum(ahead @ coefficients, 1e-9) + floor)
    return answer


def power_curve(run: Run, at: FloatArray) -> FloatArray:
    """Return ``a - c k^-alpha`` by least squares for each ``alpha`` of a grid (0.05-2), at progress ``at``.

    A penalty of 1 % of the metric's variance per squared e-fold of ``alpha / 0.5`` keeps short beginnings
    tame, and later points weigh more: the early part is another regime.
    """
    k = run.progress / run.now
    weight = np.sqrt(k)
    spread = float(np.var(run.metric)) + 1e-12
    best, answer = np.inf, np.full(len(at), run.metric[-1])
    for alpha in np.geomspace(0.05, 2.0, 25):
        features = np.stack([np.ones_like(k), -(k**-alpha)], axis=1)
        a, c = np.linalg.lstsq(features * weight[:, None], run.metric * weight, rcond=None)[0]
        if c < 0:
            a, c = float(np.average(run.metric, weights=weight**2)), 0.0
        residual = (run.metric - features @ np.array([a, c])) * weight
        error = float(residual @ residual) / spread + 0.01 * float(np.log(alpha / 0.5)) ** 2
        if error < best:
            best, answer = error, a - c * (at / run.now) ** -alpha
    return answer


@dataclass(frozen=True)
class OwnRule:
    """How far a run's own beginning is to be believed.

    shrink
        How much of what the power law promises comes.
    spread
        Standard deviation of what came around that, in units of the last doubling's change, per
        square root of a doubling ahead.
    """

    shrink: float = 0.8
    spread: float = 0.6


def _doubling_change(run: Run) -> float:
    """Return what the last doubling of progress brought (smoothed), at least 0."""
    early = max(run.now / 2, float(run.progress[0]))
    doublings = float(np.log2(run.now / early)) if early < run.now else 1.0
    return max((level(run, run.now) - level(run, early)) / doublings, 0.0)


def own_curve(run: Run, at: FloatArray, rule: OwnRule) -> tuple[FloatArray, FloatArray]:
    """Return the metric at progress ``at`` and its deviation: the power law, pulled to the level now."""
    now = level(run, run.now)
    doublings = np.maximum(np.log2(at / run.now), 0.0)
    value = now + rule.shrink * (power_curve(run, at) - now)
    return value, rule.spread * _doubling_change(run) * np.sqrt(doublings)


def weighted_quantile(values: FloatArray, weights: FloatArray, share: float) -> float:
    """Return the least value that ``share`` of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, share)), len(values) - 1)])


def learn_own_rule(runs: Sequence[Run]) -> OwnRule:
    """Return the shrinkage (least mean error, models count alike) and the spread from runs of known models."""
    promised: dict[str, list[float]] = {}
    came: dict[str, list[float]] = {}
    for run in runs:
        for share in _SHARES:
            start = run.until(share * run.now)
            if len(start) < 3 or _doubling_change(start) <= 0:
                continue
            now = level(start, start.now)
            unit = _doubling_change(start) * float(np.sqrt(np.log2(run.now / start.now)))
            promised.setdefault(run.model, []).append((float(power_curve(start, run.progress[-1:])[0]) - now) / unit)
            came.setdefault(run.model, []).append((level(run, run.now) - now) / unit)
    if not came:
        return OwnRule()

    def misses(shrink: float) -> list[FloatArray]:
        return [np.abs(np.array(came[m]) - shrink * np.array(promised[m])) for m in came]

    grid = np.linspace(0.0, 1.2, 13).tolist()
    # bounded: a step of the learning rate after a plateau is no fault of the curve's form
    loss = [np.mean([np.mean(np.minimum(m, 2.0)) for m in misses(shrink)]) for shrink in grid]
    shrink = grid[int(np.argmin(loss))]
    left = misses(shrink)
    weights = np.concatenate([np.full(len(m), 1.0 / len(m)) for m in left])
    return OwnRule(shrink, weighted_quantile(np.concatenate(left), weights, 0.8) / Z80)
