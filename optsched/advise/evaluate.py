"""Time, cost and risk of configurations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.advise.candidates import Candidates
from optsched.advise.known import Known
from optsched.advise.work import Work
from optsched.prediction.curves.base import Z80
from optsched.prediction.curves.predict import networks

__all__ = ["Evaluated", "evaluate"]

_MEASURED = 0.04
"""Standard deviation of the log of a throughput that was measured once."""


@dataclass(frozen=True)
class Evaluated:
    """What each of ``n`` configurations is expected to take; shape ``(n,)`` each.

    throughput
        Examples/s.
    efficiency
        Progress per example relative to the reference batch.
    rate_deviation
        Standard deviation of the logarithm of the throughput.
    time_s, deviation
        Median seconds until the work is done, and the standard deviation of their logarithm.
    cost
        Price of all that is held times the time; nan where no price is known.
    risk
        Chance to miss the deadline or the budget; 0 where there is neither.
    """

    throughput: FloatArray
    rate_deviation: FloatArray
    efficiency: FloatArray
    time_s: FloatArray
    deviation: FloatArray
    hourly_price: FloatArray
    cost: FloatArray
    risk: FloatArray

    @property
    def time_low(self) -> FloatArray:
        """Lower end of the 80 % interval of the time."""
        return np.asarray(self.time_s * np.exp(-Z80 * self.deviation))

    @property
    def time_high(self) -> FloatArray:
        """Upper end of the 80 % interval of the time."""
        return np.asarray(self.time_s * np.exp(Z80 * self.deviation))


def rates_of(candidates: Candidates, known: dict[str, Known]) -> tuple[FloatArray, FloatArray]:
    """Return examples/s and the standard deviation of their logarithm, shape ``(n,)`` each; nan where none is known.

    What was measured stands for what is predicted.
    """
    n = len(candidates)
    rate, deviation = np.full(n, np.nan), np.full(n, np.nan)
    types = np.array(candidates.gpu_types)
    for gpu_type, of in known.items():
        rows = np.flatnonzero(types == gpu_type)
        points = candidates.points.take(rows)
        for part, curve, where in networks(of.curve, points, candidates.rdma[rows]):
            rate[rows[part]] = curve.throughput(where)
            deviation[rows[part]] = np.hypot(curve.log_deviation(where), of.extra)
    seen = np.isfinite(candidates.measured)
    rate, deviation = np.where(seen, candidates.measured, rate), np.where(seen, _MEASURED, deviation)
    return rate, deviation


def evaluate(
    candidates: Candidates,
    known: dict[str, Known],
    work: Work,
    deadline_s: float | None = None,
    budget: float | None = None,
) -> Evaluated:
    """Return time, cost and risk of configurations.

    The time is log-normal: work over throughput, both with their intervals. Since the cost rises with the time, a
    configuration misses the deadline or the budget where its time passes the smaller of the deadline and the time that
    the budget buys.
    """
    rate, spread = rates_of(candidates, known)
    batches = candidates.points.examples()
    needed = work.examples(batches)
    deviation = np.hypot(spread, needed.deviation)
    time = needed.examples / rate
    hourly = candidates.hourly_price
    limit = np.full(len(candidates), np.inf if deadline_s is None else deadline_s)
    if budget is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            buys = np.where(hourly > 0, budget / hourly * 3600, np.inf)
        limit = np.minimum(limit, buys)
    return Evaluated(
        rate,
        spread,
        needed.efficiency,
        time,
        deviation,
        hourly,
        hourly * time / 3600,
        chance_over(time, deviation, limit),
    )


def chance_over(time: FloatArray, deviation: FloatArray, limit: FloatArray) -> FloatArray:
    """Return the chance that a log-normal time passes a limit, shape ``(n,)``."""
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.log(limit / time) / np.maximum(deviation, 1e-9)
    return np.asarray(ndtr(-far))
