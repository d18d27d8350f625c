"""The Pyomo reference of :mod:`formulations.allocation`.

Encodings of pieces are taken over row by row from the fast model, or, with the encoding ``pyomo``,
left to Pyomo's own ``Piecewise``. Its default representation, SOS2, is refused by HiGHS; of those that
run, the incremental one is about as fast as any (``REPRESENTATION``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations.curve_segments import Segments, rows_at, segments, usage
from optsched._util.arrays import FloatArray
from optsched.problem.formulation import Formulated, ModelOptions
from optsched.problem.problem import Plan, Problem
from optsched.solvers.linear import LinearModel
from optsched.solvers.pyomo import PyomoModel

__all__ = ["REPRESENTATION", "build"]

REPRESENTATION = "INC"
"""How Pyomo's ``Piecewise`` is put in linear terms."""

_ENCODED = ("curve.", "grid.")


def build(problem: Problem, options: ModelOptions, fast: Formulated | None) -> Formulated:
    """Return the model; its names are those of the mathematics.

    Parameters
    ----------
    fast
        The linear model, whose encodings of pieces are taken over; None: with Pyomo's own ``Piecewise``.
    """
    instance, table = problem.instance, problem.configurations
    data = segments(problem, options.encoding)
    S = [data.label(problem, k) for k in range(len(data.job))]
    of = {s: k for k, s in enumerate(S)}
    S_of = defaultdict(list)
    for s, j in zip(S, data.job.tolist(), strict=True):
        S_of[j].append(s)
    lines = defaultdict(list)
    for k, alpha, beta in zip(data.line_of.tolist(), data.slope.tolist(), data.level.tolist(), strict=True):
        lines[S[k]].append((alpha, beta))
    r, step, A, B, P, Q = (
        dict(zip(S, a.tolist(), strict=True))
        for a in (data.rest, data.step, data.first, data.last, data.fewest, data.most)
    )
    takes: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for k, resource, a, e in zip(*(a.tolist() for a in usage(problem, data.job, data.pool)), strict=True):
        takes[table.resource_names[resource]].append((S[k], a, e))
    b = {name: c for name, c in zip(table.resource_names, table.capacity.tolist(), strict=True) if np.isfinite(c)}
    ranged, spread = [s for s in S if B[s] > A[s]], [s for s in S if Q[s] > P[s]]
    valued = [s for s in S if len(lines[s]) != 1]

    m = pyo.ConcreteModel("allocation")
    m.d = pyo.Var(S, bounds=(0, 1), domain=lambda m, s: pyo.Binary if data.binary[of[s]] else pyo.NonNegativeReals)
    m.n = pyo.Var(ranged, domain=pyo.NonNegativeIntegers, bounds=lambda m, s: (0, B[s]))
    m.p = pyo.Var(spread, domain=pyo.NonNegativeIntegers, bounds=lambda m, s: (0, Q[s]))
    m.y = pyo.Var(valued, domain=pyo.Reals, bounds=lambda m, s: tuple(float(end[of[s]]) for end in data.span))

    def g(s: str) -> Any:
        return r[s] * m.d[s] + step[s] * (m.n[s] if B[s] > A[s] else A[s] * m.d[s])

    def p(s: str) -> Any:
        return m.p[s] if Q[s] > P[s] else P[s] * m.d[s]

    def f(s: str) -> Any:
        if len(lines[s]) != 1:
            return m.y[s]
        alpha, beta = lines[s][0]
        return alpha * g(s) + beta * m.d[s]

    jobs = [job.id for job in instance.jobs]
    required = {j: int(must) for j, must in enumerate(problem.required.tolist())}
    m.C1 = pyo.Constraint(
        [jobs[j] for j in S_of],
        rule=lambda m, name: pyo.inequality(required[jobs.index(name)], sum(m.d[s] for s in S_of[jobs.index(name)]), 1),
    )
    # an encoding of the pieces says these itself, Pyomo's own does not
    bounded = [s for s in ranged if lines[s] or fast is None]
    m.C2 = pyo.Constraint(bounded, rule=lambda m, s: m.n[s] - A[s] * m.d[s] >= 0)
    m.C3 = pyo.Constraint(bounded, rule=lambda m, s: m.n[s] - B[s] * m.d[s] <= 0)
    cuts = [(s, k) for s in valued for k in range(len(lines[s]))]
    m.C4 = pyo.Constraint(cuts, rule=lambda m, s, k: m.y[s] - lines[s][k][0] * g(s) - lines[s][k][1] * m.d[s] <= 0)
    m.C5 = pyo.Constraint(
        [name for name in b if takes[name]],
        rule=lambda m, name: sum(a * g(s) + e * p(s) for s, a, e in takes[name]) <= b[name],
    )
    if instance.fewest_kept is not None and data.kept.any():
        kept = [S[k] for k in np.flatnonzero(data.kept)]
        m.C6 = pyo.Constraint([0], rule=lambda m, _: sum(m.d[s] for s in kept) >= instance.fewest_kept)
    if problem.objective.aggregate == "sum":
        m.objective = pyo.Objective(expr=sum(f(s) for s in S), sense=pyo.maximize)
    else:
        members = defaultdict(list)
        for s in S:
            members[int(problem.party[data.job[of[s]]])].append(s)
        names = list(problem.party_names)
        m.z = pyo.Var([0], bounds=(0, problem.ceiling * (1 + data.error)))
        m.C7 = pyo.Constraint(names, rule=lambda m, q: m.z[0] - sum(f(s) for s in members[names.index(q)]) <= 0)
        m.objective = pyo.Objective(expr=m.z[0], sense=pyo.maximize)

    if fast is None:
        notes = _piecewise(m, data, S, g)
    else:
        notes = fast.notes
        _taken(m, fast.model)

    def read(values: FloatArray) -> Plan:
        units, servers = np.zeros(len(S)), np.zeros(len(S))
        units[data.ranged], servers[data.spread] = np.split(values[len(S) :], [len(ranged)])
        return Plan(rows_at(problem, data, values[: len(S)], units, servers))

    variables = [*m.d.values(), *m.n.values(), *m.p.values()]
    return Formulated(PyomoModel(m, variables), read=read, error=data.error, notes=notes)


