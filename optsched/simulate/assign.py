"""One configuration a job within the GPUs of each type, for the largest sum of values: what many policies ask for.

A multiple-choice knapsack with a capacity for each type. Prices of the types are found by the subgradient method with
Polyak's steps; a plan at the prices is repaired and improved by single moves. Where the bound says that it is not good
enough, the rows that an optimum may use (by reduced costs) go to a dynamic program over the GPUs in use, or to HiGHS
where that would be too large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray

__all__ = ["Assignment", "best_rows"]

_STEPS = 40
_STATES = 1e8
"""Rows times states up to which the dynamic program is used."""

_LARGE = 20_000
"""Rows beyond which the repaired plan is taken as it is."""


@dataclass(frozen=True, eq=False)
class Assignment:
    """The row of each job (an index into the rows given; -1: none), its value, a bound on any, and the prices."""

    row: IntArray
    value: float
    bound: float
    prices: FloatArray


def best_rows(
    job: IntArray,
    gpu_type: IntArray,
    gpus: IntArray,
    value: FloatArray,
    capacity: IntArray,
    jobs: int,
    *,
    prices: FloatArray | None = None,
    tolerance: float = 2e-3,
) -> Assignment:
    """Return the assignment with the largest sum of values, within ``tolerance`` of the optimum.

    Parameters
    ----------
    job, gpu_type, gpus, value
        Of each row, shape ``(m,)``, the rows of a job next to each other. Rows of value <= 0 are never taken.
    prices
        Of the types, to begin from.
    """
    good = np.flatnonzero((value > 0) & (gpus <= capacity[gpu_type]))
    nothing = np.full(jobs, -1, dtype=np.int64)
    if not len(good):
        return Assignment(nothing, 0.0, 0.0, np.zeros(len(capacity)))
    j, t, g, v = job[good], gpu_type[good], gpus[good], value[good]
    begin = np.flatnonzero(np.diff(j, prepend=-1) != 0)
    owner = j[begin]
    price = np.zeros(len(capacity)) if prices is None else prices.copy()
    best, bound, best_price = nothing, np.inf, price
    value_of, gap, since = 0.0, 0.1, 0
    for step in range(_STEPS):
        net = v - price[t] * g
        most = np.maximum(np.maximum.reduceat(net, begin), 0.0)
        dual = float(most.sum() + price @ capacity)
        if dual < bound:
            gap = gap if bound == np.inf or bound - dual > 0.1 * gap * bound else gap / 2
            bound, best_price, since = dual, price, 0
        else:
            since += 1
            gap = gap / 2 if since % 3 == 0 else gap
        wins = _winners(net, begin, most)
        load = np.bincount(t[wins], weights=g[wins], minlength=len(capacity))
        slope = capacity - load
        slope[(price <= 0) & (slope > 0)] = 0.0
        norm = float(slope @ slope)
        last = step == _STEPS - 1 or norm == 0 or gap < tolerance / 8
        if last or (step >= 10 and step % 10 == 0):
            chosen = nothing.copy()
            chosen[j[wins]] = wins
            plan = _improved(chosen, j, t, g, v, capacity)
            total = float(v[plan[plan >= 0]].sum())
            if total > value_of:
                best, value_of = plan, total
        if last or bound - value_of <= tolerance * abs(value_of):
            break
        target = max(value_of, bound * (1 - gap))
        price = np.maximum(0.0, price - (dual - target) / norm * slope)
    if bound - value_of > tolerance * abs(value_of) and len(good) <= _LARGE:
        net = v - best_price[t] * g
        most = np.maximum(np.maximum.reduceat(net, begin), 0.0)
        loss = np.repeat(most, np.diff(np.append(begin, len(net)))) - net
        kept = np.flatnonzero(loss <= bound - value_of + 1e-9)
        states = len(kept) * float(np.prod(capacity + 1.0))
        solve = _by_states if states <= _STATES else _by_milp
        exact = solve(kept, j, t, g, v, capacity, owner, tolerance / 2)
        if exact is not None and float(v[exact].sum()) > value_of:
            best = nothing.copy()
            best[j[exact]] = exact
            value_of = float(v[exact].sum())
    return Assignment(np.where(best >= 0, good[best], -1), value_of, max(bound, value_of), best_price)


def _winners(net: FloatArray, begin: IntArray, most: FloatArray) -> IntArray:
    """Return the first best row of each job whose best is worth its price."""
    size = np.diff(np.append(begin, len(net)))
    top = np.flatnonzero((net >= np.repeat(most, size)) & (net > 0))
    group = np.repeat(np.arange(len(begin)), size)[top]
    return np.asarray(top[np.diff(group, prepend=-1) != 0])


def _improved(
    chosen: IntArray, job: IntArray, gpu_type: IntArray, gpus: IntArray, value: FloatArray, capacity: IntArray
) -> IntArray:
    """Return a plan that fits: moves that lose least for each GPU freed, then moves that gain most."""
    chosen = chosen.copy()
    held = chosen[chosen >= 0]
    left = capacity - np.bincount(gpu_type[held], weights=gpus[held], minlength=len(capacity)).astype(np.int64)
    for _ in range(4 * len(chosen) + 16):
        mine = chosen[job]
        has = mine >= 0
        own_type = np.where(has, gpu_type[mine], -1)
        own_gpus = np.where(has, gpus[mine], 0)
        gain = value - np.where(has, value[mine], 0.0)
        if (left < 0).any():
            t = int(np.argmin(left))
            freed = np.where(own_type == t, own_gpus, 0) - np.where(gpu_type == t, gpus, 0)
            fits = (gpu_type == t) | (gpus <= left[gpu_type])
            score = np.where((freed > 0) & fits, gain / np.maximum(freed, 1), -np.inf)
            row = int(np.argmax(score))
            users = np.flatnonzero((chosen >= 0) & (gpu_type[chosen] == t))
            drop = -value[chosen[users]] / gpus[chosen[users]]
            k = int(np.argmax(drop))
            if drop[k] >= score[row]:
                left[t] += gpus[chosen[users[k]]]
                chosen[users[k]] = -1
                continue
        else:
            room = left[gpu_type] + np.where(own_type == gpu_type, own_gpus, 0)
            allowed = (gpus <= room) & (gain > 1e-12)
            if not allowed.any():
                break
            row = int(np.argmax(np.where(allowed, gain, -np.inf)))
        j = job[row]
        if chosen[j] >= 0:
            left[gpu_type[chosen[j]]] += gpus[chosen[j]]
        left[gpu_type[row]] -= gpus[row]
        chosen[j] = row
    return chosen


def _by_states(
    kept: IntArray,
    job: IntArray,
    gpu_type: IntArray,
    gpus: IntArray,
    value: FloatArray,
    capacity: IntArray,
    owner: IntArray,
    gap: float,
) -> IntArray | None:
    """Return the rows of an optimum among those kept, job by job over the GPUs of each type in use."""
    best = np.zeros(capacity + 1)
    first = np.flatnonzero(np.diff(job[kept], prepend=-1) != 0)
    groups = np.split(kept, first[1:]) if len(first) else []
    choices = []
    for group in groups:
        after, choice = best.copy(), np.full(best.shape, -1, dtype=np.int32)
        for row in group.tolist():
            t, g = int(gpu_type[row]), int(gpus[row])
            to = (slice(None),) * t + (slice(g, None),)
            source = (slice(None),) * t + (slice(None, best.shape[t] - g),)
            offer = best[source] + value[row]
            wins = offer > after[to]
            after[to] = np.where(wins, offer, after[to])
            choice[to] = np.where(wins, row, choice[to])
        best = after
        choices.append(choice)
    at = capacity.copy()
    rows = []
    for choice in reversed(choices):
        row = int(choice[tuple(at)])
        if row >= 0:
            rows.append(row)
            at[gpu_type[row]] -= gpus[row]
    return np.array(sorted(rows), dtype=np.int64)


def _by_milp(
    kept: IntArray,
    job: IntArray,
    gpu_type: IntArray,
    gpus: IntArray,
    value: FloatArray,
    capacity: IntArray,
    owner: IntArray,
    gap: float,
) -> IntArray | None:
    """Return the rows of an optimum among those kept, by HiGHS in this process."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    place = np.searchsorted(owner, job[kept])
    column = np.arange(len(kept))
    rows = np.concatenate([place, len(owner) + gpu_type[kept]])
    weights = np.concatenate([np.ones(len(kept)), gpus[kept]])
    shape = (len(owner) + len(capacity), len(kept))
    matrix = coo_array((weights, (rows, np.concatenate([column, column]))), shape=shape).tocsc()
    limit = np.concatenate([np.ones(len(owner)), capacity])
    found = milp(
        -value[kept],
        constraints=LinearConstraint(matrix, -np.inf, limit),
        integrality=np.ones(len(kept), dtype=np.int64),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": gap, "node_limit": 2000},
    )
    return None if found.x is None else kept[found.x > 0.5]
