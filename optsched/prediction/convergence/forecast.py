"""The end of a training run, and when it reaches a target, from its beginning and from earlier runs.

Earlier runs of the same model say what the metric is at a given *progress*, so that steps of the
learning rate, which no curve through the beginning can foresee, are foreseen. The run's own beginning
says how it differs. With ``h`` the mean of the earlier runs at the same progress and ``D = y - h``::

    y(P) = h(P) + keep (p / P)^fade D(p)         p: progress so far, P: progress asked for

``keep`` and ``fade`` (how long a deviation lasts) and the spread are learned by leaving out each earlier
run in turn, pooled over models. Where no earlier run got so far, the shrunk power law of ``curves``
speaks. (Mixing both by their precisions was worse: on a plateau before a step of the learning rate, the
curve is sure of itself and wrong.)

The distribution of the future is one draw ``e ~ N(0, 1)`` for the whole curve, ``y(P) + e sd(P)``. So a
target is reached by ``P`` with probability ``Phi(max_{k <= P} (y(k) - target) / sd(k))``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.convergence.power_law import OwnRule, learn_own_rule, own_curve, weighted_quantile
from optsched.prediction.convergence.runs import Run, first_crossing, level, metric_at, progress_to
from optsched.prediction.curves.base import Z80

__all__ = ["Arrival", "Forecast", "History", "arrival", "chance_by", "forecast", "learn_history"]

_SHARES = (0.125, 0.25, 0.5, 0.75)
_KEEPS, _FADES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), (0.0, 0.25, 0.5, 1.0, 2.0)
_PSEUDO_RUNS = 1.0  # weight of other models' spread against the model's own leave-one-out misses


@dataclass(frozen=True)
class History:
    """What known models taught about how runs of one model differ.

    keep, fade
        How much of a deviation remains: ``keep (p / P)^fade``.
    spread
        Standard deviation of what remains, in units of the model's ``_reach`` times ``(1 - p / P)^0.5``.
    own
        The rule for a run without earlier ones.
    calibration
        Factor on the deviations of ``forecast`` by which known runs were inside as promised.
    """

    keep: float = 0.5
    fade: float = 1.0
    spread: float = 0.05
    own: OwnRule = field(default_factory=OwnRule)
    calibration: float = 1.0


@dataclass(frozen=True, eq=False)
class Forecast:
    """Metric at each asked progress, with its 10 % and 90 % quantiles, shape ``(n,)`` each."""

    metric: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Arrival:
    """When a target is reached, as progress.

    progress
        Expected; nan if neither the expected curve nor an earlier run gets there.
    low, high
        10 % and 90 % quantiles; one that lies beyond the horizon is given as the horizon.
    chance
        Probability of getting there at all within the horizon.
    """

    progress: float
    low: float
    high: float
    chance: float


def learn_history(models: Sequence[Sequence[Run]]) -> History:
    """Return how deviations fade and spread, from the runs of known models (each model counts alike)."""
    own = learn_own_rule([run for runs in models for run in runs])
    several = [runs for runs in models if len(runs) > 1]
    tables = []
    for runs in several:
        size, end = _reach(runs), float(np.median([r.now for r in runs]))
        cases = [(s, a / size, b / size) for s in _SHARES for a, b in _left_out(runs, s, end)]
        if cases:
            tables.append(np.array(cases).T)
    if not tables:
        return History(own=own)

    def misses(keep: float, fade: float) -> list[FloatArray]:
        return [np.abs(b - keep * s**fade * a) for s, a, b in tables]

    pairs = [(keep, fade) for keep in _KEEPS for fade in _FADES]
    losses = [np.mean([np.mean(m) for m in misses(*pair)]) for pair in pairs]
    keep, fade = pairs[int(np.argmin(np.round(losses, 9)))]
    left = [m / np.sqrt(1 - t[0]) for m, t in zip(misses(keep, fade), tables, strict=True)]
    spread = float(np.exp(np.mean([np.log(np.quantile(x, 0.8) + 1e-4) for x in left]))) / Z80
    raw = History(keep, fade, spread, own)
    return replace(raw, calibration=_calibration(several, raw))


def _calibration(models: Sequence[Sequence[Run]], learned: History) -> float:
    """Return the 80 % quantile of |miss| / deviation over that of a normal, each run forecast from the others;
    halfway to 1 (in logarithms), since known runs are few and alike."""
    surprises, weights = [], []
    for runs in models:
        for run in runs:
            earlier = [r for r in runs if r is not run]
            for share in (0.25, 0.5):
                start = run.until(share * run.now)
                if len(start) < 2:
                    continue
                got = forecast(start, run.progress[-1:], earlier, learned)
                deviation = max(float(got.high[0] - got.metric[0]) / Z80, 1e-12)
                surprises.append(abs(float(run.metric[-1] - got.metric[0])) / deviation)
                weights.append(1.0 / len(runs))
    if not surprises:
        return 1.0
    quantile = weighted_quantile(np.array(surprises), np.array(weights), 0.8)
    return float(np.sqrt(np.clip(quantile / Z80, 0.25, 4.0)))


def forecast(run: Run, at: FloatArray, earlier: Sequence[Run], learned: History) -> Forecast:
    """Return the metric at future progress ``at``, from the run so far and earlier runs (maybe none).

    Raises
    ------
    ValueError
        If the run has no evaluation yet and there are no earlier runs.
    """
    if not len(run) and not earlier:
        raise ValueError("nothing is known: neither a beginning nor earlier runs")
    value, deviation = _expected(run, at, earlier, learned)
    half = Z80 * learned.calibration * np.hypot(deviation, _roughness(run))
    return Forecast(value, value - half, value + half)


def arrival(run: Run, target: float, earlier: Sequence[Run], learned: History, horizon: float | None = None) -> Arrival:
    """Return when the run's metric first reaches ``target``.

    ``horizon`` is the largest progress looked at; None: where the longest earlier run ended, or four
    times the progress so far.
    """
    if len(run) and run.metric.max() >= target:
        first = progress_to(run, target)
        return Arrival(first, first, first, 1.0)
    if horizon is None:
        horizon = max((r.now for r in earlier), default=4 * run.now)
    if run.now >= horizon:
        return Arrival(float("nan"), horizon, horizon, 0.0)
    look = _look(run, target, earlier, learned, horizon)
    half = Z80 * look.deviation
    times = [first_crossing(look.at, look.value + shift, target) for shift in (half, 0.0, -half)]
    low, middle, high = (horizon if np.isnan(x) else x * look.shift for x in times)
    low, high = max(low, float(look.at[0])), min(high, horizon)
    if np.isnan(times[1]):
        middle = horizon * look.shift if look.crossed else float("nan")
    chance = float(chance_by(run, target, earlier, learned, np.array([horizon]))[0])
    return Arrival(middle, min(low, high), high, chance)


def chance_by(run: Run, target: float, earlier: Sequence[Run], learned: History, progress: FloatArray) -> FloatArray:
    """Return the probability that the target is reached by each ``progress``, shape ``(n,)``.

    Beyond what any earlier run tells of a run without evaluations, it stays what it was there.
    """
    from scipy.special import ndtr

    if len(run) and run.metric.max() >= target:
        return np.where(progress >= progress_to(run, target), 1.0, 0.0)
    horizon = max([float(progress.max()), *(r.now for r in earlier)])
    if run.now >= horizon:
        return np.zeros(len(progress))
    look = _look(run, target, earlier, learned, horizon)
    score = np.maximum.accumulate((look.value - target) / np.maximum(look.deviation, 1e-12))
    reached = np.interp(progress / look.shift, look.at, score)
    return np.where(progress <= run.now, 0.0, ndtr(reached))


@dataclass(frozen=True, eq=False)
class _Look:
    """The future on a grid: progress, expected metric, its deviation; the factor on times that the earlier
    runs' own arrivals ask for, and whether any of them arrived."""

    at: FloatArray
    value: FloatArray
    deviation: FloatArray
    shift: float
    crossed: bool


