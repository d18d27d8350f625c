"""Which configuration of the front to take, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.advise.evaluate import Evaluated
from optsched.advise.front import pareto
from optsched.advise.units import duration

__all__ = ["RISK", "Choice", "choose"]

RISK = 0.1
"""Chance to miss a deadline or a budget that is taken."""


@dataclass(frozen=True)
class Choice:
    """Rows of the front by time, the row to take, and why."""

    front: IntArray
    row: int
    reason: str


def choose(
    evaluated: Evaluated, gpus: FloatArray, deadline_s: float | None = None, budget: float | None = None
) -> Choice:
    """Return the exact Pareto front, and the configuration of it to take.

    Times and costs are medians. Without prices GPU hours are the cost. With a deadline, the cheapest configuration that
    misses it with a chance of at most 10 %; with a budget alone, the fastest; with neither, the one with the least
    product of time and cost, or the fastest where there are no prices. Where none is sure enough, the surest.
    """
    time = evaluated.time_s
    priced = bool(np.isfinite(evaluated.cost).any())
    cost = np.where(np.isfinite(evaluated.cost), evaluated.cost, np.inf) if priced else time * gpus / 3600
    possible = np.flatnonzero(np.isfinite(time) & (np.isfinite(cost)))
    # of equal configurations, that with fewer GPUs comes first
    order = possible[np.argsort(gpus[possible], kind="stable")]
    front = order[pareto(time[order], cost[order], np.round(evaluated.risk[order], 6))]
    limited = deadline_s is not None or budget is not None
    sure = front[evaluated.risk[front] <= RISK] if limited else front
    name = "cost" if priced else "GPU hours"
    kept = _named(deadline_s, budget)
    if len(sure) == 0:
        row = int(front[np.lexsort((cost[front], evaluated.risk[front]))[0]])
        chance = f"with {100 * (1 - float(evaluated.risk[row])):.0f} %"
        return Choice(
            front, row, f"no configuration keeps {kept} with a chance of 90 %; this one is the surest, {chance}"
        )
    if limited:
        row = _least(sure, time, cost) if deadline_s is None else _least(sure, cost, time)
        chance = f"with a chance of at least 90 % (this one: {100 * (1 - float(evaluated.risk[row])):.0f} %)"
        best = "the fastest" if deadline_s is None else f"the least {name}"
        said = f"{best} of those that keep {kept} {chance}"
    elif priced:
        row = _least(sure, time * np.maximum(cost, 1e-300), time)
        said = f"the least product of time and cost{_compared(row, front, time, cost)}"
    else:
        row = _least(sure, time, cost)
        said = "the fastest; name --prices or a --cluster with prices to weigh time against cost"
    return Choice(front, row, said)


def _least(rows: IntArray, first: FloatArray, second: FloatArray) -> int:
    return int(rows[np.lexsort((second[rows], first[rows]))[0]])


def _named(deadline_s: float | None, budget: float | None) -> str:
    parts = [] if deadline_s is None else [f"the deadline of {duration(deadline_s)}"]
    parts += [] if budget is None else [f"the budget of {budget:g}"]
    return " and ".join(parts)


def _compared(row: int, front: IntArray, time: FloatArray, cost: FloatArray) -> str:
    """Return how the choice compares with the fastest and the cheapest of the front."""
    fastest, cheapest = int(front[0]), int(front[np.argmin(cost[front])])
    parts = [
        f"the {name} takes {time[other] / time[row]:.3g} times as long for {cost[other] / cost[row]:.3g} of the cost"
        for name, other in (("fastest", fastest), ("cheapest", cheapest))
        if other != row and cost[row] > 0
    ]
    return f": {', '.join(parts)}" if parts else ", and no configuration is faster or cheaper"
