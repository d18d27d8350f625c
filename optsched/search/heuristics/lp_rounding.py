"""LP rounding: fix the integral part of the LP relaxation's solution, and fill the rest by marginal gain."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.problem import Problem
from optsched.search.heuristics.marginal_gain import improve, improving_rows, take, used
from optsched.solvers import Limits, RunContext

__all__ = ["lp_rounding"]

_WHOLE = 1 - 1e-6
"""From which on a share counts as whole: beyond solvers' tolerances."""


def lp_rounding(problem: Problem, deadline: float | None = None) -> IntArray | None:
    """Return the chosen row of each job, shape ``(jobs,)``, -1 for none; None where the relaxation has no solution.

    A vertex of the relaxation of the configuration formulation splits at most as many jobs as there are resources
    (Sinha and Zoltners, Oper. Res. 27 (1979), for one; its rows that bind beyond one a job, for several), so that
    few jobs are left to marginal gain. A required job that is split takes its largest share that still fits.
    """
    from optsched.solvers import highs

    built = formulation("configuration").forms["linear"](problem, DEFAULT)
    outcome = highs.solve(built.model, RunContext(Limits(deadline)), relaxed=True)
    if outcome.values is None:
        return None
    rows = built.read(np.where(outcome.values > _WHOLE, 1.0, 0.0)).rows
    free = problem.configurations.capacity - used(problem, rows)
    for job in np.flatnonzero(problem.required & (rows < 0)).tolist():
        own = improving_rows(problem, job, rows, free)
        if len(own):
            rows[job] = own[np.argmax(outcome.values[own])]
            take(problem, int(rows[job]), free)
    holding = np.array([job.holds is not None for job in problem.instance.jobs], dtype=bool)
    frozen = holding if problem.instance.max_moves is not None else None  # a step may be a move
    return improve(problem, rows, deadline, frozen=frozen)