def _look(run: Run, target: float, earlier: Sequence[Run], learned: History, horizon: float) -> _Look:
    known = min(horizon, max((r.now for r in earlier), default=horizon))
    start = max(run.now, known / 1000)
    near = [np.geomspace(start, known, 10), np.linspace(start, known, 50)] if known > start else []
    far = [np.geomspace(max(known, start), horizon, 20)] if horizon > known else []
    at = np.unique(np.concatenate([*near, *far]))
    if not earlier:
        # shrinking the power law serves the end's error; a crossing needs the curve as it is
        learned = replace(learned, own=replace(learned.own, shrink=1.0))
    value, deviation = _expected(run, at, earlier, learned)
    known_at = np.isfinite(value)  # a run without evaluations is unknown where no earlier one got
    at, value, deviation = at[known_at], value[known_at], deviation[known_at]
    # the first crossing of a rough metric comes before its smooth expectation gets there
    value = value + 0.5 * (_roughness(run) if len(run) > 3 else 0.0)
    before = [max(p, start) for p in (progress_to(r, target) for r in earlier) if np.isfinite(p)]
    shift = 1.0
    if before:
        # when the earlier runs crossed it is a second opinion: steadier where curves are flat
        middle = first_crossing(at, value, target)
        shift = float(np.exp(0.5 * (np.mean(np.log(before)) - np.log(horizon if np.isnan(middle) else middle))))
    return _Look(at, value, deviation, shift, bool(before))


