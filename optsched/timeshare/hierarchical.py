"""Hierarchical policies: tenants share by weight, and each divides its own share (Gavel, sec. 4.3).

All jobs' normalized throughputs ``rate_j / equal_j`` rise together: a tenant's sum in proportion to its weight,
inside it in proportion to the jobs' weights (``"fair"``) or for the first job of its queue (``"fifo"``). A job
that can rise no further leaves its part to the others of its tenant; a tenant without such jobs
stops, and its part is not given to other tenants, which go on at their own pace. What stops whom is
found by water filling (:mod:`optsched.timeshare.water_filling`): what jobs reach by themselves bends the path
and takes no program.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError, shown
from optsched.timeshare.certificate import held, possible_gain, repaired
from optsched.timeshare.data import per_job
from optsched.timeshare.market import Market, columns, merged
from optsched.timeshare.shares import Shares, nothing, shares
from optsched.timeshare.water_filling import fill

__all__ = ["hierarchical"]

_INSIDE = ("fair", "fifo")


def hierarchical(
    market: Market,
    tenant: Sequence[Hashable],
    *,
    weight: Mapping[Any, float] | None = None,
    inside: str | Mapping[Any, str] = "fair",
    place: ArrayLike | None = None,
) -> Shares:
    """Fill tenants by weight.

    The value is the least sum of normalized throughputs of a tenant per its weight; the bound is the value, raised by
    the largest part by which any job could still gain without one that stopped no later losing.

    Parameters
    ----------
    tenant
        Of each job.
    weight
        Of tenants, > 0; those left out weigh 1.
    inside
        "fair" or "fifo", for all tenants or by tenant (those left out are fair).
    place
        Places in the queues of tenants that are "fifo", smallest first; default: the order of the jobs.
    """
    if len(tenant) != market.jobs:
        raise InputError(f"a tenant for each of {market.jobs} jobs", path="tenant", value=f"{len(tenant)}")
    names = list(dict.fromkeys(tenant))
    rules = {n: inside if isinstance(inside, str) else inside.get(n, "fair") for n in names}
    weights = np.array([(weight or {}).get(n, 1.0) for n in names], dtype=np.float64)
    for name, rule in rules.items():
        if rule not in _INSIDE:
            raise InputError(" or ".join(map(repr, _INSIDE)), path=f"inside[{name!r}]", value=shown(rule))
    if not ((weights > 0) & np.isfinite(weights)).all():
        raise InputError("finite weights > 0", path="weight")
    number = {name: k for k, name in enumerate(names)}
    whose = np.array([number[n] for n in tenant], dtype=np.float64)
    queue = np.arange(market.jobs, dtype=np.float64) if place is None else per_job(place, market, "place")
    queued = np.array([rules[n] == "fifo" for n in names])
    if (queued[whose.astype(np.int64)] & (market.many > 1)).any():
        raise InputError("single jobs, no kinds of several, in a queue", path="many")
    queue = np.where(queued[whose.astype(np.int64)], queue, 0.0)
    of, kind, (whose, queue, unit) = merged(market, whose, queue, market.equal_share)
    ways = columns(of)
    members = [np.flatnonzero(whose == k) for k in range(len(names))]
    members = [m[np.argsort(queue[m], kind="stable")] if queued[k] else m for k, m in enumerate(members)]

    def path(
        stays: NDArray[np.bool_], rate: FloatArray, cap: FloatArray
    ) -> tuple[Callable[[float], FloatArray], float]:
        going = [m[~stays[m] & (cap[m] > rate[m])] for m in members]
        room = (cap - rate) / unit
        top = max((float((of.many * room)[m].sum()) / weights[k] for k, m in enumerate(going)), default=0.0)
        rises = [
            _queue(room[m]) if queued[k] else _fair(room[m], of.weight[m], of.many[m]) for k, m in enumerate(going)
        ]

        def rates(level: float) -> FloatArray:
            now = rate.copy()
            for k, m in enumerate(going):
                now[m] += unit[m] * rises[k](level * weights[k])
            return np.minimum(now, cap)

        return rates, top

    filled = fill(of, ways, path)
    time = None if filled is None else repaired(of, ways, filled.time)
    if filled is None or time is None:
        return nothing("hierarchical", market, "unknown", "no engine found shares")
    now = held(of, ways, time)
    gain = possible_gain(of, ways, filled.stages, now.rate)
    sums = np.bincount(whose.astype(np.int64), weights=of.many * now.rate / unit) / weights
    value = float(sums.min())
    prices = filled.stages[0].duals[0].prices
    notes = (f"{len(filled.stages)} stages",)
    return shares("hierarchical", of, ways, kind, time, now, value, value * (1.0 + gain), prices, filled.steps, notes)


def _fair(room: FloatArray, weight: FloatArray, many: FloatArray) -> Callable[[float], FloatArray]:
    """Return how a tenant's sum divides in proportion to weights, none beyond its room."""
    order: IntArray = np.argsort(room / weight)
    full = (room / weight)[order]
    speed = (many * weight)[order]
    still = np.cumsum(speed[::-1])[::-1]
    total = np.concatenate([[0.0], np.cumsum(np.diff(full, prepend=0.0) * still)])
    ends = np.concatenate([[0.0], full])
    return lambda amount: np.minimum(weight * np.interp(amount, total, ends), room)


def _queue(room: FloatArray) -> Callable[[float], FloatArray]:
    """Return how a tenant's sum goes to the first of a queue, up to its room, then to the next."""
    before = np.cumsum(room) - room
    return lambda amount: np.clip(amount - before, 0.0, room)
