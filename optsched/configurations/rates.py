"""Throughput as a function of the assigned network rate, sampled so that what lies between the samples is bounded."""

from __future__ import annotations

import numpy as np

from optsched.configurations.table import Configurations, points_of, throughputs
from optsched.curves import FloatArray, IntArray
from optsched.instance import Instance

__all__ = ["sampled"]


def sampled(
    instance: Instance, table: Configurations, rows: IntArray, count: int
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

    Returns
    -------
    gbps, throughput
        Shape ``(n, count)`` each.
    lift
        Factor less 1 by which the interpolation must be lifted to lie nowhere below the curve, shape ``(n,)``; nan
        where the family names no bound on its curvature: then the curve only rises.
    """
    ways = table.ways.take(rows)
    steps = np.linspace(0.0, 1.0, count)
    low, high = np.log(table.slowest[rows]), np.log(ways.gbps)
    gbps = np.exp(low[:, None] + (high - low)[:, None] * steps)
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
            np.where(own, rows, -1),
        ]
    )  # fmt: skip
    _, one, back = np.unique(key, axis=0, return_index=True, return_inverse=True)
    back = back.ravel()
    some = ways.take(one.repeat(count))
    rates = throughputs(instance, table.pools, table.job[rows][one].repeat(count), some, gbps[one].ravel())
    lift = np.zeros(len(one))
    for name, number in names.items():
        mine = np.flatnonzero(curve[one] == number)
        if name:
            points = points_of(ways.take(one[mine]), ways.gbps[one[mine]])
            bend = instance.curves[name].rate_curvature(points)
            step = (high - low)[one[mine]] / (count - 1)
            lift[mine] = np.exp((bend + 0.25) * step**2 / 8 * (1 + step)) - 1
    return gbps, rates.reshape(-1, count)[back], lift[back]


def _curves(instance: Instance, table: Configurations, rows: IntArray) -> list[tuple[int, int, str]]:
    """Return (job, pool, name of the curve) of rows; a listed row has a constant of its own, called ''."""
    found = []
    for j, p in set(zip(table.job[rows].tolist(), table.ways.pool[rows].tolist(), strict=True)):
        found.append((j, p, instance.jobs[j].curves.get(table.pools[p].gpu_type, "")))
    return found
