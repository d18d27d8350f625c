"""Shares: what a policy decided, what it is worth, and what was proven; and how policies come to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched._util.numeric import relative
from optsched.timeshare import interior_point as interior
from optsched.timeshare import simplex as vertex
from optsched.timeshare.certificate import Held, held, level_bound, repaired
from optsched.timeshare.linear_program import LinearProgram, Needs, Point, linear_program
from optsched.timeshare.market import Columns, Market

__all__ = ["GAP", "Level", "Shares", "best_level", "engine", "shares"]

GAP = 1e-6
"""Relative gap within which shares are called optimal."""

Status = Literal["optimal", "feasible", "infeasible", "unknown"]


@dataclass(frozen=True)
class Shares:
    """Parts of wall-clock time, and what is known of them; every number is recomputed from the parts.

    status
        ``optimal``: bound and value differ by no more than ``GAP``; ``feasible``: by more; ``infeasible``:
        proven that no shares hold the limits asked for, ``reason`` says why; ``unknown``: no engine found any.
    fraction
        Part of the time for which each job runs alone on each type, shape ``(jobs, types)``.
    paired
        Time for which each pair of the market runs, summed over a kind's jobs, shape ``(pairs,)``.
    rate
        Mean throughput of each job, shape ``(jobs,)``.
    value, bound
        Of the policy's objective. Least-is-best policies have ``bound <= value``, others ``value <= bound``.
    prices
        Worth of one more GPU of each type, in units of the objective, shape ``(types,)``.
    steps
        Iterations of the engines.
    """

    policy: str
    status: Status
    fraction: FloatArray
    paired: FloatArray
    rate: FloatArray
    value: float
    bound: float
    prices: FloatArray
    steps: int = 0
    reason: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def gap(self) -> float:
        """Relative distance of value and bound; inf if there is no value."""
        if not np.isfinite(self.value):
            return float("inf")
        return relative(abs(self.bound - self.value), self.value)


def engine(of: LinearProgram, *, exact: bool = False) -> Point:
    """Solve a linear program by the interior-point engine where it can, by simplex otherwise or if ``exact``."""
    if of.market.pairs is None and not exact:
        point = interior.solve(of)
        if point.time is not None:
            return point
    return vertex.solve(of)


@dataclass(frozen=True)
class Level:
    """The best level of a market: checked times, what they come to, the level they reach, a bound on any."""

    time: FloatArray
    held: Held
    point: Point
    reached: float
    bound: float


def best_level(
    of: Market,
    ways: Columns,
    needs: Callable[[float], Needs],
    reaches: Callable[[FloatArray], FloatArray],
    start: float = 0.0,
    ceiling: float = np.inf,
) -> Level | None:
    """Return times that lift the level z of convex needs as far as can be; None if no engine finds any.

    Parameters
    ----------
    reaches
        The level that each job's rate reaches, from rates of shape ``(jobs,)``.
    """
    asked = linear_program(of, needs, gain=1.0, ways=ways, start=start, ceiling=ceiling)
    best: Level | None = None
    for exact in (False, True):
        point = engine(asked, exact=exact)
        time = None if point.time is None else repaired(of, ways, point.time)
        if time is None:
            continue
        now = held(of, ways, time)
        reached = float(reaches(now.rate).min())
        at = needs(point.level)  # convex needs lie above this line, so that its bound is theirs
        bound = level_bound(of, ways, point, at.rate - at.slope * point.level, at.slope)
        if best is None or abs(bound - reached) < abs(best.bound - best.reached):
            best = Level(time, now, point, reached, bound)
        if abs(bound - reached) <= GAP * abs(reached):
            break
    return best


def shares(
    policy: str,
    of: Market,
    ways: Columns,
    kind: IntArray,
    time: FloatArray,
    now: Held,
    value: float,
    bound: float,
    prices: FloatArray,
    steps: int,
    notes: tuple[str, ...] = (),
) -> Shares:
    """Return shares of the jobs from checked times of their kinds' columns.

    Parameters
    ----------
    kind
        The market's row of each job.
    """
    alone = ways.second < 0
    fraction = np.zeros((of.jobs, of.types))
    fraction[ways.first[alone], ways.gpu_type[alone]] = time[alone] / of.many[ways.first[alone]]
    gap = relative(abs(bound - value), value)
    paired = time[~alone]
    if of.pair_kind is not None:  # equal pairs share their time evenly
        paired = (paired / np.bincount(of.pair_kind, minlength=len(paired)))[of.pair_kind]
    return Shares(
        policy,
        "optimal" if gap <= GAP else "feasible",
        fraction[kind],
        paired,
        now.rate[kind],
        value,
        bound,
        prices,
        steps,
        "",
        notes,
    )


def nothing(policy: str, of: Market, status: Status, reason: str) -> Shares:
    """Return that there are no shares."""
    none = np.zeros(0 if of.pairs is None else len(of.pairs))
    return Shares(
        policy,
        status,
        np.zeros((of.jobs, of.types)),
        none,
        np.zeros(of.jobs),
        np.nan,
        np.nan,
        np.zeros(of.types),
        reason=reason,
    )
