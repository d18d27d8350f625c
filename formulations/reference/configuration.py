"""The Pyomo reference of :mod:`formulations.configuration`."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyomo.environ as pyo

from optsched.problem.formulation import Formulated
from optsched.problem.problem import Plan, Problem, row_label, rows_of
from optsched.solvers.pyomo import PyomoModel

__all__ = ["build"]


def build(problem: Problem) -> Formulated:
    """Return the model; its names are those of the mathematics."""
    table, instance = problem.configurations, problem.instance
    names = [row_label(problem, row) for row in range(len(table))]
    v = dict(zip(names, problem.value.tolist(), strict=True))
    C = {job.id: names[table.first[j] : table.first[j + 1]] for j, job in enumerate(instance.jobs)}
    u: dict[str, dict[str, float]] = defaultdict(dict)
    for row, resource, amount in zip(*(a.tolist() for a in table.used), strict=True):
        u[table.resource_names[resource]][names[row]] = amount
    b = {r: c for r, c in zip(table.resource_names, table.capacity.tolist(), strict=True) if np.isfinite(c)}

    m = pyo.ConcreteModel("configuration")
    m.x = pyo.Var(names, domain=pyo.Binary)

    def one_configuration(m: pyo.ConcreteModel, j: str) -> object:
        return pyo.inequality(required[j], sum(m.x[c] for c in C[j]), 1)

    required = {job.id: int(r) for job, r in zip(instance.jobs, problem.required, strict=True)}
    m.C1 = pyo.Constraint([j for j in C if C[j]], rule=one_configuration)
    m.C2 = pyo.Constraint([r for r in b if u[r]], rule=lambda m, r: sum(a * m.x[c] for c, a in u[r].items()) <= b[r])
    if instance.fewest_kept is not None:
        kept = [names[row] for row in np.flatnonzero(table.kept)]
        if kept:
            m.C3 = pyo.Constraint([0], rule=lambda m, _: sum(m.x[c] for c in kept) >= instance.fewest_kept)
    if problem.objective.aggregate == "min":
        P: dict[str, list[str]] = {p: [] for p in problem.party_names}
        for job, p in zip(instance.jobs, problem.party.tolist(), strict=True):
            if p >= 0:
                P[problem.party_names[p]].append(job.id)
        m.z = pyo.Var([0], bounds=(0, problem.ceiling))
        m.C4 = pyo.Constraint(list(P), rule=lambda m, p: m.z[0] - sum(v[c] * m.x[c] for j in P[p] for c in C[j]) <= 0)
        m.objective = pyo.Objective(expr=m.z[0], sense=pyo.maximize)
    else:
        m.objective = pyo.Objective(expr=pyo.quicksum(v[c] * m.x[c] for c in names), sense=pyo.maximize)
    variables = [m.x[c] for c in names]
    return Formulated(
        PyomoModel(m, variables), read=lambda values: Plan(rows_of(problem, np.flatnonzero(values > 0.5)))
    )