def _taken(m: Any, fast: LinearModel) -> None:
    """Take the variables and rows of the encodings over from the fast model."""
    columns: list[Any] = []
    for block in fast.variables:
        if not block.name.startswith(_ENCODED):
            columns += getattr(m, block.name).values()
            continue
        variables = _component(m, block.name, [b for b in fast.variables if b.name == block.name], pyo.Var)
        numbers = zip(block.lower.tolist(), block.upper.tolist(), block.integer.tolist(), strict=True)
        for k, (low, high, whole) in enumerate(numbers):
            variable = variables[block.label(k)]
            variable.setlb(low)
            variable.setub(high)
            variable.domain = pyo.Integers if whole else pyo.Reals
            columns.append(variable)
    for rows in fast.rows:
        if rows.name.startswith(_ENCODED):
            constraints = _component(m, rows.name, [b for b in fast.rows if b.name == rows.name], pyo.Constraint)
            sums: list[Any] = [0.0] * len(rows.lower)
            for row, column, a in zip(rows.row.tolist(), rows.column.tolist(), rows.coefficient.tolist(), strict=True):
                sums[row] += a * columns[column]
            for k, (low, body, high) in enumerate(zip(rows.lower.tolist(), sums, rows.upper.tolist(), strict=True)):
                ends = (end if np.isfinite(end) else None for end in (low, high))
                constraints.add(rows.label(k), (next(ends), body, next(ends)))


def _component(m: Any, name: str, blocks: list[Any], kind: Any) -> Any:
    """Return the component of a name, which the encodings of one batch share; made where it is new."""
    if m.component(name) is None:
        m.add_component(name, kind([b.label(k) for b in blocks for k in range(len(b.lower))]))
    return m.component(name)


def _piecewise(m: Any, data: Segments, S: list[str], g: Callable[[str], Any]) -> tuple[str, ...]:
    """Bound the values of curves by Pyomo's ``Piecewise`` of the GPUs; it is a line from nothing to the first count."""
    curves = data.curves
    if curves is None:
        return ()
    points, values = {}, {}
    for number, k in enumerate(data.curve_of.tolist()):
        own = curves.of == number
        points[S[k]] = [0.0, *(data.rest[k] + data.step[k] * curves.at[own, 0]).tolist()]
        values[S[k]] = [0.0, *curves.value[own].tolist()]
    m.g = pyo.Var(list(points), bounds=lambda m, s: (0.0, points[s][-1]))
    m.G = pyo.Constraint(list(points), rule=lambda m, s: m.g[s] == g(s))
    m.curve = pyo.Piecewise(
        list(points),
        m.y,
        m.g,
        pw_pts=points,
        f_rule=values,
        pw_constr_type="UB",
        pw_repn=REPRESENTATION,
        warn_domain_coverage=False,
        warning_tol=-1.0,
    )
    return (f"Pyomo's Piecewise ({REPRESENTATION}) for {curves.functions} curves: as asked",)
