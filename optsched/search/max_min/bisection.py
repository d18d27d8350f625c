"""The highest level that all counted jobs can reach at once, by bisection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.problem import Plan, Problem
from optsched.search.max_min.feasible_level import feasible_at_level

__all__ = ["HighestLevel", "highest_level"]


@dataclass(frozen=True)
class HighestLevel:
    """The result of the bisection.

    rows
        A plan of that minimum, the row of each job, shape ``(jobs,)``; None if none was found.
    bound
        Proven upper bound on the minimum of any plan.
    questions
        How many subproblems were solved: can all jobs reach a level?
    """

    rows: IntArray | None
    bound: float
    subproblems: int


def highest_level(
    problem: Problem,
    *,
    deadline: float | None,
    gap: float,
    known: IntArray | None = None,
    tell: Callable[[float | None, float], None] | None = None,
) -> HighestLevel:
    """Maximize the minimum value of the counted jobs, each a party of its own, by bisection over all values.

    Whether all can reach a level is a subproblem for the price engine: each job takes the cheapest of its rows that
    reach it, and the dual proves where capacity does not suffice. The optimum is one of the rows' values, and is proven
    once the next value is refuted, without the loose relaxation of ``z <= sum v x``. Bisection over a bottleneck
    objective: Edmonds and Fulkerson, J. Comb. Theory 8 (1970).

    Parameters
    ----------
    known
        A feasible plan, shape ``(jobs,)``: the search starts above its level.
    tell
        Called with the best level and the bound after each subproblem.
    """
    counted = problem.party >= 0
    jobs = int(counted.sum())
    values = candidates(problem)
    low, rows = -1, known  # the number of the best level that is reached
    if known is not None and len(values):
        low = int(np.searchsorted(values, problem.total(Plan(known)) * (1 + 1e-12), side="right")) - 1
    proven = len(values)  # the number of the least level that is refused
    high, subproblems, prices = proven, 0, None
    while high - low > 1 and (low < 0 or values[high - 1] > values[low] * (1 + gap)):
        middle = (low + high) // 2
        found = feasible_at_level(problem, counted, float(values[middle]), jobs, deadline=deadline, prices=prices)
        prices, subproblems = found.prices, subproblems + 1
        if found.rows is not None and found.count == jobs:
            low, rows = middle, found.rows
            low = int(np.searchsorted(values, problem.total(Plan(rows)) * (1 + 1e-12), side="right")) - 1
        else:
            high = middle  # or it is not known: then the search goes on below, and the bound stays
            proven = middle if found.most < jobs else proven
        if tell is not None:
            tell(None if low < 0 else float(values[low]), _bound(values, proven))
    return HighestLevel(rows, _bound(values, proven), subproblems)


def _bound(values: FloatArray, proven: int) -> float:
    return float(values[proven - 1]) if proven > 0 else 0.0


def candidates(problem: Problem) -> FloatArray:
    """Return the possible values of the minimum, increasing; empty if some counted job cannot run."""
    table, counted = problem.configurations, problem.party >= 0
    if not counted.any() or np.any(np.diff(table.first)[counted] == 0):
        return np.empty(0)
    mine = counted[table.job]
    best = np.zeros(table.jobs)
    np.maximum.at(best, table.job, problem.value)
    most = float(best[counted].min())
    return np.unique(problem.value[mine & (problem.value > 0) & (problem.value <= most)])
