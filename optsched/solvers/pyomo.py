"""Pyomo: the readable references of the formulations, with whatever solver Pyomo finds."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import numpy as np

from optsched.errors import SolverError
from optsched.solvers.base import Outcome, RunContext

__all__ = ["PREFERRED", "PyomoModel", "available", "prepare", "run", "solve"]

PREFERRED = ("appsi_highs", "gurobi", "cplex", "xpress", "scip", "cbc", "glpk")
"""Solvers in the order in which they are taken where the user names none."""

_GAPS = {
    "appsi_highs": "mip_rel_gap",
    "highs": "mip_rel_gap",
    "gurobi": "MIPGap",
    "cplex": "mip_tolerances_mipgap",
    "scip": "limits/gap",
    "cbc": "ratioGap",
    "glpk": "mipgap",
}
_TIMES = {
    "appsi_highs": "time_limit",
    "highs": "time_limit",
    "gurobi": "TimeLimit",
    "cplex": "timelimit",
    "scip": "limits/time",
    "cbc": "sec",
    "glpk": "tmlim",
}


@dataclass(frozen=True)
class PyomoModel:
    """A ``ConcreteModel`` that maximizes, and its variables in the order in which values are read."""

    model: Any
    variables: list[Any]


def available(name: str) -> bool:
    """Tell whether Pyomo can call a solver here."""
    from pyomo.opt import SolverFactory

    try:
        return bool(SolverFactory(name).available(exception_flag=False))
    except (RuntimeError, ValueError):  # unknown plug-ins answer in either way
        return False


def solve(built: PyomoModel, context: RunContext, solver: str = "") -> Outcome:
    """Maximize a Pyomo model with the named solver, or the first of ``PREFERRED`` that is there.

    The model travels as a pickle to a process of its own, where the solver's own process and
    temporary files belong to it, and go with it.

    Raises
    ------
    SolverError
        Where no solver is found.
    """
    from optsched.solvers.subprocess import client

    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump((built.model, built.variables))
    return client.run("pyomo", (buffer.getvalue(), solver), context)


class _Pickler(pickle.Pickler):
    """Leaves behind the functions that made a model: built, it needs them no more, and they know no pickle."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, FunctionType) and ("<locals>" in thing.__qualname__ or "<lambda>" in thing.__qualname__):
            return _forgotten, (thing.__qualname__,)
        return NotImplemented


def _forgotten(name: str) -> Callable[..., Any]:
    def rule(*_: Any) -> Any:
        raise RuntimeError(f"{name} stayed in another process")

    return rule


def prepare() -> None:
    """Import Pyomo: in its own process, before the first request."""
    import pyomo.environ  # noqa: F401


def run(request: tuple[bytes, str], context: RunContext) -> Outcome:
    """Maximize; in a process of its own."""
    from pyomo.opt import SolverFactory, TerminationCondition

    content, solver = request
    name = solver or next((s for s in PREFERRED if available(s)), "")
    if not name or not available(name):
        raise SolverError(f"Pyomo finds no solver {solver!r}; it looked for {', '.join(PREFERRED)}")
    began = time.monotonic()
    model, variables = pickle.loads(content)
    handover = time.monotonic() - began
    chosen = SolverFactory(name)
    if name in _GAPS:
        chosen.options[_GAPS[name]] = context.limits.gap
    if context.limits.deadline is not None and name in _TIMES:
        left = max(0.01, context.limits.left())
        chosen.options[_TIMES[name]] = int(np.ceil(left)) if name == "glpk" else left
    began = time.monotonic()
    results = chosen.solve(model, load_solutions=False)
    seconds = time.monotonic() - began
    condition = results.solver.termination_condition
    if condition in (TerminationCondition.infeasible, TerminationCondition.infeasibleOrUnbounded):
        return Outcome("infeasible", "infeasible", None, None, None, seconds)
    if len(results.solution) == 0 and name != "appsi_highs":
        return Outcome("unknown", "time_limit", None, None, None, seconds, f"{name}: {condition}")
    # GLPK calls a point within the gap feasible; without a limit on time, that is why it stopped
    within = condition == TerminationCondition.feasible and context.limits.left() > 0
    optimal = condition == TerminationCondition.optimal or within
    built = PyomoModel(model, variables)
    return replace(_outcome(built, results, name, optimal, context.limits.gap, seconds), handover_s=handover)


def _outcome(built: PyomoModel, results: Any, name: str, optimal: bool, gap: float, seconds: float) -> Outcome:
    import pyomo.environ as pyo

    try:
        built.model.solutions.load_from(results)
    except (ValueError, RuntimeError) as error:  # no point to load
        return Outcome("unknown", "time_limit", None, None, None, seconds, f"{name}: {error}")
    values = np.array([pyo.value(v, exception=False) or 0.0 for v in built.variables], dtype=np.float64)
    goal = next(built.model.component_data_objects(pyo.Objective, active=True))
    bound = results.problem.upper_bound
    bound = None if bound is None or not np.isfinite(float(bound)) else float(bound)
    value = float(pyo.value(goal))
    if bound is None and optimal:  # all that such a solver says of its bound
        bound = value + gap * abs(value)
    return Outcome(
        "optimal" if optimal else "feasible",
        "gap" if optimal else "time_limit",
        values,
        value,
        bound,
        seconds,
    )
