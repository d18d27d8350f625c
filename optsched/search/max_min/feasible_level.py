"""Which levels are feasible: how many jobs can reach a level at once, a sum over jobs for the price engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, run_starts, stretches
from optsched.problem.configurations import some_rows
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.problem import Plan, Problem
from optsched.search.prices import price
from optsched.solvers import Limits, RunContext

__all__ = ["LevelFeasibility", "feasible_at_level"]

_WHOLE = 1e-6
"""What a bound on a number of jobs may be off by rounding."""
_LARGE = 200_000
"""Rows up to which HiGHS decides what prices leave open."""


@dataclass(frozen=True)
class LevelFeasibility:
    """How many jobs can reach their levels.

    rows
        A plan in which ``count`` jobs do, the row of each job, shape ``(jobs,)``; None if no plan was found.
    most
        Proven bound on the number in any plan; -1 if there is no plan.
    prices
        Start of the next subproblem.
    """

    rows: IntArray | None
    count: int
    most: int
    prices: FloatArray | None

    @property
    def exact(self) -> bool:
        """Whether the number is proven to be the largest."""
        return self.most == (self.count if self.rows is not None else -1)


def feasible_at_level(
    problem: Problem,
    who: NDArray[np.bool_],
    level: FloatArray | float,
    wanted: int,
    *,
    deadline: float | None,
    prices: FloatArray | None = None,
) -> LevelFeasibility:
    """Maximize the number of jobs that reach a level, until ``wanted`` do or no plan is proven to have that many.

    Parameters
    ----------
    who
        Jobs that count, shape ``(jobs,)``.
    level
        Value to reach, of all or of each job.
    wanted
        The number that suffices; more than there are jobs for the maximum.
    """
    job = problem.configurations.job
    levels = np.broadcast_to(np.asarray(level, dtype=np.float64), len(who))
    value = (who[job] & (problem.value >= levels[job])).astype(np.float64)
    keep = _relevant_rows(problem, value)
    table, value = some_rows(problem.configurations, keep, ""), value[keep]
    asked = replace(problem.summed, configurations=table, value=value)
    # 0.4 of a job: with that gap, a bound is below the next whole number
    jobs = int(who.sum())
    gap = 0.4 / max(1, jobs)
    found = price(asked, deadline=deadline, gap=gap, start=prices, enough=None if wanted > jobs else wanted - 0.5)
    answer = _feasibility(found.rows, value, found.bound, found.prices)
    if not (answer.exact or answer.count >= wanted or answer.most < wanted or len(value) > _LARGE):
        answer = _by_integers(asked, answer, found.bound, RunContext(Limits(deadline, gap)))
    if answer.rows is None:
        return answer
    return replace(answer, rows=np.where(answer.rows >= 0, np.flatnonzero(keep)[answer.rows], -1))


def _by_integers(asked: Problem, answer: LevelFeasibility, bound: float, context: RunContext) -> LevelFeasibility:
    """Decide by HiGHS what prices left open."""
    from optsched.solvers import highs

    built = formulation("configuration").forms["linear"](asked, DEFAULT)
    start = None if answer.rows is None or built.start is None else built.start(Plan(answer.rows))
    outcome = highs.solve(built.model, context, start=start)
    if outcome.status == "infeasible":
        return replace(answer, rows=None, count=0, most=-1)
    rows = answer.rows if outcome.values is None else built.read(outcome.values).rows
    bound = bound if outcome.bound is None else min(bound, outcome.bound)
    return _feasibility(rows, asked.value, bound, answer.prices)


def _relevant_rows(problem: Problem, value: FloatArray) -> NDArray[np.bool_]:
    """Return the rows that an answer may need, shape ``(n,)``.

    Without those that count nothing where their job may as well wait, and those that take no less than the first of
    their job, pool and value.
    """
    table = problem.configurations
    start, resource, amount = table.used_by_row
    row, _, taken = table.used
    rows = np.flatnonzero((value > 0) | problem.required[table.job] | (np.bincount(row, taken < 0, len(table)) > 0))
    rows = rows[np.lexsort((rows, value[rows], table.columns.pool[rows], table.job[rows]))]
    begin = run_starts(table.job[rows], table.columns.pool[rows], value[rows])
    leader = np.repeat(rows[begin], np.diff(begin, append=len(rows)))
    size = np.diff(start)
    alike = size[rows] == size[leader]
    mine, theirs, count = rows[alike], leader[alike], size[rows[alike]]
    entry, other = stretches(start[mine], count), stretches(start[theirs], count)
    less = (amount[entry] < amount[other]) | (resource[entry] != resource[other])
    of = np.repeat(np.arange(len(mine)), count)
    keep = table.kept.copy()
    keep[rows[begin]] = True
    keep[rows[~alike]] = True
    keep[mine[np.bincount(of, less, len(mine)) > 0]] = True
    return keep


def _feasibility(rows: IntArray | None, value: FloatArray, bound: float, prices: FloatArray | None) -> LevelFeasibility:
    count = 0 if rows is None else round(float(value[rows[rows >= 0]].sum()))
    most = (
        -1 if bound == -np.inf else len(value) if bound == np.inf else int(np.floor(bound + _WHOLE * max(1.0, bound)))
    )
    return LevelFeasibility(rows, count, max(most, count) if rows is not None else most, prices)
