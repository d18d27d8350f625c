"""Throughput as a function of the assigned network rate, sampled so that what lies between the samples is bounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, distinct
from optsched.instance import Instance
from optsched.problem.configurations.table import Configurations, by_curve, points_of

__all__ = ["rising", "sampled"]

_FOCUS = 1e-3
"""How near to a rate of interest the samples lie densest, as a part of the logarithmic range."""
_CHUNK = 2048
"""Rows that are evaluated at a time, so that their rates stay in the cache."""


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
    columns = table.columns.take(rows)
    low, high = np.log(table.slowest[rows]), np.log(columns.gbps)
    around = np.empty((len(rows), 0))
    if near is not None:
        wide = np.maximum(high - low, 1e-300)[:, None]
        around = np.nan_to_num(np.clip((np.log(near) - low[:, None]) / wide, 0.0, 1.0), nan=1.0)
    logs = low[:, None] + (high - low)[:, None] * _steps(count, around)
    gbps = np.exp(logs)
    gbps[:, -1] = columns.gbps  # exactly, whatever rounding says
    throughput = np.repeat(columns.throughput[:, None], count, axis=1)
    lift = np.zeros((len(rows), count - 1))
    for name, mine in by_curve(instance, table.pools, table.job[rows], columns.pool):
        if not name:  # what a job lists is as fast at any rate
            continue
        curve, points = instance.curves[name], points_of(columns.take(mine), columns.gbps[mine])
        # jobs of one kind have the same points: each is evaluated once
        key = np.column_stack(
            [
                points.gpus,
                points.nodes,
                points.servers,
                points.local_batch,
                points.accumulation,
                low[mine],
                high[mine],
                *around[mine].T,
            ]
        )
        one, back = distinct(key)
        for start in range(0, len(one), _CHUNK):
            part = one[start : start + _CHUNK]
            every = np.repeat(part, count)
            rates = curve.throughput(replace(points.take(every), gbps=gbps[mine[part]].ravel()))
            throughput[mine[part]] = rates.reshape(-1, count)
            bend = curve.rate_curvature(points.take(part))[:, None]
            step = np.diff(logs[mine[part]], axis=1)
            lift[mine[part]] = np.expm1((bend + 0.25) * step**2 / 8 * (1 + step))
        if len(one) < len(mine):
            throughput[mine], lift[mine] = throughput[mine[one[back]]], lift[mine[one[back]]]
    return gbps, throughput, lift


def rising(instance: Instance, table: Configurations, rows: IntArray) -> NDArray[np.bool_]:
    """Return which rows that have a rate are known to run no slower at a faster one, shape ``(n,)``."""
    columns = table.columns.take(rows)
    rises = np.ones(len(rows), dtype=bool)
    for name, mine in by_curve(instance, table.pools, table.job[rows], columns.pool):
        if name:
            rises[mine] = instance.curves[name].rate_rises(points_of(columns.take(mine), columns.gbps[mine]))
    return rises


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
