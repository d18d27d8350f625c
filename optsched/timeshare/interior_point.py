"""The interior-point engine: jobs that run alone, any number of them, in a few dozen vectorized passes.

A predictor-corrector method (Mehrotra, SIAM J. Optim. 2 (1992)) whose Newton systems fall apart: each job
has two rows of its own (its time, its rate), which are eliminated in closed form, and what is left is one
dense system in the prices and the level, whatever the number of jobs. Needs that are convex in the level
enter with their curvature. The iterates follow the central path, so that the limit is strictly
complementary (Goldman and Tucker 1956; Guler and Ye, Math. Prog. 60 (1993)): a price or a pressure stays
positive exactly if it can be positive in some optimal dual, which names *all* bottlenecks at once, and
jobs that tie share what they tie for. Arrays lie with the GPU types first, jobs along the row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.timeshare.linear_program import LinearProgram, Point

__all__ = ["solve"]

STEPS = 80
"""Iterations at most; 15 to 30 are usual."""
TOLERANCE = 1e-10
"""Relative residuals and gap to stop at."""
_GOOD = 1e-8
"""Residuals from which on a turn for the worse is rounding, and ends the iterations."""
_POOR = 1e-3
"""Residuals above which a point is none."""
_BACK = 0.9995
"""Part of the way to the boundary that a step takes."""


@dataclass(frozen=True)
class _Scaled:
    """The linear program in numbers near 1: throughputs per job's fastest, times per job, GPUs per type's capacity.

    rate, use, value
        Of a job's whole time on a type: throughput, part of the type's GPUs, objective. Shape ``(types, jobs)``.
    open
        Columns that may be positive, the same shape; ``idle``: jobs that may be idle, ``(jobs,)``.
    """

    rate: FloatArray
    use: FloatArray
    value: FloatArray
    open: NDArray[np.bool_]
    idle: NDArray[np.bool_]
    supply: FloatArray
    slope: FloatArray
    level: float
    worth: float
    capacity: FloatArray
    fastest: FloatArray
    whole: bool

    def masked(self, array: FloatArray, kept: NDArray[np.bool_]) -> FloatArray:
        """Return an array that is 0 outside the mask."""
        return array if self.whole else np.where(kept, array, 0.0)


def _scaled(of: LinearProgram) -> _Scaled:
    """Scale a linear program."""
    market = of.market
    rate = np.ascontiguousarray(market.throughput.T)
    way = np.zeros(rate.shape, dtype=bool)
    way[of.columns.gpu_type, of.columns.first] = ~of.barred
    rate = np.where(way, rate, 0.0)
    best = np.maximum(rate.max(axis=0), 1e-300)
    if of.full.any():
        way &= ~of.full | (rate == best)
    capacity = np.where(market.capacity > 0, market.capacity, 1.0)
    use = market.gang * market.many / capacity[:, None]
    value = market.many * (of.worth * rate - of.price[:, None] * market.gang)
    worth = float(np.abs(value[way]).max(initial=0.0)) or 1.0
    slope = of.needs(of.start).slope
    level = float(np.max(slope / best, initial=0.0)) or 1.0
    if of.supply_slope.any():
        level = float(np.abs(of.supply_slope / capacity).max())
    return _Scaled(
        rate / best,
        np.broadcast_to(use, rate.shape),
        value / worth,
        way,
        ~of.full,
        of.supply / capacity,
        of.supply_slope / capacity / level,
        level,
        worth,
        capacity,
        best,
        bool(way.all() and not of.full.any()),
    )


@dataclass(frozen=True)
class _Iterate:
    """A point of both sides: what stands in one line is complementary. Also a step from one to another.

    x, r
        Parts of the time, and their reduced costs, shape ``(types, jobs)``.
    w, u
        Idle parts, and rents of the jobs' time, ``(jobs,)``.
    t, y
        Rates beyond the needs, and pressures, ``(jobs,)``.
    g, p
        Unused parts of the GPUs, and prices, ``(types,)``.
    z
        The level.
    """

    x: FloatArray
    r: FloatArray
    w: FloatArray
    u: FloatArray
    t: FloatArray
    y: FloatArray
    g: FloatArray
    p: FloatArray
    z: float

    def products(self) -> float:
        """Return the sum of all complementary products: the gap between both sides."""
        return float((self.x * self.r).sum() + (self.w * self.u + self.t * self.y).sum() + self.g @ self.p)

    def moved(self, by: _Iterate, primal: float, dual: float) -> _Iterate:
        """Return the point after a step of such lengths."""
        return _Iterate(
            self.x + primal * by.x,
            self.r + dual * by.r,
            self.w + primal * by.w,
            self.u + dual * by.u,
            self.t + primal * by.t,
            self.y + dual * by.y,
            self.g + primal * by.g,
            self.p + dual * by.p,
            self.z + primal * by.z,
        )

    def lengths(self, by: _Iterate, idle: NDArray[np.bool_], whole: bool) -> tuple[float, float]:
        """Return the largest steps, at most 1, that keep both sides positive; rents of jobs never idle may be any."""
        u, du = (self.u, by.u) if whole else (np.where(idle, self.u, 1.0), np.where(idle, by.u, 0.0))
        return (
            min(_length(self.x, by.x), _length(self.w, by.w), _length(self.t, by.t), _length(self.g, by.g)),
            min(_length(self.r, by.r), _length(u, du), _length(self.y, by.y), _length(self.p, by.p)),
        )


def _length(value: FloatArray, change: FloatArray) -> float:
    """Return the largest step, at most 1, that keeps positive numbers from turning negative."""
    return 1.0 / max(1.0, float((change / (-1e-300 - value)).max(initial=0.0)))


@dataclass(frozen=True)
class _Missing:
    """By how much an iterate misses each equation, and the needs' slope and curvature there."""

    time: FloatArray
    rate: FloatArray
    supply: FloatArray
    cost: FloatArray
    level: float
    gap: float
    wrong: float
    slope: FloatArray
    curve: FloatArray | float


