"""Closed queueing networks, solved by exact mean value analysis (MVA).

Reiser & Lavenberg, "Mean-value analysis of closed multichain queuing networks", J. ACM 27(2), 1980.
For a population ``k = 1, 2, ...`` with think time ``Z`` and demands ``D_s``::

    R_s(k) = D_s (1 + Q_s(k - 1))        an arriving customer sees the queue of k - 1 customers
    X(k)   = k / (Z + sum_s R_s(k))
    Q_s(k) = X(k) R_s(k)

``X`` grows with ``k``, falls with every demand, and never exceeds ``1 / max_s D_s``.
"""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray

__all__ = ["closed_throughput"]


def closed_throughput(population: FloatArray, think: FloatArray, demands: FloatArray) -> FloatArray:
    """Return completions per second of closed networks by the exact recursion, all networks at once.

    Parameters
    ----------
    population
        Customers (workers), at least 1, shape ``(...)``. A fractional population is interpolated
        between its integer neighbours, so that the result stays continuous.
    think
        Seconds at the delay station (no queueing), shape ``(...)``.
    demands
        Seconds of service per visit of each queueing station, shape ``(stations, ...)``.

    The recursion takes ``max(population)`` passes over the arrays.

    Raises
    ------
    ValueError
        If a population is below 1 or a time is negative.
    """
    population, think = np.broadcast_arrays(population, think)
    if np.any(population < 1):
        raise ValueError("a closed network needs a population of at least 1")
    if np.any(think < 0) or np.any(demands < 0):
        raise ValueError("think times and demands cannot be negative")
    below = np.floor(population)
    fraction = population - below
    queue = np.zeros(np.broadcast_shapes(demands.shape, (1, *think.shape)))
    result = np.zeros(queue.shape[1:])
    for customers in range(1, int(np.ceil(population.max(initial=0.0))) + 1):
        queue += 1.0
        queue *= demands
        rate = customers / (think + queue.sum(axis=0))
        queue *= rate
        result += np.where(below == customers, (1 - fraction) * rate, 0.0)
        result += np.where(below + 1 == customers, fraction * rate, 0.0)
    return result
