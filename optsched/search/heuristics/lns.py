"""Large neighbourhood search over counts: a solver decides some jobs anew in the residual capacity of the others.

Shaw, "Using constraint programming and local search methods to solve vehicle routing problems" (CP'98), with a
neighbourhood that grows while it is solved to optimality, and shrinks otherwise.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.problem import Plan, Problem
from optsched.search.heuristics.marginal_gain import used
from optsched.search.heuristics.pop import solve_part, subproblem
from optsched.solvers import RunContext

__all__ = ["neighbourhoods"]

_FIRST, _LEAST = 16, 4
"""Jobs of the first neighbourhood, and of the smallest."""
_SECONDS = 1.0
"""Time limit of one neighbourhood."""
_PATIENCE = 20
"""Neighbourhoods without a better plan after which the search ends."""


def neighbourhoods(
    problem: Problem, rows: IntArray, context: RunContext, *, costs: FloatArray | None = None, backend: str = "highs"
) -> IntArray:
    """Return a plan no worse than the given one, the chosen row of each job, shape ``(jobs,)``, -1 for none.

    A plan in which fewer required jobs wait is better than any other.

    Parameters
    ----------
    costs
        What each row takes, at the prices of resources, shape ``(rows,)``: jobs that others outbid at these are more
        often looked at. None: all alike.
    backend
        ``highs`` or ``cpsat``.
    """
    table, instance = problem.configurations, problem.instance
    random = np.random.default_rng(context.limits.seed)
    holding = np.array([job.holds is not None for job in instance.jobs], dtype=bool)
    able = np.flatnonzero(np.diff(table.first) > 0)
    best, value, failures, size = rows, _merit(problem, rows), 0, _FIRST
    while failures < _PATIENCE and len(able) and context.limits.left() > 0 and not context.stopping():
        chosen = _neighbours(problem, best, able, min(size, len(able)), costs, random)
        others = best.copy()
        others[chosen] = -1
        moves = instance.max_moves
        if moves is not None:
            moved = holding & ~_keeps(problem, best)
            moved[chosen] = False
            moves -= int(moved.sum())
        part, number = subproblem(problem, chosen, table.capacity - used(problem, others), moves)
        limits = replace(context.limits, deadline=time.monotonic() + min(_SECONDS, context.limits.left()), gap=1e-4)
        now = np.where(best[chosen] >= 0, np.searchsorted(number, best[chosen]), -1)
        found, proven = solve_part(part, replace(context, limits=limits, report=None), backend, Plan(now))
        # the larger the neighbourhood, the better, as long as it is solved
        size = min(2 * size, len(able)) if proven else max(_LEAST, size // 2)
        failures += 1
        if found is None:
            continue
        others[chosen] = np.where(found >= 0, number[found], -1)
        if (merit := _merit(problem, others)) > (value[0], value[1] + 1e-9 * abs(value[1])):
            best, value, failures = others, merit, 0
            context.progress("neighbourhoods", value[1], None)
        elif proven and len(chosen) == len(able):
            break  # the whole is solved
    return best


def _merit(problem: Problem, rows: IntArray) -> tuple[int, float]:
    """Return what makes a plan better: fewer required jobs that wait, then the objective."""
    return -int((problem.required & (rows < 0)).sum()), problem.total(Plan(rows))


def _keeps(problem: Problem, rows: IntArray) -> np.typing.NDArray[np.bool_]:
    """Tell of each job whether it keeps what it holds."""
    return (rows >= 0) & problem.configurations.kept[rows]


def _neighbours(
    problem: Problem, rows: IntArray, able: IntArray, size: int, costs: FloatArray | None, random: np.random.Generator
) -> IntArray:
    """Return jobs that could change places with a random one: they use its pool, or are outbid, or have the least."""
    table = problem.configurations
    value = np.where(rows[able] >= 0, problem.value[rows[able]], 0.0)
    score = random.random(len(able)) + 2.0 * (problem.required[able] & (rows[able] < 0))
    if problem.objective.aggregate != "sum":
        score += value == value.min()
    elif costs is not None:
        reduced = problem.value - costs
        most = np.zeros(table.jobs)
        np.maximum.at(most, table.job, reduced)
        loss = most[able] - np.where(rows[able] >= 0, reduced[rows[able]], 0.0)
        score += 0.5 * loss / max(1e-300, float(loss.max(initial=0.0)))
    pool = np.where(rows[able] >= 0, table.columns.pool[rows[able]], -1)
    score += 0.5 * (pool == pool[np.argmax(score)])
    return np.sort(able[np.argsort(-score, kind="stable")[:size]])
