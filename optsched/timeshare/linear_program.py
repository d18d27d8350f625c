"""The linear program that all policies solve, in one form for both engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.timeshare.market import Columns, Market, columns

__all__ = ["LinearProgram", "Needs", "Point", "fixed_needs", "linear_needs", "linear_program", "usage_and_rates"]


@dataclass(frozen=True)
class Needs:
    """Throughput that each job must have at a level z, its derivative and its second derivative, ``(jobs,)`` each."""

    rate: FloatArray
    slope: FloatArray
    curvature: FloatArray | None = None


@dataclass(frozen=True)
class LinearProgram:
    """Maximize ``gain z + sum_j many_j worth_j rate_j - sum_k price_k used_k`` over times and the level z.

    Each job's rate is at least ``needs(z)``, convex in z; each runs at most all the time; GPUs in use are
    at most ``supply + supply_slope z``.

    gain
        0 for a linear program without a level.
    barred
        Columns that stay 0, shape ``(columns,)``.
    full
        Jobs whose need is all that they can get: they run all the time, on columns of that rate only.
    start, ceiling
        A level to begin from, and one that levels stay below (where the needs become infinite).
    """

    market: Market
    columns: Columns
    needs: Callable[[float], Needs]
    worth: FloatArray
    price: FloatArray
    supply: FloatArray
    supply_slope: FloatArray
    gain: float
    barred: NDArray[np.bool_]
    full: NDArray[np.bool_]
    start: float = 0.0
    ceiling: float = np.inf


@dataclass(frozen=True)
class Point:
    """What an engine found.

    time
        Of each column, summed over a kind's jobs, shape ``(columns,)``; None if there is no feasible one.
    level
        z; 0 without a level.
    prices
        Dual values of the GPUs, shape ``(types,)``.
    pressure
        Dual values of the rates, of one job of each kind, shape ``(jobs,)``.
    rents
        Dual values of the time of one job of each kind, where the engine knows them, shape ``(jobs,)``.
    steps
        Iterations of the engine.
    """

    time: FloatArray | None
    level: float = 0.0
    prices: FloatArray = field(default_factory=lambda: np.empty(0))
    pressure: FloatArray = field(default_factory=lambda: np.empty(0))
    rents: FloatArray | float = 0.0
    steps: int = 0


def linear_needs(base: FloatArray, slope: FloatArray) -> Callable[[float], Needs]:
    """Return needs ``base + slope z``."""
    return lambda level: Needs(base + slope * level, slope)


def fixed_needs(base: FloatArray) -> Callable[[float], Needs]:
    """Return needs that no level moves."""
    return linear_needs(base, np.zeros(len(base)))


def linear_program(
    of: Market,
    needs: Callable[[float], Needs],
    *,
    gain: float = 0.0,
    worth: FloatArray | None = None,
    price: FloatArray | None = None,
    supply: FloatArray | None = None,
    supply_slope: FloatArray | None = None,
    ways: Columns | None = None,
    barred: NDArray[np.bool_] | None = None,
    full: NDArray[np.bool_] | None = None,
    start: float = 0.0,
    ceiling: float = np.inf,
) -> LinearProgram:
    """Return a linear program; what is not said is nothing, and the supply is the market's capacity."""
    ways = columns(of) if ways is None else ways
    jobs, types = np.zeros(of.jobs), np.zeros(of.types)
    return LinearProgram(
        of,
        ways,
        needs,
        jobs if worth is None else worth,
        types if price is None else price,
        of.capacity if supply is None else supply,
        types if supply_slope is None else supply_slope,
        gain,
        np.zeros(len(ways), dtype=bool) if barred is None else barred,
        np.zeros(of.jobs, dtype=bool) if full is None else full,
        start,
        ceiling,
    )


def usage_and_rates(of: Market, ways: Columns, time: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return GPUs in use, and the rate and the part of the time of one job of each kind."""
    used: FloatArray = np.bincount(ways.gpu_type, weights=ways.gang * time, minlength=of.types).astype(np.float64)
    rate = np.bincount(ways.first, weights=ways.rate_first * time, minlength=of.jobs)
    busy = np.bincount(ways.first, weights=time, minlength=of.jobs)
    two = ways.second >= 0
    if two.any():
        rate += np.bincount(ways.second[two], weights=(ways.rate_second * time)[two], minlength=of.jobs)
        busy += np.bincount(ways.second[two], weights=time[two], minlength=of.jobs)
    return used, rate / of.many, busy / of.many
