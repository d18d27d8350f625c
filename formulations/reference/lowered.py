"""Any linear model as a Pyomo model, block by block under the names of its mathematics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo

from optsched.problem.formulation import Formulated
from optsched.solvers.linear import LinearModel
from optsched.solvers.pyomo import PyomoModel

__all__ = ["lowered"]


def lowered(built: Formulated) -> Formulated:
    """Return a formulated linear model in Pyomo's form; a start is not taken along."""
    source: LinearModel = built.model
    m = pyo.ConcreteModel()
    columns: list[object] = []
    for number, block in enumerate(source.variables):
        whole = block.integer.tolist()
        ends = list(zip(block.lower.tolist(), block.upper.tolist(), strict=True))
        added = pyo.Var(
            range(len(ends)),
            domain=lambda _, k, whole=whole: pyo.Integers if whole[k] else pyo.Reals,
            bounds=lambda _, k, ends=ends: tuple(None if not np.isfinite(x) else x for x in ends[k]),
        )
        m.add_component(_name(m, block.name, number), added)
        columns += [added[k] for k in range(len(ends))]
    for number, rows in enumerate(source.rows):
        body: list[list[object]] = [[] for _ in range(len(rows.lower))]
        for r, c, a in zip(rows.row.tolist(), rows.column.tolist(), rows.coefficient.tolist(), strict=True):
            body[r].append(a * columns[c])
        low, high = rows.lower.tolist(), rows.upper.tolist()

        def rule(_: object, k: int, body: object = body, low: object = low, high: object = high) -> object:
            terms, ends = pyo.quicksum(body[k]), (low[k], high[k])  # type: ignore[index]
            if not body[k]:  # type: ignore[index]
                return pyo.Constraint.Feasible if ends[0] <= 0 <= ends[1] else pyo.Constraint.Infeasible
            if ends[0] == ends[1]:
                return terms == ends[0]
            return pyo.inequality(
                *(None if not np.isfinite(x) else x for x in (ends[0],)),
                terms,
                *(None if not np.isfinite(x) else x for x in (ends[1],)),
            )

        m.add_component(_name(m, rows.name, number), pyo.Constraint(range(len(low)), rule=rule))
    cost = source.cost
    worth = pyo.quicksum(float(cost[k]) * columns[k] for k in np.flatnonzero(cost).tolist())  # type: ignore[operator]
    m.objective = pyo.Objective(expr=source.offset + worth, sense=pyo.maximize)
    return replace(built, model=PyomoModel(m, columns), start=None)


def _name(m: pyo.ConcreteModel, name: str, number: int) -> str:
    """Return the block's name, with its number where it is taken or names one of the model's own things."""
    return f"{name}_{number}" if m.component(name) is not None or hasattr(m, name) else name