@dataclass(frozen=True)
class _Newton:
    """The Newton system at an iterate, reduced to prices and level.

    Rows of a job's time and rate are made orthogonal first: rates are counted from their mean ``middle``
    under the weights ``x / r``, which takes the cancellation out of the 2 x 2 systems.
    """

    s: _Scaled
    at: _Iterate
    off: _Missing
    leveled: bool
    by_r: FloatArray
    by_u: FloatArray
    by_y: FloatArray
    off_x: FloatArray
    middle: FloatArray
    by_total: FloatArray
    by_spread: FloatArray
    f: FloatArray
    e: FloatArray
    matrix: FloatArray
    scale: FloatArray

    def step(self, c_x: FloatArray, c_w: FloatArray, c_t: FloatArray, c_g: FloatArray) -> _Iterate:
        """Return the step to given changes of the complementary products; LinAlgError where there is none."""
        s, at, off = self.s, self.at, self.off
        types = len(at.p)
        to_x = c_x * self.by_r - self.off_x
        h_time = to_x.sum(axis=0) + c_w * self.by_u - off.time
        h_rate = (s.rate * to_x).sum(axis=0) - c_t * self.by_y - off.rate - self.middle * h_time
        by_time, by_rate = h_time * self.by_total, h_rate * self.by_spread
        right = np.zeros(types + 1)
        right[:types] = (s.use * to_x).sum(axis=1) + c_g / at.p - off.supply - self.f @ by_time - self.e @ by_rate
        if self.leveled:
            right[types] = -off.level - float((off.slope * by_rate).sum())
        found = self.scale * np.linalg.solve(self.matrix, self.scale * right)
        dp, dz = found[:types], float(found[types])
        less_y = by_rate - (dp @ self.e + off.slope * dz) * self.by_spread
        du = by_time - (dp @ self.f) * self.by_total - self.middle * less_y
        dr = s.masked(du + less_y * s.rate + s.use * dp[:, None] + off.cost, s.open)
        return _Iterate(
            (c_x - at.x * dr) * self.by_r,
            dr,
            (c_w - at.w * du) * self.by_u,
            du,
            (c_t + at.t * less_y) * self.by_y,
            -less_y,
            (c_g - at.g * dp) / at.p,
            dp,
            dz,
        )


