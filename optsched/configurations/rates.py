"""Throughput as a function of the assigned network rate, sampled so that what lies between the samples is bounded."""

from __future__ import annotations

import numpy as np

from optsched.configurations.table import Configurations, points_of, throughputs
from optsched.curves import FloatArray, IntArray
from optsched.instance import Instance

__all__ = ["sampled"]


_FOCUS = 1e-3
"""How near to a rate of interest the samples lie densest, as a part of the logarithmic range."""


def sampled(
    instance: Instance, table: Configurations, rows: IntArray, count: int, near: FloatArray | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return throughputs of rows at network rates between their slowest and their fastest.

    Between neighbouring rates, whose logarithms are a step ``h`` apart, a curve whose log-log curvature is at
    most ``c`` differs from its power-law chord by a factor of at most ``exp(c h^2 / 8)``, and the chord of a
    power with an exponent in [0, 1] from the straight one by ``h^2 / 32``.

    Parameters
    ----------
    rows
        Rows that have a rate, shape ``(n,)``.
    count
        Of rates, >= 2.
    near
        Rates of each row, shape ``(n, any)``, around which half of the samples lie; nan stands for the fastest.

    Returns
    -------
    gbps, throughput
        Shape ``(n, count)`` each.
    lift
        Factor less 1 by which each step of the interpolation must be lifted to lie nowhere below the curve, shape
        ``(n, count - 1)``; nan where the family names no bound on its curvature: then the curve only rises.
    """
    ways = table.ways.take(rows)
    low, high = np.log(table.slowest[rows]), np.log(ways.gbps)
    around = np.empty((len(rows), 0))
    if near is not None:
        wide = np.maximum(high - low, 1e-300)[:, None]
        around = np.nan_to_num(np.clip((np.log(near) - low[:, None]) / wide, 0.0, 1.0), nan=1.0)
    logs = low[:, None] + (high - low)[:, None] * _steps(count, around)
    gbps = np.exp(logs)
    gbps[:, -1] = ways.gbps  # exactly, whatever rounding says
    # jobs of one kind have the same rows: each is evaluated once
    curve_of = {(j, p): name for j, p, name in _curves(instance, table, rows)}
    names = {name: k for k, name in enumerate(dict.fromkeys(curve_of.values()))}
    pair = zip(table.job[rows].tolist(), ways.pool.tolist(), strict=True)
    curve = np.array([names[curve_of[j, p]] for j, p in pair], dtype=np.float64)
    own = np.array([not name for name in names], dtype=bool)[curve.astype(np.int64)]
    key = np.column_stack(
        [
            curve, ways.gpus, ways.nodes, ways.servers, np.nan_to_num(ways.local_batch), ways.accumulation, low, high,
            np.where(own, rows, -1), *around.T,
        ]
    )  # fmt: skip
    _, one, back = np.unique(key, axis=0, return_index=True, return_inverse=True)
    back = back.ravel()
    some = ways.take(one.repeat(count))
    rates = throughputs(instance, table.pools, table.job[rows][one].repeat(count), some, gbps[one].ravel())
    lift = np.zeros((len(one), count - 1))
    for name, number in names.items():
        mine = np.flatnonzero(curve[one] == number)
        if name:
            points = points_of(ways.take(one[mine]), ways.gbps[one[mine]])
            bend = instance.curves[name].rate_curvature(points)
            step = np.diff(logs[one[mine]], axis=1)
            lift[mine] = np.exp((bend[:, None] + 0.25) * step**2 / 8 * (1 + step)) - 1
    return gbps, rates.reshape(-1, count)[back], lift[back]


def _steps(count: int, around: FloatArray) -> FloatArray:
    """Return parts of a range from 0 to 1, shape ``(n, count)``: even ones, or half of them ever denser around points.

    The latter are quantiles of an even density and one that falls with the distance ``d`` from a point as
    ``1 / sqrt(d^2 + _FOCUS^2)``, whose integral is ``asinh(d / _FOCUS)``.
    """
    even = np.linspace(0.0, 1.0, count)
    if around.shape[1] == 0:
        return np.broadcast_to(even, (len(around), count))
    table = np.linspace(0.0, 1.0, 4 * count)
    found = np.empty((len(around), count))
    for k, points in enumerate(around):
        parts = np.arcsinh((table - points[:, None]) / _FOCUS)
        parts -= parts[:, :1]
        found[k] = np.interp(even, (table + (parts / parts[:, -1:]).mean(axis=0)) / 2, table)
    found[:, 0], found[:, -1] = 0.0, 1.0
    return found


def _curves(instance: Instance, table: Configurations, rows: IntArray) -> list[tuple[int, int, str]]:
    """Return (job, pool, name of the curve) of rows; a listed row has a constant of its own, called ''."""
    found = []
    for j, p in set(zip(table.job[rows].tolist(), table.ways.pool[rows].tolist(), strict=True)):
        found.append((j, p, instance.jobs[j].curves.get(table.pools[p].gpu_type, "")))
    return found
