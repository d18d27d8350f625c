"""Shares of resource types: how much of its time each job has of each type, by utility of its rate.

    maximize   sum_j w_j u(sum_i r_ji x_ji)      u(y) = y or log y
    subject to sum_i x_ji <= 1 for every job j,  sum_j x_ji <= c_i for every type i,  x >= 0

With prices p for the types each job chooses for itself. In the plane of cost and rate what it may have is the convex
hull of the origin and of the points (p_i, r_i), so that its best is a part of one type, or a mix of two: one of few
candidates in closed form. The maximum over these is smoothed by a temperature (entropic smoothing: Nesterov, Math.
Prog. 103 (2005)), Newton's method finds the prices, and the smoothed choices are shares that fit the capacities.
The dual at these prices bounds every assignment, whatever the temperature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched._util.newton import Local, minimize
from optsched.errors import InputError, shown

__all__ = ["Shared", "shares"]

Utility = Literal["linear", "log"]

_BLOCK = 8_192
"""Jobs at a time: the arrays of their candidates stay in the cache."""
_SAMPLES = ((20_000, (0.3, 0.1, 0.03, 0.01, 0.003)), (200_000, (0.001, 0.0003)))
"""Jobs that the first temperatures look at, and these, as parts of the mean worth of a job: the error of a sample's
prices, about 1 / sqrt(jobs), is no more than what the next temperature has to bridge."""
_COLD = (1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8)
"""Temperatures over all jobs, until the gap is proven."""


@dataclass(frozen=True)
class Shared:
    """Shares and their proof.

    shares
        Of each job and type, shape ``(jobs, types)``; they keep all capacities.
    value, bound
        The sum of utilities, and a proven bound on any.
    gap
        Of the two, relative to the larger of the value and, for log, of the sum of weights.
    prices
        Utility per unit of each type, shape ``(types,)``.
    """

    shares: FloatArray
    value: float
    bound: float
    gap: float
    prices: FloatArray


def shares(
    rate: FloatArray,
    capacity: FloatArray,
    weight: FloatArray | None = None,
    *,
    utility: Utility = "linear",
    gap: float = 1e-6,
) -> Shared:
    """Return shares of the greatest utility.

    Parameters
    ----------
    rate
        Of each job on each type when it has it all the time, >= 0, shape ``(jobs, types)``; for log some > 0.
    capacity
        Of each type, > 0, in jobs that run on it all the time, shape ``(types,)``.
    gap
        To be proven.

    Raises
    ------
    InputError
        For arrays that do not fit each other, and numbers that are none of these.
    """
    weights = np.ones(len(rate)) if weight is None else np.asarray(weight, dtype=np.float64)
    _check(rate, capacity, weights, utility)
    data = _data(rate, weights, utility)
    size, prices = _scale(data, capacity)
    for jobs, temperatures in _SAMPLES:
        some, less = data, capacity
        if len(rate) > 2 * jobs:  # any fixed seed does: equal input gives an equal sample
            some = data.take(np.sort(np.random.default_rng(0).choice(len(rate), jobs, replace=False)))
            less = capacity * (jobs / len(rate))
        for heat in temperatures:
            prices = _prices(some, less, prices, heat * size)
    best: Shared | None = None
    for heat in _COLD:
        prices = _prices(data, capacity, prices, heat * size)
        found = _shared(data, capacity, prices, heat * size)
        if best is not None:
            better = found if found.value >= best.value else best
            found = _proven(better, min(best.bound, found.bound), data)
        best = found
        if best.gap <= gap:
            break
    assert best is not None
    return best


def _check(rate: FloatArray, capacity: FloatArray, weights: FloatArray, utility: Utility) -> None:
    if rate.ndim != 2 or len(rate) == 0 or capacity.shape != rate.shape[1:] or weights.shape != rate.shape[:1]:
        raise InputError("rates of shape (jobs, types), capacities (types,) and weights (jobs,)", path="rate")
    if not (np.all(np.isfinite(rate)) and np.all(rate >= 0) and np.all(capacity > 0) and np.all(weights > 0)):
        raise InputError("rates >= 0, capacities > 0 and weights > 0", path="rate")
    if utility not in ("linear", "log"):
        raise InputError("linear or log", path="utility", value=shown(utility))
    if utility == "log" and not np.all(rate.max(axis=1) > 0):
        raise InputError("for log a rate > 0 of every job", path="rate")


@dataclass(frozen=True)
class _Data:
    """What does not depend on prices; the last axis is that of the jobs.

    rate, weight
        Shapes ``(types, jobs)`` and ``(jobs,)``.
    worth
        w r for linear, w log r for log: shape ``(types, jobs)``.
    part_worth
        w log w (log only), shape ``(jobs,)``.
    mix, turn, faster
        For each pair of types i < j (log only): w (log w + log |r_j - r_i|) - w, r_i / (r_j - r_i), and whether
        r_j > r_i; shape ``(pairs, jobs)``.
    """

    utility: Utility
    rate: FloatArray
    weight: FloatArray
    worth: FloatArray
    part_worth: FloatArray
    mix: FloatArray
    turn: FloatArray
    faster: NDArray[np.bool_]

    def take(self, jobs: IntArray | slice) -> _Data:
        """Return some of the jobs."""
        arrays = (getattr(self, f.name)[..., jobs] for f in fields(self)[1:])
        return _Data(self.utility, *arrays)

    def blocks(self) -> Iterator[tuple[slice, _Data]]:
        """Yield ranges of jobs that fit the cache."""
        for begin in range(0, len(self.weight), _BLOCK):
            part = slice(begin, begin + _BLOCK)
            yield part, self.take(part)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of types, in the order of ``mix``."""
        return list(combinations(range(len(self.rate)), 2)) if self.utility == "log" else []


