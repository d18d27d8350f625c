"""From an instance to a problem: its table, what each row is worth, and its limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optsched.instance import Instance, ObjectiveSpec
from optsched.instance.objectives import objective
from optsched.problem.configurations import Remembered, rising, tabulate
from optsched.problem.limits import keeping_limits
from optsched.problem.problem import Problem
from optsched.problem.quotas import keeping_quotas

__all__ = ["build_problem"]

_RATES = 65
"""Network rates at which the best value of a configuration is looked for that may be slower at a faster one."""


def build_problem(
    instance: Instance, spec: ObjectiveSpec | None = None, error: float = 5e-5, memory: Remembered | None = None
) -> Problem:
    """Return the problem of an instance, with another objective than its own where one is given.

    Values rise with the throughput, whatever the objective. So where the throughput is known to rise with the network
    rate, a row's value at its fastest rate bounds it; elsewhere the largest of samples does that are lifted.

    ``memory``: of problems of earlier rounds, for which nothing is evaluated twice.
    """
    table = tabulate(instance, memory)
    here = [job.arrival_s <= instance.now_s for job in instance.jobs]
    problem = Problem(
        instance=instance,
        objective=objective(spec or instance.objective),
        configurations=table,
        value=np.empty(0),
        weight=np.array([job.weight * now for job, now in zip(instance.jobs, here, strict=True)], dtype=np.float64),
        required=np.array([job.required or job.is_pinned(instance.now_s) for job in instance.jobs], dtype=bool),
        error=error,
    )
    value = problem.worth(problem.objective)
    rated = np.flatnonzero(table.slowest < table.columns.gbps)
    bent = rated[~rising(instance, table, rated)]
    if len(bent):
        value[bent] = problem.over_rates(bent, _RATES)[1].max(axis=1)
    return keeping_limits(keeping_quotas(replace(problem, value=value)))
