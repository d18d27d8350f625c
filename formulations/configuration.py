"""Configuration: choose one configuration for each job (a multi-dimensional multiple-choice knapsack).

Sets
    J       jobs
    C_j     configurations of job j: pool, GPUs, parameter servers, batch (exact at every count)
    R       shared resources: GPUs of each pool, CPU cores and memory of each site
    H       jobs that hold something now; K_j in C_j: what job j holds

Parameters
    v_jc >= 0    value of configuration c (the objective's transform of its goodput)
    u_jcr >= 0   what it uses of resource r
    b_r          capacity of resource r
    M            most jobs of H that may lose or change what they hold

Variables
    x_jc in {0, 1}    job j runs in configuration c
    z                 least value of any party: a job, or a tenant with its jobs (max-min only)

Objective
    maximize  sum_j sum_c v_jc x_jc        (or z, for max-min)

Constraints
    C1_j   sum_c x_jc <= 1                 at most one configuration (= 1 for a required job)
    C2_r   sum_j sum_c u_jcr x_jc <= b_r   capacities
    C3     sum_{j in H} sum_{c in K_j} x_jc >= |H| - M        limit on moves (where there is one)
    C4_p   z - sum_{j in p} sum_c v_jc x_jc <= 0       for every party p that counts (max-min only)

Source: the round's program of Sia (Jayaram Subramanya et al., SOSP'23, sec. 3.4), with any number
of resources. Its LP relaxation is tight: at most as many jobs are split as there are resources.
"""

from __future__ import annotations

import numpy as np

from formulations.rows import add_capacities, add_choices, add_least, add_moves
from optsched._util.arrays import FloatArray
from optsched.problem.formulation import DEFAULT, Formulated, Formulation, ModelOptions, Support, counts_only
from optsched.problem.problem import Plan, Problem, row_label, rows_of
from optsched.solvers.linear import LinearModel

__all__ = ["FORMULATION", "build"]


def supports(problem: Problem) -> Support:
    """Every instance whose jobs' configurations can be listed, which is every one that decides on counts only."""
    if problem.objective.aggregate == "lexmin":
        return Support(False, "it knows the least value only; 'levels' finds the lexicographic order")
    return counts_only(problem)


def build(problem: Problem, options: ModelOptions = DEFAULT) -> Formulated:
    """Return the model for linear backends."""
    table = problem.configurations
    least = problem.objective.aggregate == "min"
    model = LinearModel()
    x = model.add_variables(
        "x",
        len(table),
        upper=1.0,
        integer=True,
        cost=0.0 if least else problem.value,
        label=lambda row: row_label(problem, row),
    )
    add_choices(model, problem, "C1", table.job, x)
    row, resource, amount = table.used
    add_capacities(model, problem, "C2", (resource, x[row], amount))
    add_moves(model, problem, "C3", x[table.kept])
    if least:
        add_least(model, problem, "z", "C4", [(problem.party[table.job], x, problem.value)], problem.ceiling)
    return Formulated(
        model,
        read=lambda values: Plan(rows_of(problem, np.flatnonzero(values[x] > 0.5))),
        start=lambda plan: _start(problem, model, plan),
    )


def _start(problem: Problem, model: LinearModel, plan: Plan) -> FloatArray:
    values = np.zeros(model.columns)
    values[plan.rows[plan.rows >= 0]] = 1.0
    if problem.objective.aggregate == "min":
        values[-1] = problem.total(plan)
    return values


def _pyomo(problem: Problem, options: ModelOptions) -> Formulated:
    from formulations.reference.configuration import build as reference

    return reference(problem)


def _cpsat(problem: Problem, options: ModelOptions) -> Formulated:
    from formulations.cpsat.configuration import build as native

    return native(problem)


FORMULATION = Formulation(
    name="configuration",
    decides="one configuration for each job: GPU type, site, GPUs, parameter servers, batch",
    supports=supports,
    forms={"linear": build, "pyomo": _pyomo, "cpsat": _cpsat},
)
