"""Water filling: rates rise along a path until capacities stop some jobs; those stay, the others go on.

Gavel (sec. 4.3) solves one program a saturated job and looks for the saturated ones by tolerances, or by a
mixed-integer program. Three facts make it exact and short:

- What a job can get at most by itself is known before: a path that stops at its cap needs no program for it.
- A stage ends where the least part theta of the capacities that its rates need is 1. Any dual solution of
  that program, prices p and pressures y, bounds *all* levels: ``sum many y rate(z) <= p N + sum many u``. The
  level at which the bound is met is the next to try (a Newton step from above), and at the last one the dual
  names the bottlenecks: y_j > 0 exactly if j cannot rise unless one that is no better off falls.
- By complementary slackness jobs that go on never again use a type whose price was positive, so that each
  stage closes a type: without pairs there are no more stages than GPU types.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.timeshare import interior_point as interior
from optsched.timeshare import simplex as vertex
from optsched.timeshare.certificate import Stage, noticed, rents
from optsched.timeshare.linear_program import Point, fixed_needs, linear_program, usage_and_rates
from optsched.timeshare.market import Columns, Market

__all__ = ["Filled", "Path", "caps", "fill"]

Path = Callable[[NDArray[np.bool_], FloatArray, FloatArray], tuple[Callable[[float], FloatArray], float]]
"""From the jobs that stay, all rates now, and all caps: rates at each z >= 0, and the z at which all are at their caps.