def _expected(run: Run, at: FloatArray, earlier: Sequence[Run], learned: History) -> tuple[FloatArray, FloatArray]:
    """Return the expected smooth metric and its deviation, without the roughness of single evaluations."""
    value, deviation = np.full(len(at), np.nan), np.full(len(at), np.nan)
    if earlier:
        value, deviation = _by_history(run, at, earlier, learned)
    if len(run):
        own, own_deviation = own_curve(run, at, learned.own)
        value, deviation = (
            np.where(np.isnan(value), own, value),
            np.where(np.isnan(deviation), own_deviation, deviation),
        )
    return value, deviation


def _by_history(run: Run, at: FloatArray, earlier: Sequence[Run], learned: History) -> tuple[FloatArray, FloatArray]:
    """Return what the earlier runs say: value and deviation, nan where none got so far."""
    value, deviation = np.full(len(at), np.nan), np.full(len(at), np.nan)
    size = _reach(earlier)
    for end in np.unique(at):
        able = _far_enough(earlier, float(end))
        if not able:
            continue
        share = min(run.now / float(end), 1.0)
        remains = learned.keep * share**learned.fade if share > 0 else 0.0
        lead = _deviation(run, able) if len(run) else 0.0
        here = at == end
        value[here] = _reference(able, run.batch, np.array([end]))[0] + remains * lead
        pooled2 = (learned.spread * size) ** 2 * max(1 - share, 0.02)
        misses = [b - remains * a for a, b in _left_out(able, max(share, 1e-9), float(end))]
        total = _PSEUDO_RUNS * pooled2 + float(np.sum(np.square(misses)))
        deviation[here] = np.sqrt(total / (_PSEUDO_RUNS + len(misses)) * (1 + 1 / len(able)))
    return value, deviation


def _reach(runs: Sequence[Run]) -> float:
    """Return the size of a model's metric differences: median over runs of best less the value at 10 %."""
    gains = [r.metric.max() - level(r, max(0.1 * r.now, float(r.progress[0]))) for r in runs]
    return float(np.median(np.maximum(gains, 1e-9)))


def _reference(earlier: Sequence[Run], batch: float, at: FloatArray) -> FloatArray:
    """Return the mean of the earlier runs at progress ``at``, nan where none got so far; nearer batch sizes
    count more (the weight halves for a factor of four)."""
    values = np.stack([metric_at(r, at) for r in earlier])
    weight = np.array([np.exp(-0.5 * abs(np.log(r.batch / batch))) for r in earlier])[:, None]
    weight = np.where(np.isnan(values), 0.0, weight)
    total = weight.sum(axis=0)
    summed = np.where(np.isnan(values), 0.0, values * weight).sum(axis=0)
    return np.where(total > 0, summed / np.maximum(total, 1e-12), np.nan)


def _deviation(run: Run, earlier: Sequence[Run]) -> float:
    """Return how far the run is above its reference now: the mean over the last 15 % of its progress."""
    recent = run.progress >= 0.85 * run.now
    difference = run.metric[recent] - _reference(earlier, run.batch, run.progress[recent])
    known = np.isfinite(difference)
    return float(difference[known].mean()) if known.any() else 0.0


def _far_enough(earlier: Sequence[Run], progress: float) -> list[Run]:
    return [r for r in earlier if r.now * (1 + 1e-3) >= progress]


def _left_out(runs: Sequence[Run], share: float, end: float) -> list[tuple[float, float]]:
    """Return each run's deviation at ``share * end`` and at ``end``, against the other runs."""
    able = _far_enough(runs, end)
    pairs = []
    for run in able:
        rest, start = [r for r in able if r is not run], run.until(share * end)
        if rest and len(start):
            pairs.append((_deviation(start, rest), _deviation(run.until(end), rest)))
    return pairs


def _roughness(run: Run) -> float:
    """Return the deviation of the metric from one evaluation to the next (robust), over the second half."""
    steps = np.diff(run.metric[len(run) // 2 :])
    return float(1.4826 * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2)) if len(steps) > 1 else 0.0
