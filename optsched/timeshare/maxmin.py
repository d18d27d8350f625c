"""Max-min fairness ("least attained service" over unlike GPUs; Gavel, sec. 4.1), and its lexicographic optimum.

The level of job j is its throughput per weight and per throughput on an equal share of all GPUs,
``rate_j / (w_j equal_j)``. One linear program lifts the least level as far as it goes. Beyond that its
optimum leaves open who gets what is left; ``lexicographic=True`` lifts the next least, and so on, to the
one vector of rates at which no job can gain unless one at the same level or below loses.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.timeshare.certificate import held, possible_gain, repaired
from optsched.timeshare.linear_program import linear_needs
from optsched.timeshare.market import Market, columns, merged
from optsched.timeshare.shares import Shares, best_level, nothing, shares
from optsched.timeshare.water_filling import caps, fill

__all__ = ["max_min"]


def max_min(market: Market, *, lexicographic: bool = False) -> Shares:
    """Maximize the least level; its value is at least 1 where all weights are 1: no job loses by sharing.

    Parameters
    ----------
    lexicographic
        Go on to the lexicographic optimum. Then ``bound`` is the value, raised by the largest part by
        which any job could still gain without one that is no better off losing.
    """
    name = "max-min" + (", lexicographic" if lexicographic else "")
    unit = market.weight * market.equal_share
    of, kind, (unit,) = merged(market, unit)
    ways = columns(of)
    found = best_level(of, ways, linear_needs(np.zeros(of.jobs), unit), lambda rate: rate / unit)
    if found is None:
        return nothing(name, market, "unknown", "no engine found shares")
    time, now, value, bound, steps = found.time, found.held, found.reached, found.bound, found.point.steps
    notes: tuple[str, ...] = ()
    if lexicographic:

        def path(
            stays: NDArray[np.bool_], rate: FloatArray, cap: FloatArray
        ) -> tuple[Callable[[float], FloatArray], float]:
            def rates(level: float) -> FloatArray:
                return np.where(stays, rate, np.maximum(rate, np.minimum(level * unit, cap)))

            return rates, float((cap / unit)[~stays].max())

        limited = value < float((caps(of, ways) / unit).min()) * (1 - 1e-9)  # by the GPUs, and by no job's own limit
        filled = fill(of, ways, path, (found.reached, found.point) if limited else None)
        time_ = None if filled is None else repaired(of, ways, filled.time)
        if filled is None or time_ is None:
            return nothing(name, market, "unknown", "no engine found shares")
        time, now, steps = time_, held(of, ways, time_), max(steps, filled.steps)
        value = float((now.rate / unit).min())
        gain = possible_gain(of, ways, filled.stages, now.rate)
        bound = max(bound, value * (1.0 + gain))
        notes = (f"{len(filled.stages)} stages",)
    return shares(name, of, ways, kind, time, now, value, bound, found.point.prices, steps, notes)