def _newton(s: _Scaled, at: _Iterate, off: _Missing, leveled: bool) -> _Newton:
    """Return the reduced system at an iterate."""
    types = len(at.p)
    by_r, by_u, by_y = 1.0 / at.r, s.masked(1.0 / at.u, s.idle), 1.0 / at.y
    d, d_w = at.x * by_r, at.w * by_u
    total = d.sum(axis=0) + d_w
    middle = (d * s.rate).sum(axis=0) / total
    away = s.rate - middle
    spread = (d * away * away).sum(axis=0) + d_w * middle * middle + at.t * by_y
    by_total, by_spread = 1.0 / total, 1.0 / spread
    f = d * s.use
    e = f * away
    matrix = np.zeros((types + 1, types + 1))
    matrix[:types, :types] = -((f * by_total) @ f.T) - (e * by_spread) @ e.T
    diagonal = np.arange(types)
    matrix[diagonal, diagonal] += (f * s.use).sum(axis=1) + at.g / at.p
    matrix[types, types] = 1.0
    if leveled:
        part = off.slope * by_spread
        matrix[:types, types] = matrix[types, :types] = s.slope - e @ part
        matrix[types, types] = -float((off.slope * part).sum()) - float((off.curve * at.y).sum())
    scale = 1.0 / np.sqrt(np.abs(np.diag(matrix)) + 1e-60)
    matrix *= scale[:, None] * scale
    matrix[diagonal, diagonal] += 1e-14
    return _Newton(
        s, at, off, leveled, by_r, by_u, by_y, d * off.cost, middle, by_total, by_spread, f, e, matrix, scale
    )


def _first(s: _Scaled, z: float, base: FloatArray, slope: FloatArray, leveled: bool) -> _Iterate:
    """Return a point to begin from: time spread evenly, and prices at which a job's time is worth its GPUs.

    A job that must run all the time has a time row without slack, and a rent of any sign.
    """
    jobs = len(base)
    x = s.open / (s.open.sum(axis=0) + s.idle)
    w = np.where(s.idle, 1.0 - x.sum(axis=0), 0.0)
    t = np.maximum((s.rate * x).sum(axis=0) - base, 0.1)
    g = np.maximum(s.supply + s.slope * z - (s.use * x).sum(axis=1), 0.1)
    y = np.full(jobs, 1.0 / max(1.0, float(slope.sum())) if leveled else 0.1)
    worth = y * s.rate + np.maximum(s.value, 0.0)
    used = s.use.sum(axis=1)
    p = 0.5 * worth.sum(axis=1) / np.maximum(used, 1e-12) + 1e-6 / max(1.0, float(used.sum()))
    if s.slope.any():
        p = np.maximum(p, 1e-3)
        p /= float(p @ -s.slope)
        y = np.maximum(y, float((s.use * p[:, None]).mean()))
    u = np.maximum(worth.max(axis=0), float(worth.mean()))
    r = np.where(s.open, np.maximum(u - y * s.rate + s.use * p[:, None] - s.value, 0.1 * u), 1.0)
    return _Iterate(x, r, w, u, t, y, g, p, z)


def _needs(of: LinearProgram, s: _Scaled, z: float) -> tuple[FloatArray, FloatArray, FloatArray | float]:
    """Return scaled needs, slope and curvature; a job that runs all the time needs no more than that."""
    found = of.needs(z / s.level)
    curve = 0.0 if found.curvature is None else found.curvature / s.fastest / s.level**2
    rate, slope = found.rate / s.fastest, found.slope / s.fastest / s.level
    return (rate, slope, curve) if s.idle.all() else (np.where(s.idle, rate, -1.0), np.where(s.idle, slope, 0.0), curve)


