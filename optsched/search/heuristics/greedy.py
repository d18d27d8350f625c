"""Price-guided greedy: jobs take their best rows at given prices, by decreasing ratio of value to cost."""

from __future__ import annotations

import time

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.problem import Problem
from optsched.search.heuristics.marginal_gain import current_allocation, improve, improving_rows, take

__all__ = ["price_greedy"]


def price_greedy(problem: Problem, prices: FloatArray, deadline: float | None = None) -> IntArray:
    """Return the chosen row of each job, shape ``(jobs,)``, -1 for none.

    The greedy by "pseudo-utility" of multi-dimensional knapsacks (Pirkul, Nav. Res. Logist. 34 (1987)), for multiple
    choice: required jobs first, then by value over what the best row costs at prices; each job takes the row of the
    largest reduced value ``v_c - a_c'p`` that still fits. Marginal gain fills the residual capacity.

    Parameters
    ----------
    prices
        Objective per unit of each resource, shape ``(resources,)``.
    """
    table = problem.configurations
    cost = table.costs(prices)
    reduced = problem.value - cost
    rows, free = current_allocation(problem)
    frozen = rows >= 0
    some = np.flatnonzero(np.diff(table.first) > 0)
    best = np.lexsort((-reduced, table.job))[table.first[some]]  # the first of each job
    key = np.where(problem.required[some], np.inf, problem.value[best] / np.maximum(cost[best], 1e-12))
    for job in some[np.argsort(-key, kind="stable")].tolist():
        if rows[job] >= 0:
            continue
        if deadline is not None and time.monotonic() > deadline:
            break
        own = improving_rows(problem, job, rows, free)
        if not problem.required[job]:
            own = own[reduced[own] >= -1e-9 * problem.value[own]]  # below 0 others pay more
        if len(own):
            chosen = int(own[np.argmax(reduced[own])])
            take(problem, chosen, free)
            rows[job] = chosen
    return improve(problem, rows, deadline, frozen=frozen)
