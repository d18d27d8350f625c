"""What shares are worth and what bounds them, recomputed by code that no engine uses.

Weak duality: for *any* prices p >= 0 of the GPUs and pressures y >= 0 on the rates, every feasible
allocation has

    sum_j many_j y_j rate_j  -  sum_k p_k used_k  <=  sum_j many_j u_j

where ``u_j >= 0`` is the most that a job's whole time can be worth: u_j >= y_j T_jk - s_j p_k for each
type k, and u_i + u_j >= y_i T_i + y_j T_j - s p_k for each pair. Whatever prices an engine hands over, the
bound made of them holds; good ones make it tight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.timeshare.linear_program import Point
from optsched.timeshare.market import Columns, Market

__all__ = ["Held", "Stage", "held", "level_bound", "noticed", "possible_gain", "rents", "repaired", "value_bound"]

_ROUNDING = 1e-12
"""Overuse that is rounding: what is left of it after the repair."""


_TIMES = tuple(10.0**k for k in range(-3, 8))
"""How often earlier stages' duals are added to one."""


@dataclass(frozen=True)
class Held:
    """Shares as they are: recomputed from the time of each column.

    rate, busy
        Throughput and part of the time of one job of each kind, shape ``(jobs,)``.
    used
        GPUs in use, shape ``(types,)``.
    excess
        The largest part by which a job's time or a type's GPUs are exceeded; <= 0 for none.
    """

    rate: FloatArray
    busy: FloatArray
    used: FloatArray
    excess: float


def held(of: Market, ways: Columns, time: FloatArray) -> Held:
    """Return what times of the columns come to, one dense table a GPU type at a time."""
    rate, busy = np.zeros(of.jobs), np.zeros(of.jobs)
    used = np.zeros(of.types)
    for k in range(of.types):
        here = np.flatnonzero(ways.gpu_type == k)
        used[k] = float(ways.gang[here] @ time[here])
        for who, speed in ((ways.first[here], ways.rate_first[here]), (ways.second[here], ways.rate_second[here])):
            some = who >= 0
            np.add.at(rate, who[some], speed[some] * time[here[some]])
            np.add.at(busy, who[some], time[here[some]])
    over = [float((busy / of.many).max()) - 1.0]
    over += [float(used[k] / of.capacity[k]) - 1.0 if of.capacity[k] > 0 else float(used[k]) for k in range(of.types)]
    return Held(rate / of.many, busy / of.many, used, max(over))


def repaired(of: Market, ways: Columns, time: FloatArray, limit: float = 1e-6) -> FloatArray | None:
    """Return times that hold all limits: shrunk by what solvers' tolerances exceed them; None if by more than that."""
    time = np.where(time > 0, time, 0.0)
    excess = held(of, ways, time).excess
    if not excess <= limit:
        return None
    return time / (1.0 + excess) * (1.0 - _ROUNDING) if excess > 0 else time


def rents(
    of: Market,
    ways: Columns,
    prices: FloatArray,
    pressure: FloatArray,
    known: FloatArray | float = 0.0,
    barred: NDArray[np.bool_] | None = None,
) -> FloatArray:
    """Return values ``u`` of a job's whole time that prices and pressures leave, shape ``(jobs,)``.

    The least ones that are no less than the ``known``; what a pair is worth beyond its two rents is
    added to both in halves, which is only good where the known ones are.
    """
    worth = pressure[ways.first] * ways.rate_first - ways.gang * prices[ways.gpu_type]
    two = ways.second >= 0
    worth[two] += pressure[ways.second[two]] * ways.rate_second[two]
    if barred is not None:
        worth = np.where(barred, -np.inf, worth)
    u = np.maximum(np.zeros(of.jobs), known)
    np.maximum.at(u, ways.first[~two], worth[~two])
    if two.any():
        first, second = ways.first[two], ways.second[two]
        short = 0.5 * np.maximum(worth[two] - u[first] - u[second], 0.0)
        more = np.zeros(of.jobs)
        np.maximum.at(more, first, short)
        np.maximum.at(more, second, short)
        u += more
    return u


