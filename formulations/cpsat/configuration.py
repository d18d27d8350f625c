"""CP-SAT's own form of :mod:`formulations.configuration`: Booleans under linear capacities."""

from __future__ import annotations

import numpy as np
from ortools.sat.python import cp_model

from formulations.cpsat.scaling import whole_amounts, whole_values
from optsched.problem.formulation import Formulated
from optsched.problem.problem import Plan, Problem, rows_of

__all__ = ["build"]


def build(problem: Problem) -> Formulated:
    """Return the model; constraint names are those of the mathematics."""
    table, instance = problem.configurations, problem.instance
    model = cp_model.CpModel()
    x = [model.new_bool_var("") for _ in range(len(table))]
    v, unit = whole_values(problem.value)
    groups = [range(table.first[j], table.first[j + 1]) for j in range(table.jobs)]
    for group, required in zip(groups, problem.required.tolist(), strict=True):  # C1
        own = [x[row] for row in group]
        (model.add_exactly_one if required else model.add_at_most_one)(own)
    row, resource, amount = table.used
    for r in np.flatnonzero(np.isfinite(table.capacity)).tolist():  # C2
        of = resource == r
        if of.any():
            amounts, capacity = whole_amounts(amount[of], float(table.capacity[r]))
            model.add(cp_model.LinearExpr.weighted_sum([x[k] for k in row[of]], amounts.tolist()) <= capacity)
    if instance.fewest_kept is not None:  # C3
        model.add(sum(x[k] for k in np.flatnonzero(table.kept)) >= instance.fewest_kept)
    if problem.objective.aggregate == "min":
        z = model.new_int_var(0, int(np.maximum(v, 0).sum()) if problem.party_names else 0, "z")
        party = problem.party[table.job]
        for p in range(len(problem.party_names)):  # C4
            rows = np.flatnonzero(party == p)
            model.add(z <= cp_model.LinearExpr.weighted_sum([x[k] for k in rows], v[rows].tolist()))
        model.maximize(z)
    else:
        model.maximize(cp_model.LinearExpr.weighted_sum(x, v.tolist()))
    return Formulated(
        model, read=lambda values: Plan(rows_of(problem, np.flatnonzero(values[: len(x)] > 0.5))), scale=unit
    )