def _data(rate: FloatArray, weight: FloatArray, utility: Utility) -> _Data:
    rates = np.ascontiguousarray(rate.T, dtype=np.float64)
    none = np.empty((0, len(weight)))
    if utility == "linear":
        return _Data(utility, rates, weight, weight * rates, none, none, none, none.astype(bool))
    first, second = (
        (np.array(side) for side in zip(*combinations(range(len(rates)), 2), strict=True))
        if len(rates) > 1
        else (np.empty(0, dtype=int),) * 2
    )
    more = rates[second] - rates[first]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(weight)
        mix = weight * (logs + np.log(np.abs(more))) - weight
        turn = np.where(more == 0, np.inf, rates[first] / more)  # equal rates: no mix
        return _Data(utility, rates, weight, weight * np.log(rates), weight * logs, mix, turn, more > 0)


def _scale(data: _Data, capacity: FloatArray) -> tuple[float, FloatArray]:
    """Return what a mean job is worth, the unit of temperatures, and prices to begin from."""
    if data.utility == "linear":
        size = float((data.worth.max(axis=0)).mean()) or 1.0
        return size, 0.3 * size * np.ones(len(capacity))
    mean = data.rate.mean(axis=1) + 1e-3 * data.rate.mean() * np.arange(1, len(capacity) + 1)
    return float(data.weight.mean()), float(data.weight.sum()) * mean / float(capacity @ mean)


Choice = tuple[int, FloatArray | float, int, FloatArray | float]
"""Shares of a candidate: a type and its part, another type and its part."""


def _candidates(data: _Data, prices: FloatArray) -> tuple[FloatArray, list[Choice]]:
    """Return the values of what each job may choose, shape ``(candidates, jobs)``; its best is among them."""
    types, w = len(prices), data.weight
    if data.utility == "linear":
        values = np.zeros((types + 1, len(w)))  # the last is nothing
        np.subtract(data.worth, prices[:, None], out=values[:types])
        return values, [*((i, 1.0, i, 0.0) for i in range(types)), (0, 0.0, 0, 0.0)]
    choices: list[Choice] = []
    values = np.empty((types + len(data.mix), len(w)))
    for i in range(types):
        price = max(float(prices[i]), 1e-300)
        whole = w >= price
        part = np.where(whole, 1.0, w / price)
        choices.append((i, part, i, 0.0))
        values[i] = data.worth[i] + np.where(whole, -price, data.part_worth - w * (1.0 + np.log(price)))
    for k, (i, j) in enumerate(data.pairs):
        dearer, faster = float(prices[j] - prices[i]), data.faster[k]
        # all of the time on two types: w R' / R = c' at the rate R = w R' / c'; where the faster type is no dearer, it
        # is the better one. At its ends a mix is one type all of the time, so that values are continuous in prices
        other = np.clip(w / dearer - data.turn[k], 0.0, 1.0) if dearer else faster.astype(np.float64)
        if dearer > 0:
            other[~faster] = 0.0
        elif dearer < 0:
            other[faster] = 1.0
        ends = np.where(other > 0, data.worth[j] - prices[j], data.worth[i] - prices[i])
        inside = (other > 0) & (other < 1)
        mixed = data.mix[k] - prices[i] - (w * np.log(abs(dearer)) if dearer else 0.0)
        values[types + k] = np.where(inside, mixed + np.where(inside, data.turn[k], 0.0) * dearer, ends)
        choices.append((i, 1.0 - other, j, other))
    return values, choices


