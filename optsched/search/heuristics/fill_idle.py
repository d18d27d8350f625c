"""What a plan leaves over is handed out, where nobody loses by it."""

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
"""Relative gap to which prices hand out."""


def fill_idle(problem: Problem, rows: IntArray, deadline: float | None = None) -> IntArray:
    """Return a plan that gives no job less than a feasible one does, and leaves nothing that a job could gain by.

    A minimum says nothing of the jobs above it, so its optima may leave GPUs idle. The rows that give no job less than
    it has are a problem of prices, for the sum of the jobs' own values; then each job steps up by the gain in its own.

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
