"""A linear model of integers as a CP-SAT model: coefficients become integers, the objective's rounded up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ortools.sat.python import cp_model

from formulations.cpsat.scaling import whole_amounts, whole_values
from optsched._util.arrays import FloatArray
from optsched.errors import InputError
from optsched.problem.formulation import Formulated
from optsched.problem.problem import Plan
from optsched.solvers.linear import LinearModel

__all__ = ["lowered"]


def lowered(built: Formulated) -> Formulated:
    """Return a formulated linear model of integers in CP-SAT's form.

    The least value of a max-min is the only column that may be continuous: it is counted in units of which the
    largest value has as many as CP-SAT's arithmetic safely holds in every row, and values are rounded up,
    so that its bound stays a bound. ``scale`` says what a unit is.

    Raises
    ------
    InputError
        For another continuous column, or amounts of more than six decimals.
    """
    source: LinearModel = built.model
    matrix = source.matrix()
    cost, whole = source.cost, source.integer
    least = np.flatnonzero(~whole)
    if len(least) > 1 or (len(least) == 1 and cost[least[0]] != 1.0):
        raise InputError("a model of integers, which CP-SAT needs", value=f"{len(least)} continuous columns")
    in_values = np.zeros(len(matrix.lower), dtype=bool)
    if len(least):
        in_values[matrix.row[matrix.column == least[0]]] = True
        mine = in_values[matrix.row] & (matrix.column != least[0])
        worth, unit = whole_values(-matrix.coefficient[mine])
        coefficient = matrix.coefficient.copy()
        coefficient[mine] = -worth
        goal = np.where(np.arange(len(cost)) == least[0], 1, 0)
    else:
        coefficient = matrix.coefficient
        goal, unit = whole_values(cost)
    model = cp_model.CpModel()
    top = np.where(np.isfinite(source.upper), source.upper, 0.0)
    columns = [
        model.new_int_var(int(np.ceil(low)), int(np.floor(high + 1e-9)), "")
        if k not in least
        else model.new_int_var(0, int(np.ceil(high / unit)), "")
        for k, (low, high) in enumerate(zip(source.lower.tolist(), top.tolist(), strict=True))
    ]
    for r in range(len(matrix.lower)):
        entry = slice(matrix.start[r], matrix.start[r + 1])
        terms = [columns[c] for c in matrix.column[entry].tolist()]
        _row(model, terms, coefficient[entry], float(matrix.lower[r]), float(matrix.upper[r]), bool(in_values[r]))
    model.maximize(cp_model.LinearExpr.weighted_sum(columns, goal.tolist()))

    def read(values: FloatArray) -> Plan:
        return built.read(values)

    return replace(built, model=model, read=read, start=None, scale=built.scale * unit)


def _row(
    model: cp_model.CpModel, terms: list[cp_model.IntVar], coefficient: FloatArray, low: float, high: float, done: bool
) -> None:
    """Add ``low <= coefficient @ terms <= high`` in integers; ``done``: they are integers already, and high is 0."""
    if done:
        model.add(cp_model.LinearExpr.weighted_sum(terms, coefficient.astype(np.int64).tolist()) <= 0)
        return
    sign = np.where(coefficient < 0, -1, 1)
    if np.isfinite(high):
        whole, limit = whole_amounts(np.append(np.abs(coefficient), abs(high)), abs(high))
        bound = limit if high >= 0 else -int(whole[-1])
        model.add(cp_model.LinearExpr.weighted_sum(terms, (sign * whole[:-1]).tolist()) <= bound)
    if np.isfinite(low):
        whole, _ = whole_amounts(np.append(np.abs(coefficient), abs(low)), abs(low))
        bound = int(whole[-1]) if low >= 0 else -int(whole[-1])
        model.add(cp_model.LinearExpr.weighted_sum(terms, (sign * whole[:-1]).tolist()) >= bound)