def _softened(values: FloatArray, heat: float) -> tuple[FloatArray, FloatArray]:
    """Return the smoothed best value of each job, and the weights of candidates, which sum to 1; uses ``values``."""
    most = values.max(axis=0)
    values -= most
    values *= 1.0 / heat
    np.maximum(values, -60.0, out=values)  # e^-60 is nothing, and slow where it is no ordinary number
    np.exp(values, out=values)
    total = values.sum(axis=0)
    values /= total
    return most + heat * np.log(total), values


def _prices(data: _Data, capacity: FloatArray, start: FloatArray, heat: float) -> FloatArray:
    """Return the prices of the least smoothed dual."""
    log = data.utility == "log"

    def evaluate(prices: FloatArray) -> Local:
        value, gradient = float(capacity @ prices), capacity.copy()
        hessian = np.zeros((len(prices), len(prices)))
        for _, block in data.blocks():
            values, choices = _candidates(block, prices)
            soft, chance = _softened(values, heat)
            value += float(soft.sum())
            mean = np.zeros((len(prices), len(soft)))
            for p, (i, a, j, b) in zip(chance, choices, strict=True):
                pa = p * a
                mean[i] += pa
                hessian[i, i] += float(np.sum(pa * a)) / heat
                if i != j:
                    pb = p * b
                    mean[j] += pb
                    cross = float(np.sum(pb * a)) / heat
                    hessian[i, j] += cross
                    hessian[j, i] += cross
                    hessian[j, j] += float(np.sum(pb * b)) / heat
                    # the mix moves by -w / c'^2 with c' = p_j - p_i
                    some = (b > 0) & (b < 1)
                    bend = float(p[some] @ block.weight[some])
                    if bend > 0:
                        bend /= (prices[j] - prices[i]) ** 2
                        hessian[[i, j], [i, j]] += bend
                        hessian[[i, j], [j, i]] -= bend
                elif log:
                    # a part of one type falls by w / p_i^2
                    some = np.asarray(a) < 1
                    hessian[i, i] += float(p[some] @ block.weight[some]) / max(prices[i] ** 2, 1e-300)
            gradient -= mean.sum(axis=1)
            hessian -= mean @ mean.T / heat
        return Local(value, gradient, hessian)

    size = float(data.weight.sum()) if log else abs(float(capacity @ start)) + 1e-300
    return minimize(evaluate, start, steps=25, tolerance=1e-14, scale=size).point


def _shared(data: _Data, capacity: FloatArray, prices: FloatArray, heat: float) -> Shared:
    """Return the smoothed choices, scaled to fit the capacities, and the dual without smoothing."""
    found = np.zeros(data.rate.shape)
    bound = float(capacity @ prices)
    for part, block in data.blocks():
        values, choices = _candidates(block, prices)
        bound += float(values.max(axis=0).sum())
        _, chance = _softened(values, heat)
        for p, (i, a, j, b) in zip(chance, choices, strict=True):
            found[i, part] += p * a
            if i != j:
                found[j, part] += p * b
    found *= np.minimum(1.0, capacity / np.maximum(found.sum(axis=1), 1e-300))[:, None]
    reached = np.einsum("ij,ij->j", data.rate, found)
    with np.errstate(divide="ignore"):
        value = float(data.weight @ (reached if data.utility == "linear" else np.log(reached)))
    return _proven(Shared(found.T, value, bound, 0.0, prices), bound, data)


def _proven(found: Shared, bound: float, data: _Data) -> Shared:
    size = max(abs(found.value), float(data.weight.sum()) if data.utility == "log" else 0.0, 1e-300)
    return Shared(found.shares, found.value, bound, max(0.0, bound - found.value) / size, found.prices)
