"""Sums of throughputs: in all, first in first out, and per cost (Gavel, sec. 4.2).

All three are ``max sum_j worth_j rate_j`` with values of their own, on rates that may have to reach a least
throughput each (service-level objectives). The ratio of throughput to cost is lifted by Dinkelbach's
method (Management Science 13 (1967)): the best ratio is the l at which ``max sum worth rate - l cost`` is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError
from optsched.timeshare.certificate import Held, held, repaired, value_bound
from optsched.timeshare.data import per_job, per_type
from optsched.timeshare.linear_program import Point, fixed_needs, linear_needs, linear_program
from optsched.timeshare.market import Columns, Market, columns, merged
from optsched.timeshare.shares import GAP, Shares, best_level, engine, nothing, shares

__all__ = ["cost", "first_in_first_out", "throughput"]

_SHORT = 1e-9
"""Part by which a rate may miss its least: rounding."""
_RATIOS = 40
"""Steps of Dinkelbach's method, at most; four to eight are usual."""


def throughput(market: Market, *, worth: ArrayLike | None = None, least: ArrayLike = 0.0) -> Shares:
    """Maximize the sum of values times throughputs.

    Parameters
    ----------
    worth
        Of one unit of each job's throughput; default: 1 / its fastest, so that throughputs of unlike jobs can be
        summed (Gavel's own sums steps/s: ``worth=1``).
    least
        Throughput that each job must have at least.
    """
    value = 1.0 / market.fastest if worth is None else per_job(worth, market, "worth")
    return _summed("throughput", market, value, per_job(least, market, "least"))


def first_in_first_out(market: Market, place: ArrayLike) -> Shares:
    """Serve jobs in their order: maximize ``sum_j (M - place_j) rate_j / fastest_j`` (Gavel, sec. 4.2).

    Parameters
    ----------
    place
        0 for the first, shape ``(jobs,)``; M is their number.
    """
    order = per_job(place, market, "place")
    number = float(market.many.sum())
    if (order >= number).any():
        raise InputError(f"places below {number:g}, the number of jobs", path="place")
    return _summed("first in, first out", market, (number - order) / market.fastest, np.zeros(market.jobs))


def cost(market: Market, price: ArrayLike, *, worth: ArrayLike | None = None, least: ArrayLike = 0.0) -> Shares:
    """Maximize the sum of values times throughputs per cost of the GPU time that it takes (Gavel, sec. 4.2).

    Parameters
    ----------
    price
        Of one GPU of each type for the unit of time, > 0, shape ``(types,)``.
    worth, least
        As for :func:`throughput`. Without any least rate the best way alone runs.
    """
    prices = per_type(price, market, "price", positive=True)
    value = 1.0 / market.fastest if worth is None else per_job(worth, market, "worth")
    if not value.any():
        raise InputError("a worth > 0", path="worth")
    of, kind, (value, low) = merged(market, value, per_job(least, market, "least"))
    ways = columns(of)
    ratio, steps = 0.0, 0
    best: _Found | None = None
    for _ in range(_RATIOS):
        found = _solved(of, ways, value, low, ratio * prices)
        if found is None:
            break
        steps += found.point.steps
        spent = float(prices @ found.held.used)
        reached = float(of.many @ (value * found.held.rate)) / spent if spent > 0 else 0.0
        if best is not None and not reached > ratio * (1 + 1e-12):
            break
        best, ratio = found, reached
    if best is None:
        return _without("cost", of, market, low)
    bound = _ratio_bound(of, ways, (found or best).point, value, low, prices, ratio)
    return shares("cost", of, ways, kind, best.time, best.held, ratio, bound, np.zeros(of.types), steps)


@dataclass(frozen=True)
class _Found:
    """Checked times that hold all least rates."""

    time: FloatArray
    held: Held
    point: Point


def _solved(of: Market, ways: Columns, worth: FloatArray, least: FloatArray, price: FloatArray) -> _Found | None:
    """Return the best times for given values, least rates and prices; None if no engine finds any."""
    asked = linear_program(of, fixed_needs(least), worth=worth, price=price, ways=ways)
    best: tuple[float, _Found] | None = None
    for exact in (False, True):
        point = engine(asked, exact=exact)
        time = None if point.time is None else repaired(of, ways, point.time)
        if time is None:
            continue
        now = held(of, ways, time)
        if (now.rate < least * (1 - _SHORT)).any():
            continue
        gained, spent = float(of.many @ (worth * now.rate)), float(price @ now.used)
        gap = value_bound(of, ways, point, least, worth, price) - (gained - spent)
        if best is None or gap < best[0]:
            best = gap, _Found(time, now, point)
        if gap <= 0.1 * GAP * gained:
            break
    return None if best is None else best[1]


def _summed(name: str, market: Market, worth: FloatArray, least: FloatArray) -> Shares:
    """Return the shares of the largest sum."""
    of, kind, (worth, least) = merged(market, worth, least)
    ways, free = columns(of), np.zeros(of.types)
    found = _solved(of, ways, worth, least, free)
    if found is None:
        return _without(name, of, market, least)
    value = float(of.many @ (worth * found.held.rate))
    point = found.point
    bound = value_bound(of, ways, point, least, worth, free)
    return shares(name, of, ways, kind, found.time, found.held, value, bound, point.prices, point.steps)


def _without(name: str, of: Market, market: Market, least: FloatArray) -> Shares:
    """Return why there are no shares: prove that no more than a part of the least rates can be had together."""
    asked = least > 0
    if asked.any():
        found = best_level(
            of,
            columns(of),
            linear_needs(np.zeros(of.jobs), least),
            lambda rate: np.where(asked, rate / np.where(asked, least, 1.0), np.inf),
        )
        if found is not None and found.bound < 1.0:
            short: IntArray = np.flatnonzero(found.point.prices * of.capacity > 1e-6 * found.bound)
            what = f"GPU types {', '.join(map(str, short))} are short" if len(short) else "a job cannot run so fast"
            return nothing(
                name, market, "infeasible", f"at most {found.bound:.6g} of the least rates can be had together: {what}"
            )
    return nothing(name, market, "unknown", "no engine found shares")


def _ratio_bound(
    of: Market, ways: Columns, point: Point, worth: FloatArray, least: FloatArray, price: FloatArray, ratio: float
) -> float:
    """Return a bound on the ratio: an l at which a dual solution proves that no shares are worth more than l cost.

    With B the bound at ``ratio`` and L the worth of the least rates, the dual (p, y) times 1 + d, with ``d worth``
    moved from the values to the pressures, proves ``(1 + d) B - d L`` at ``(1 + d) ratio``: nothing for
    ``d = B / (L - B)``. Where nothing must run, no way's own ratio is beaten.
    """
    over = max(0.0, value_bound(of, ways, point, least, worth, ratio * price))
    must = float(of.many @ (worth * least))
    found = ratio * (1.0 + over / (must - over)) if must > over else np.inf
    gain = worth[ways.first] * ways.rate_first
    two = ways.second >= 0
    gain[two] += worth[ways.second[two]] * ways.rate_second[two]
    return min(found, float((gain / (ways.gang * price[ways.gpu_type])).max()))
