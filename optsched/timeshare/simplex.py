"""The simplex engine: any linear program, with pairs and barred columns, by HiGHS."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, run_starts
from optsched.errors import SolverError
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.linear import LinearModel
from optsched.timeshare.linear_program import LinearProgram, Needs, Point
from optsched.timeshare.market import Columns

__all__ = ["solve"]

_MANY_PAIRS = 4_000
"""Pairs beyond which columns are generated."""
_EACH = 4
"""Pairs of each job to begin with."""
_GAIN = 1e-10
"""Gain of a column, relative to the worth of all GPUs, that is rounding."""
_ROUNDS = 50
"""Linearizations of curved needs, at most; each doubles the digits, four are usual."""


def solve(of: LinearProgram) -> Point:
    """Return an optimal vertex of a linear program; curved needs are linearized anew until the level stays.

    Convex needs lie above their tangents: levels come down from above and settle at the true one (Newton's method).
    """
    level = of.start
    for steps in range(1, _ROUNDS + 1):
        needs = of.needs(level)
        found = _linear(of, needs, level, steps)
        if found.time is None or needs.curvature is None or abs(found.level - level) <= 1e-13 * abs(level):
            return found
        level = min(found.level, 0.5 * (level + of.ceiling))
    return found


def _linear(of: LinearProgram, needs: Needs, level: float, steps: int) -> Point:
    """Solve the linear program with its needs linearized at a level, by column generation where there are many pairs.

    Pairs enter where the duals of a smaller program say that they gain (Ford and Fulkerson, Management Science 5
    (1958)); the end is an optimum of all.
    """
    pairs = np.flatnonzero(of.columns.second >= 0)
    if len(pairs) <= _MANY_PAIRS:
        return _with_columns(of, needs, level, steps)
    active = of.columns.second < 0
    active[pairs[_promising(of, pairs)]] = True
    while True:
        kept = np.flatnonzero(active)
        found = _with_columns(_some(of, kept), needs, level, steps)
        if found.time is None or len(kept) == len(active):
            return found if len(kept) == len(active) else _with_columns(of, needs, level, steps)
        gain = _gains(of, found)
        gain[active | of.barred] = 0.0
        better = np.flatnonzero(gain > _GAIN * float(np.abs(found.prices * of.market.capacity).sum() or 1.0))
        if not len(better):
            time = np.zeros(len(active))
            time[kept] = found.time
            return replace(found, time=time)
        active[better[np.argsort(-gain[better], kind="stable")[: 2 * of.market.jobs]]] = True


def _promising(of: LinearProgram, pairs: IntArray) -> IntArray:
    """Return which pairs make the most of a GPU for each of their jobs."""
    ways, fastest = of.columns, of.market.fastest
    first, second = ways.first[pairs], ways.second[pairs]
    both = ways.rate_first[pairs] / fastest[first] + ways.rate_second[pairs] / fastest[second]
    order = np.argsort(-both, kind="stable")
    chosen = np.zeros(len(pairs), dtype=bool)
    for who in (first, second):
        rank = np.argsort(who[order], kind="stable")
        sorted_ = order[rank]
        begin = run_starts(who[sorted_])
        place = np.arange(len(sorted_)) - np.repeat(begin, np.diff(begin, append=len(sorted_)))
        chosen[sorted_[place < _EACH]] = True
    return np.flatnonzero(chosen)


def _some(of: LinearProgram, kept: IntArray) -> LinearProgram:
    """Return a linear program with some of the columns."""
    ways = Columns(*(getattr(of.columns, field.name)[kept] for field in fields(Columns)))
    return replace(of, columns=ways, barred=of.barred[kept])


def _gains(of: LinearProgram, point: Point) -> FloatArray:
    """Return by how much each column would gain at the duals of a point, shape ``(n,)``."""
    ways = of.columns
    worth, price = point.pressure + of.worth, point.prices + of.price
    rents = np.broadcast_to(np.asarray(point.rents), of.market.jobs)
    gain: FloatArray = worth[ways.first] * ways.rate_first - ways.gang * price[ways.gpu_type] - rents[ways.first]
    two = np.flatnonzero(ways.second >= 0)
    gain[two] += worth[ways.second[two]] * ways.rate_second[two] - rents[ways.second[two]]
    return gain


def _with_columns(of: LinearProgram, needs: Needs, level: float, steps: int) -> Point:
    """Solve the linear program with its needs linearized at a level, all columns at once."""
    market, ways = of.market, of.columns
    jobs, types = market.jobs, market.types
    capacity = np.where(market.capacity > 0, market.capacity, 1.0)
    size = market.fastest * market.many
    slope, base = needs.slope / market.fastest, (needs.rate - needs.slope * level) / market.fastest
    two = np.flatnonzero(ways.second >= 0)
    single = np.arange(len(ways))
    worth = of.worth[ways.first] * ways.rate_first - of.price[ways.gpu_type] * ways.gang
    worth[two] += of.worth[ways.second[two]] * ways.rate_second[two]
    unit = float(np.abs(worth).max(initial=0.0)) or 1.0
    step = float(np.max(slope, initial=0.0)) or 1.0
    if of.supply_slope.any():
        step = float(np.abs(of.supply_slope / capacity).max())

    model = LinearModel()
    x = model.add_variables("x", len(ways), upper=np.where(of.barred, 0.0, np.inf), cost=worth / unit)
    who: IntArray = np.concatenate([ways.first, ways.second[two]])
    where: IntArray = np.concatenate([x, x[two]])
    rate: FloatArray = np.concatenate([ways.rate_first, ways.rate_second[two]])
    z = model.add_variables("z", 1, lower=-np.inf, cost=1.0) if of.gain > 0 else np.empty(0, dtype=np.int64)
    every, each = np.arange(jobs), np.arange(types)

    def with_level(
        row: IntArray, column: IntArray, entry: FloatArray, rows: IntArray, less: FloatArray
    ) -> tuple[IntArray, IntArray, FloatArray]:
        if not len(z) or not less.any():
            return row, column, entry
        return (
            np.concatenate([row, rows]),
            np.concatenate([column, np.full(len(rows), z[0])]),
            np.concatenate([entry, -less / step]),
        )

    model.add_rows("time", (who, where, 1.0 / market.many[who]), upper=1.0, size=jobs)
    model.add_rows("rate", with_level(who, where, rate / size[who], every, slope), lower=base, size=jobs)
    model.add_rows(
        "use",
        with_level(ways.gpu_type, single, ways.gang / capacity[ways.gpu_type], each, of.supply_slope / capacity),
        upper=of.supply / capacity,
        size=types,
    )
    outcome = highs.solve(model, RunContext(Limits()), relaxed=True)
    if outcome.status == "infeasible":
        return Point(None, steps=steps)
    if outcome.status != "optimal" or outcome.values is None or outcome.duals is None:
        raise SolverError(f"HiGHS stopped at a time-share program: {outcome.message or outcome.status}")
    duals = np.abs(outcome.duals) * (step**-1 if of.gain > 0 else unit)
    return Point(
        np.maximum(outcome.values[: len(ways)], 0.0),
        float(outcome.values[-1]) / step if len(z) else 0.0,
        duals[2 * jobs :] / capacity,
        duals[jobs : 2 * jobs] / size,
        duals[:jobs] / market.many,
        steps,
    )
