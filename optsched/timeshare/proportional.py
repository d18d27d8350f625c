"""Proportional fairness: the greatest weighted sum of logarithms of throughputs (Nash welfare).

Jobs of equal gangs are divisible shares, for which one price a GPU type is enough: the dual is smooth and has as many
unknowns as there are types, whatever the number of jobs (:mod:`optsched.timeshare.divisible`; Eisenberg and Gale, Ann.
Math. Statist. 30 (1959)).
"""

from __future__ import annotations

import numpy as np

from optsched._util.numeric import relative
from optsched.errors import InputError
from optsched.timeshare.divisible import shares as divided
from optsched.timeshare.market import Market
from optsched.timeshare.shares import GAP, Shares

__all__ = ["proportional"]


def proportional(market: Market) -> Shares:
    """Maximize ``sum_j weight_j log(rate_j / equal_j)``; ``equal_j`` is the throughput on an equal share of all GPUs.

    Raises
    ------
    InputError
        For jobs of unequal gangs, and for pairs.
    """
    if market.pairs is not None:
        raise InputError("jobs that run alone: proportional fairness knows no pairs", path="pairs")
    gang = float(market.gang[0])
    if (market.gang != gang).any():
        raise InputError("equal gangs of all jobs, for instance by gpus=1", path="gang", value=f"{market.gang.max():g}")
    there = np.flatnonzero(market.capacity > 0)
    each = np.repeat(np.arange(market.jobs), market.many.astype(np.int64))
    unit = market.equal_share
    rate = (market.throughput / unit[:, None])[:, there]
    found = divided(rate[each], market.capacity[there] / gang, market.weight[each], utility="log", gap=GAP / 10)
    fraction = np.zeros(market.throughput.shape)
    for column, k in enumerate(there.tolist()):
        fraction[:, k] = np.bincount(each, found.shares[:, column], market.jobs) / market.many
    got = (market.throughput * fraction).sum(axis=1)
    prices = np.zeros(market.types)
    prices[there] = found.prices / gang
    value = float(market.many @ (market.weight * np.log(got / unit)))
    bound = max(value, found.bound)
    small = relative(bound - value, max(abs(value), float(market.many @ market.weight)))
    return Shares(
        "proportional",
        "optimal" if small <= GAP else "feasible",
        fraction,
        np.zeros(0),
        got,
        value,
        bound,
        prices,
    )
