"""One GPU: at most one GPU for each job, so that as many jobs as possible run (an assignment problem).

Sets
    J       jobs
    C_j     configurations of job j with one GPU
    R       shared resources

Parameters
    v_jc, u_jcr, b_r    value, use of resource r, and capacity, as in the formulation 'configuration'

Variables
    x_jc in {0, 1}      job j runs in configuration c

Objective
    maximize  sum_j sum_c v_jc x_jc

Constraints
    C1_j    sum_c x_jc <= 1    (= 1 for a required job)
    C2_r    sum_j sum_c u_jcr x_jc <= b_r

Its optimum is a plan for the whole problem, its bound is not: jobs might have more GPUs. The model
therefore carries a constant that lifts its bound to what the jobs could reach with any configuration.
"""

from __future__ import annotations

import numpy as np

from optsched.problem.formulation import Formulated, Formulation, ModelOptions, Support, counts_only
from optsched.problem.problem import Plan, Problem, rows_of
from optsched.solvers.linear import LinearModel

__all__ = ["FORMULATION"]


def supports(problem: Problem) -> Support:
    """Sums over jobs that may all run on one GPU, without a limit on moves."""
    if problem.objective.aggregate != "sum":
        return Support(False, "it adds values up")
    if problem.instance.max_moves is not None:
        return Support(False, "it knows no limit on moves")
    return counts_only(problem)


def build(problem: Problem, options: ModelOptions) -> Formulated:
    """Return the model for linear backends."""
    table = problem.configurations
    rows = np.flatnonzero(table.columns.gpus == 1)
    place = np.full(len(table), -1)
    place[rows] = np.arange(len(rows))
    best = np.zeros(table.jobs)
    np.maximum.at(best, table.job, problem.value)
    model = LinearModel()
    x = model.add_variables("x", len(rows), upper=1.0, integer=True, cost=problem.value[rows])
    # at most this much is lost to the rule, whatever the others do
    model.add_variables("lost", 1, lower=1.0, upper=1.0, cost=float(best.sum()))
    required = problem.required.astype(np.float64)
    model.add_rows("C1", (table.job[rows], x, 1.0), lower=required, upper=1.0, size=table.jobs)
    row, resource, amount = table.used
    mine = (place[row] >= 0) & np.isfinite(table.capacity[resource])
    model.add_rows(
        "C2",
        (resource[mine], x[place[row[mine]]], amount[mine]),
        upper=table.capacity,
        size=len(table.capacity),
    )

    def read(values: np.ndarray) -> Plan:
        return Plan(rows_of(problem, rows[values[: len(rows)] > 0.5]))

    return Formulated(model, read=read)


FORMULATION = Formulation(
    name="one-gpu",
    decides="which jobs run, on one GPU each",
    supports=supports,
    forms={"linear": build},
    exact=False,
)
