"""The Pyomo reference of :mod:`formulations.allocation`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations.segments import rows_at, segments, usage
from optsched.backends.pyomo import PyomoModel
from optsched.curves import FloatArray
from optsched.formulation import Formulated
from optsched.problem import Plan, Problem

__all__ = ["build"]


def build(problem: Problem) -> Formulated:
    """Return the model; its names are those of the mathematics."""
    instance, table = problem.instance, problem.configurations
    data = segments(problem)
    S = [data.label(problem, k) for k in range(len(data.job))]
    of = {s: k for k, s in enumerate(S)}
    S_of = defaultdict(list)
    for s, j in zip(S, data.job.tolist(), strict=True):
        S_of[instance.jobs[j].id].append(s)
    lines = defaultdict(list)
    for k, alpha, beta in zip(data.line_of.tolist(), data.slope.tolist(), data.level.tolist(), strict=True):
        lines[S[k]].append((alpha, beta))
    r, step, A, B = (dict(zip(S, a.tolist(), strict=True)) for a in (data.rest, data.step, data.first, data.last))
    takes: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for k, resource, amount in zip(*(a.tolist() for a in usage(problem, data)), strict=True):
        takes[table.resource_names[resource]].append((S[k], amount))
    b = {name: c for name, c in zip(table.resource_names, table.capacity.tolist(), strict=True) if np.isfinite(c)}
    ranged = [s for s in S if B[s] > A[s]]
    curved = [s for s in S if len(lines[s]) > 1]

    m = pyo.ConcreteModel("allocation")
    m.d = pyo.Var(S, bounds=(0, 1), domain=lambda m, s: pyo.Binary if data.binary[of[s]] else pyo.NonNegativeReals)
    m.n = pyo.Var(ranged, domain=pyo.NonNegativeIntegers, bounds=lambda m, s: (0, B[s]))
    m.y = pyo.Var(curved, domain=pyo.NonNegativeReals)

    def g(s: str) -> Any:
        return r[s] * m.d[s] + step[s] * (m.n[s] if B[s] > A[s] else A[s] * m.d[s])

    def f(s: str) -> Any:
        alpha, beta = lines[s][0]
        return m.y[s] if len(lines[s]) > 1 else alpha * g(s) + beta * m.d[s]

    required = {job.id: int(job.required) for job in instance.jobs}
    m.C1 = pyo.Constraint(list(S_of), rule=lambda m, j: pyo.inequality(required[j], sum(m.d[s] for s in S_of[j]), 1))
    m.C2 = pyo.Constraint(ranged, rule=lambda m, s: m.n[s] - A[s] * m.d[s] >= 0)
    m.C3 = pyo.Constraint(ranged, rule=lambda m, s: m.n[s] - B[s] * m.d[s] <= 0)
    cuts = [(s, k) for s in curved for k in range(len(lines[s]))]
    m.C4 = pyo.Constraint(cuts, rule=lambda m, s, k: m.y[s] - lines[s][k][0] * g(s) - lines[s][k][1] * m.d[s] <= 0)
    m.C5 = pyo.Constraint(
        [name for name in b if takes[name]],
        rule=lambda m, name: sum(a * g(s) for s, a in takes[name]) <= b[name],
    )
    if instance.max_moves is not None and data.kept.any():
        holding = sum(job.holds is not None for job in instance.jobs)
        kept = [S[k] for k in np.flatnonzero(data.kept)]
        m.C6 = pyo.Constraint([0], rule=lambda m, _: sum(m.d[s] for s in kept) >= holding - instance.max_moves)
    if problem.objective.aggregate == "min":
        P: dict[str, list[str]] = {p: [] for p in problem.party_names}
        for job, p in zip(instance.jobs, problem.party.tolist(), strict=True):
            if p >= 0:
                P[problem.party_names[p]].append(job.id)
        m.z = pyo.Var([0], bounds=(0, problem.ceiling * (1 + 2 * problem.error)))
        m.C7 = pyo.Constraint(list(P), rule=lambda m, p: m.z[0] - sum(f(s) for j in P[p] for s in S_of[j]) <= 0)
        m.objective = pyo.Objective(expr=m.z[0], sense=pyo.maximize)
    else:
        m.objective = pyo.Objective(expr=sum(f(s) for s in S), sense=pyo.maximize)

    def read(values: FloatArray) -> Plan:
        units = np.zeros(len(S))
        units[data.last > data.first] = values[len(S) :]
        return Plan(rows_at(problem, data, values[: len(S)], units))

    return Formulated(PyomoModel(m, [*m.d.values(), *m.n.values()]), read=read, error=data.error)
