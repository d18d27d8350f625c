"""Users whose tasks each take a fixed amount of every resource, and who may run parts of tasks (Leontief utilities)."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray
from optsched._util.newton import Local, minimize
from optsched.errors import InputError

__all__ = ["dominant_shares", "nash_welfare"]


def _checked(demand: FloatArray, capacity: FloatArray, weight: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Return demands as parts of the capacities, and the weights."""
    if demand.ndim != 2 or capacity.shape != demand.shape[1:]:
        raise InputError("demands of shape (users, resources) and capacities (resources,)", path="demand")
    weights = np.ones(len(demand)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not (np.all(capacity > 0) and np.all(demand >= 0) and np.all(demand.max(axis=1, initial=0.0) > 0)):
        raise InputError("capacities > 0, and of every user demands >= 0 of which some is > 0", path="demand")
    if weights.shape != (len(demand),) or not np.all(weights > 0):
        raise InputError("one weight > 0 for each user", path="weight")
    return demand / capacity, weights


def dominant_shares(demand: FloatArray, capacity: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    """Return the tasks of each user under dominant-resource fairness, shape ``(users,)``.

    All users' dominant shares rise together, by their weights, until a resource is full; those who need none of it go
    on: at most as many rounds as resources. Ghodsi et al., NSDI'11, sec. 4.1-4.2 (divisible tasks).

    Parameters
    ----------
    demand
        Of one task of each user, shape ``(users, resources)``.
    capacity
        Shape ``(resources,)``.
    """
    part, weights = _checked(demand, capacity, weight)
    pace = weights[:, None] * part / part.max(axis=1, keepdims=True)  # of the resources, as the level rises
    left, level = np.ones(len(capacity)), 0.0
    share, rising = np.zeros(len(part)), np.ones(len(part), dtype=bool)
    while rising.any():
        rate = rising @ pace
        used = rate > 0
        full = np.full(len(left), np.inf)
        full[used] = left[used] / rate[used]
        step = float(full.min())
        level += step
        left = np.maximum(0.0, left - step * rate)
        stops = rising & (pace[:, full <= step * (1 + 1e-12)] > 0).any(axis=1)
        share[stops] = level
        rising = rising & ~stops
    return np.asarray(share * weights / part.max(axis=1))


def nash_welfare(
    demand: FloatArray, capacity: FloatArray, weight: FloatArray | None = None
) -> tuple[FloatArray, float]:
    """Return the tasks of each user at the greatest sum of weight x log(tasks), and a proven gap of that sum.

    It is the competitive equilibrium from equal incomes. With prices p for the resources, a user spends its weight:
    tasks w / (d'p). The prices minimize ``sum_r p_r - sum_i w_i log d_i'p`` (capacities 1), a smooth convex function of
    as many unknowns as there are resources (the dual of Eisenberg and Gale, Ann. Math. Statist. 30 (1959)).

    Returns
    -------
    tasks, gap
        Shape ``(users,)``; and the bound by the dual, less the sum, over the sum of the weights.
    """
    part, weights = _checked(demand, capacity, weight)
    total = float(weights.sum())

    def dual(price: FloatArray) -> Local:
        spend = part @ price
        if not np.all(spend > 0):
            return Local(np.inf, np.zeros(len(price)), np.eye(len(price)))
        bought = weights / spend
        scaled = part * (np.sqrt(weights) / spend)[:, None]
        return Local(float(price.sum() - weights @ np.log(spend)), 1.0 - bought @ part, scaled.T @ scaled)

    # together all users spend all weights: the prices sum to that
    price = minimize(dual, np.full(len(capacity), total / len(capacity)), steps=100, tolerance=1e-15, scale=total).point
    tasks = weights / (part @ price)
    tasks /= max(1.0, float((tasks @ part).max()))
    value = float(weights @ np.log(tasks))
    bound = dual(price).value + float(weights @ np.log(weights)) - total
    return tasks, max(0.0, bound - value) / total