def level_bound(of: Market, ways: Columns, point: Point, base: FloatArray, slope: FloatArray) -> float:
    """Return a bound on the level z of all shares that give each job ``base + slope z``; inf where nothing is proven.

    From ``sum many y (base + slope z) <= sum many y rate <= p N + sum many u``.
    """
    p, y = np.maximum(point.prices, 0.0), np.maximum(point.pressure, 0.0)
    pull = float(of.many @ (y * slope))
    if not pull > 0:
        return float("inf")
    u = rents(of, ways, p, y, point.rents)
    return (float(p @ of.capacity) + float(of.many @ u) - float(of.many @ (y * base))) / pull


@dataclass(frozen=True)
class Stage:
    """Why some jobs stopped in a filling.

    duals
        Dual solutions, any of which may prove it: jobs with a pressure > 0 cannot all gain.
    stops
        The jobs that stop here, shape ``(jobs,)``.
    """

    duals: tuple[Point, ...]
    stops: NDArray[np.bool_]


def noticed(of: Market, rate: FloatArray) -> FloatArray:
    """Return the rates that gains and losses are measured by: a job's own, but no less than it would notice."""
    least: FloatArray = np.maximum(rate, 1e-3 * of.fastest)
    return least


def possible_gain(of: Market, ways: Columns, stages: tuple[Stage, ...], rate: FloatArray) -> float:
    """Return the largest part by which a job's rate could rise without one that stopped no later falling.

    Of a thousandth of its fastest throughput, for a job that has less.

    For the jobs of each stage: with pressures y > 0 on them and on none that stopped later,
    ``sum many y rate' <= p N + sum many u`` for all rates' of all feasible shares, so that no job's can gain
    more than what is missing to the bound, over ``many y``. A stage's dual holds on the columns that earlier
    stages left; it is made whole by adding theirs, a large number of times: any number makes a proof, the
    best of a few powers of ten is taken.
    """
    return min(_gain(of, ways, stages, rate, pick) for pick in (0, -1))


def _gain(of: Market, ways: Columns, stages: tuple[Stage, ...], rate: FloatArray, pick: int) -> float:
    """Return what :func:`possible_gain` does, with one choice of the duals that are handed on to later stages."""
    worst = 0.0
    size = of.many * noticed(of, rate)
    below = np.zeros(of.jobs, dtype=bool)
    none = np.zeros(of.jobs)
    before: tuple[FloatArray, ...] = np.zeros(of.types), none, none
    for stage in stages:
        below |= stage.stops
        least, handed = np.inf, before
        for dual in stage.duals:
            pressure = np.where(below, dual.pressure, 0.0)
            scale = float((size * pressure).sum()) or 1.0
            own = dual.prices / scale, pressure / scale, none + dual.rents / scale
            best, number = np.inf, 1.0
            for times in (0.0, *_TIMES) if before[1].any() else (0.0,):
                p, y, known = (mine + times * other for mine, other in zip(own, before, strict=True))
                missing = float(p @ of.capacity + of.many @ rents(of, ways, p, y, known) - of.many @ (y * rate))
                gain = np.divide(missing, y * size, out=np.full(of.jobs, np.inf), where=y > 0)
                most = max(0.0, float(gain[stage.stops].max(initial=0.0)))
                if most < best:
                    best, number = most, max(times, 1.0)
            least = min(least, best)
            if dual is stage.duals[pick]:
                handed = tuple((a + number * b) / (1.0 + number) for a, b in zip(own, before, strict=True))
        worst, before = max(worst, least), handed
    return worst


def value_bound(
    of: Market, ways: Columns, point: Point, least: FloatArray, worth: FloatArray, price: FloatArray
) -> float:
    """Return a bound on ``sum many worth rate - sum price used`` of all shares whose rates are at least ``least``."""
    p, y = np.maximum(point.prices, 0.0), np.maximum(point.pressure, 0.0)
    u = rents(of, ways, p + price, y + worth, point.rents)
    return float(p @ of.capacity) + float(of.many @ u) - float(of.many @ (y * least))