def _missing(of: LinearProgram, s: _Scaled, at: _Iterate) -> _Missing:
    """Return what an iterate misses."""
    base, slope, curve = _needs(of, s, at.z)
    time = 1.0 - at.x.sum(axis=0) - at.w
    rate = base - (s.rate * at.x).sum(axis=0) + at.t
    supply = s.supply + s.slope * at.z - (s.use * at.x).sum(axis=1) - at.g
    cost = s.masked(at.u - at.y * s.rate + s.use * at.p[:, None] - s.value - at.r, s.open)
    level = of.gain - float((slope * at.y).sum()) + float(s.slope @ at.p) if of.gain > 0 else 0.0
    gap = at.products()
    objective = abs(of.gain * at.z) + abs(float((s.value * at.x).sum()))
    size = max(float(np.abs(at.u).max()), float(at.y.max()), float((s.use.max(axis=1) * at.p).max()), 1e-300)
    parts = (*(float(np.abs(part).max()) for part in (time, rate, supply)), float(np.abs(cost).max()) / size)
    return _Missing(
        time, rate, supply, cost, level, gap, max(*parts, abs(level), gap / max(objective, 1e-3)), slope, curve
    )


@np.errstate(all="ignore")  # numbers that run off end the iterations
def solve(of: LinearProgram) -> Point:
    """Return an optimal point of a linear program without pairs; prices and pressures fit it as well as they can.

    Trust nothing of it: :mod:`optsched.timeshare.certificate` says what it is worth. ``time`` is None where the
    iterates ran off, as they do where there is no feasible point.
    """
    s = _scaled(of)
    leveled, curved = of.gain > 0, of.needs(of.start).curvature is not None
    base, slope, _ = _needs(of, s, of.start * s.level)
    at = _first(s, of.start * s.level, base, slope, leveled)
    count = float(s.open.sum() + s.idle.sum() + len(at.y) + len(at.p))
    best: tuple[float, _Iterate] = np.inf, at
    steps = 0
    while True:
        off = _missing(of, s, at)
        if not np.isfinite(off.wrong):
            break
        if off.wrong < best[0]:
            best = off.wrong, at
        if off.wrong < TOLERANCE or steps == STEPS or (best[0] < _GOOD < off.wrong):
            break
        steps += 1
        try:
            newton = _newton(s, at, off, leveled)
            trial = newton.step(-at.x * at.r, -at.w * at.u, -at.t * at.y, -at.g * at.p)
            after = at.moved(trial, *at.lengths(trial, s.idle, s.whole)).products()
            aim = off.gap / count * min(1.0, max(0.0, after / off.gap)) ** 3
            by = newton.step(
                s.masked(aim - at.x * at.r - trial.x * trial.r, s.open),
                s.masked(aim - at.w * at.u - trial.w * trial.u, s.idle),
                aim - at.t * at.y - trial.t * trial.y,
                aim - at.g * at.p - trial.g * trial.p,
            )
        except np.linalg.LinAlgError:
            break
        primal, dual = (min(1.0, _BACK * length) for length in at.lengths(by, s.idle, s.whole))
        if by.z > 0 and of.ceiling < np.inf:
            primal = min(primal, 0.9 * (of.ceiling * s.level - at.z) / by.z)
        if curved:
            primal = dual = min(primal, dual)  # the curvature ties both sides together
        at = at.moved(by, primal, dual)
    return _unscaled(of, s, best[1], best[0], steps)


def _unscaled(of: LinearProgram, s: _Scaled, at: _Iterate, wrong: float, steps: int) -> Point:
    """Return the point in the linear program's own units."""
    unit = s.level if of.gain > 0 else 1.0 / s.worth
    prices = at.p / s.capacity / unit
    pressure = at.y / s.fastest / of.market.many / unit
    if of.full.any():
        pressure = np.where(of.full, _pressure_of_full(of, s, prices), pressure)
    if not wrong < _POOR:
        return Point(None, at.z / s.level, prices, pressure, steps=steps)
    time = (at.x * of.market.many)[of.columns.gpu_type, of.columns.first]
    return Point(time, at.z / s.level, prices, pressure, steps=steps)


def _pressure_of_full(of: LinearProgram, s: _Scaled, prices: FloatArray) -> FloatArray:
    """Return the least pressure at which the cheapest of a job's fastest types beats all others and idling."""
    cost = of.market.gang * prices[:, None]
    least = np.where(s.open, cost, np.inf).min(axis=0)
    slower = (s.rate > 0) & (s.rate < 1.0)
    lead = np.where(slower, 1.0 - s.rate, 1.0) * s.fastest
    beats = np.where(slower, (least - cost) / lead, 0.0).max(axis=0)
    needed: FloatArray = np.maximum(beats, least / s.fastest)
    return needed