Rates of those that stay do not change; no rate ever falls, and none exceeds its cap."""

_CLOSE = 1e-9
"""Relative excess of the load at which a level counts as reached."""
_CERTAIN = 1e-9
"""Duals, relative to the whole, below which they are rounding."""
_TRIES = 60
"""Newton steps of a stage, at most; three to six are usual."""
_HALVINGS = 110
"""Bisections that find a level to the last digit."""


_End = tuple[float, Point, tuple[Point, ...], bool]
"""The end of a stage: its level, the point there, duals that may prove it, and whether all jobs are at their caps."""


@dataclass(frozen=True)
class Filled:
    """Times of the columns, the rates they aim at, and for each stage who stopped and why, as a proof."""

    time: FloatArray
    stages: tuple[Stage, ...]
    steps: int


def caps(of: Market, ways: Columns, barred: NDArray[np.bool_] | None = None) -> FloatArray:
    """Return the most that one job of each kind can get alone in the cluster, shape ``(jobs,)``."""
    most = np.zeros(of.jobs)
    open_ = np.ones(len(ways), dtype=bool) if barred is None else ~barred
    np.maximum.at(most, ways.first[open_], ways.rate_first[open_])
    two = open_ & (ways.second >= 0)
    np.maximum.at(most, ways.second[two], ways.rate_second[two])
    twins = two & (ways.second == ways.first)
    np.maximum.at(most, ways.first[twins], 0.5 * (ways.rate_first + ways.rate_second)[twins])
    return most


def fill(of: Market, ways: Columns, path: Path, first: tuple[float, Point] | None = None) -> Filled | None:
    """Return the end of a filling; None if an engine fails.

    Parameters
    ----------
    first
        A level at which capacities stop the first stage, with its point, where they are known already.
    """
    stays = np.zeros(of.jobs, dtype=bool)
    closed = np.zeros(of.types, dtype=bool)
    barred = np.zeros(len(ways), dtype=bool)
    rate = np.zeros(of.jobs)
    stages: list[Stage] = []
    time, steps = np.zeros(len(ways)), 0
    while not stays.all():
        cap = np.maximum(caps(of, ways, barred), rate)
        if (~stays & (cap > rate)).any():
            rates, top = path(stays, rate, cap)
            found = (
                (*first, first[1:], False)
                if first is not None
                else _rest(of, ways, barred, closed, stays, time, rates(top), top)
            )
            found = found or _stage(of, ways, barred, closed, rates, top, cap)
            if found is None:
                return None
            first = None
            level, point, duals, done = found
            assert point.time is not None
            time, rate, steps = point.time, rates(level), steps + point.steps
        else:
            point, duals, done = Point(None), (), True
        capped = ~stays & (done | (rate >= cap * (1 - 1e-12)))
        if capped.any():  # no prices are needed to see that these can rise no further
            pressure = np.where(capped, 1.0 / noticed(of, rate), 0.0)
            stages.append(Stage((Point(None, prices=np.zeros(of.types), pressure=pressure),), capped))
            stays |= capped
        if stays.all():
            break
        point = replace(duals[0], time=time)
        pressed = _pressed(of, ways, point, rate, stays)
        stages.append(Stage(duals, pressed))
        stays |= pressed
        worth = point.prices * of.capacity
        unused = of.capacity - usage_and_rates(of, ways, time)[0]
        slack = np.divide(unused, of.capacity, out=np.ones(of.types), where=of.capacity > 0)
        closed |= (worth > _CERTAIN * worth.sum()) & (worth / worth.sum() > slack)
        on = ~stays[ways.first] | ((ways.second >= 0) & ~stays[ways.second])
        barred |= on & closed[ways.gpu_type] & _unused(of, ways, point)
    return Filled(time, tuple(stages), steps)


def _rest(
    of: Market,
    ways: Columns,
    barred: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    stays: NDArray[np.bool_],
    time: FloatArray,
    need: FloatArray,
    top: float,
) -> _End | None:
    """Return the end of a filling if all jobs that go on can reach their caps while the others keep their times.

    That is usual after the first stage, and takes no program over the jobs that stay.
    """
    if of.pairs is not None or not closed.any():
        return None
    kept = np.where(stays[ways.first], time, 0.0)
    left = np.maximum(of.capacity - usage_and_rates(of, ways, kept)[0], 0.0)
    going = np.flatnonzero(~stays)
    here = np.flatnonzero(~stays[ways.first] & (left[ways.gpu_type] > 0))
    number = np.cumsum(~stays) - 1
    some = Market(of.throughput[going], left, of.gang[going], of.weight[going], of.many[going])
    own = Columns(
        number[ways.first[here]],
        ways.second[here],
        ways.gpu_type[here],
        ways.gang[here],
        ways.rate_first[here],
        ways.rate_second[here],
    )
    shut = barred[here] | closed[own.gpu_type]
    point = _least_load(some, own, shut, np.zeros(of.types, dtype=bool), need[going], np.ones(len(going), dtype=bool))
    if point is None or point.time is None or -point.level > 1.0:
        return None
    kept[here] = point.time
    return top, replace(point, time=kept), (point,), True


def _stage(
    of: Market,
    ways: Columns,
    barred: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    rates: Callable[[float], FloatArray],
    top: float,
    cap: FloatArray,
) -> _End | None:
    """Return the end of a stage: the largest level that the capacities allow."""
    level = top
    cut: Point | None = None
    for tries in range(_TRIES):
        need = rates(level)
        point = _least_load(of, ways, barred, closed, need, need >= cap * (1 - 1e-12))
        if point is None:
            return None
        if -point.level <= 1.0 + _CLOSE:
            return level, point, _duals(cut, point), tries == 0
        cut = point
        u = rents(of, ways, point.prices, point.pressure, point.rents, barred)
        limit = float(point.prices @ of.capacity + of.many @ u)
        lower = _last(_holds(of, rates, point, limit), level)
        if not lower < level * (1 - _CLOSE):
            return level, point, (point,), False
        level = lower
    return None


def _duals(cut: Point | None, last: Point) -> tuple[Point, ...]:
    """Return the duals that may prove a stage: that of the last cut, and both together where both are tight.

    The last point's own may say no more than that some type is full whatever the level is; together they
    are positive wherever one of them is, but less exact.
    """
    if cut is None:
        return (last,)
    if -last.level < 1.0 - _CLOSE:
        return (cut,)
    both = replace(
        cut,
        prices=0.5 * (cut.prices + last.prices),
        pressure=0.5 * (cut.pressure + last.pressure),
        rents=0.5 * (cut.rents + last.rents),
    )
    return both, cut


def _holds(of: Market, rates: Callable[[float], FloatArray], point: Point, limit: float) -> Callable[[float], bool]:
    """Return the condition that a dual solution sets to a level."""
    return lambda level: float(of.many @ (point.pressure * rates(level))) <= limit


def _last(holds: Callable[[float], bool], above: float) -> float:
    """Return the largest number in [0, above] for which a monotone condition holds, 0 if for none."""
    low, high = 0.0, above
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def _least_load(
    of: Market,
    ways: Columns,
    barred: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    need: FloatArray,
    full: NDArray[np.bool_],
) -> Point | None:
    """Return the point that meets the needs with the least part theta = -level of all open types.

    Types that an earlier stage closed keep their capacity: they are full, and stay so.
    """
    alone = of.pairs is None and not closed.any()
    asked = linear_program(
        of,
        fixed_needs(need),
        gain=1.0,
        ways=ways,
        barred=barred,
        full=full if alone else None,
        start=-1.0,
        supply=np.where(closed, of.capacity, 0.0),
        supply_slope=np.where(closed, 0.0, -of.capacity),
    )
    point = interior.solve(asked) if alone else None
    if point is None or point.time is None:
        point = vertex.solve(asked)
    return None if point.time is None else point


def _pressed(of: Market, ways: Columns, point: Point, rate: FloatArray, stays: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the jobs that cannot rise further: their pressure is positive.

    Of a strictly complementary pair one side is positive and the other 0; in rounded numbers the larger
    one is, and a pressure that is rounding is not taken for one. A job that is missed goes on, and is found in the
    next stage, which then ends at once.
    """
    assert point.time is not None
    got = usage_and_rates(of, ways, point.time)[1]
    weight = of.many * point.pressure * noticed(of, rate)
    whole = max(float(weight.sum()), 1e-300)
    surplus = (got - rate) / of.fastest
    found = ~stays & (weight > _CERTAIN * whole) & (weight / whole > surplus)
    return found if found.any() else ~stays & (weight >= weight[~stays].max())


def _unused(of: Market, ways: Columns, point: Point) -> NDArray[np.bool_]:
    """Return the columns whose use would cost more than it is worth: no optimum of the stage uses them."""
    assert point.time is not None
    prices, pressure = point.prices, point.pressure
    u = rents(of, ways, prices, pressure, point.rents)
    loss = u[ways.first] + ways.gang * prices[ways.gpu_type] - pressure[ways.first] * ways.rate_first
    two = ways.second >= 0
    second = ways.second[two]
    loss[two] += u[second] - pressure[second] * ways.rate_second[two]
    scale = u[ways.first] + ways.gang * prices[ways.gpu_type] + pressure[ways.first] * ways.rate_first
    part = point.time / of.many[ways.first]
    result: NDArray[np.bool_] = (loss > 1e-7 * scale) & (loss > scale * part)
    return result
