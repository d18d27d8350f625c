"""Allocate idle GPUs without reducing any job's value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optsched._util.arrays import IntArray
from optsched.problem.configurations import some_rows
from optsched.problem.problem import Problem
from optsched.search.heuristics.marginal_gain import improve
from optsched.search.prices import price

__all__ = ["fill_idle"]

_GAP = 1e-3
"""Relative gap of the price engine."""


def fill_idle(problem: Problem, rows: IntArray, deadline: float | None = None) -> IntArray:
    """Return a plan in which no job has less than in a feasible one, and no job can gain from idle GPUs.

    A minimum ignores the jobs above it, so an optimal plan may leave GPUs idle. The price engine maximizes the sum of
    the jobs' own values over the rows that give no job less than it has; marginal gain then fills what is left.

    Parameters
    ----------
    rows
        The chosen row of each job, shape ``(jobs,)``, -1 for none.
    deadline
        On the clock of ``time.monotonic``: the plan as it is then is returned.
    """
    summed, table, runs = problem.summed, problem.configurations, rows >= 0
    least = np.full(len(rows), -np.inf)
    least[runs] = problem.value[rows[runs]]
    keep = problem.value >= least[table.job]
    part, value = some_rows(table, keep, ""), problem.value[keep]
    asked = replace(summed, configurations=part, value=value, required=problem.required | runs)
    found = price(asked, deadline=deadline, gap=_GAP).rows
    if found is not None:
        rows = found.copy()
        rows[found >= 0] = np.flatnonzero(keep)[found[found >= 0]]
    return improve(summed, rows, deadline)
