"""HiGHS, through highspy's arrays (Huangfu and Hall, Math. Prog. Comp. 2018)."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from optsched.errors import SolverError
from optsched.solvers.base import Outcome, RunContext, Status, Stopped
from optsched.solvers.request import Request
from optsched.solvers.scaling import TOLERANCE, Scaling, scaled

if TYPE_CHECKING:  # the solver's process needs arrays, and nothing of what makes them
    from optsched._util.arrays import FloatArray
    from optsched.solvers.linear import LinearModel

__all__ = [
    "Request",
    "confirmed",
    "dense",
    "dual_bound",
    "pass_model",
    "prepare",
    "refuse_wrong",
    "request_of",
    "run",
    "solve",
]

_AGGREGATOR = 1 << 12
"""A rule of the presolve of HiGHS 1.12 and 1.13 by which it calls points optimal that are not (tests/solvers)."""
_WRONG = ("1.14.", "1.15.")
"""Versions with known wrong optima, and crashes on one thread."""
_LARGE = 20_000
"""Columns from which HiGHS's presolve costs more on multiple-choice knapsacks than it saves: up to 40 times."""
_INFINITE = 1e29
"""Bounds from which on HiGHS means that it has none."""
_FEASIBLE = 1e-5
"""Largest violation of a row or a bound, relative to the row's terms: HiGHS's own tolerance is 1e-6 of its scaling."""


def solve(
    model: LinearModel, context: RunContext, *, relaxed: bool = False, start: FloatArray | None = None
) -> Outcome:
    """Maximize a linear model in a process of its own.

    A point that breaks the model is not handed on, nor is anything else that came with it. The bound of
    a model without integers is proven by its duals, whatever solver found them.

    Parameters
    ----------
    relaxed
        Drop the integrality.
    start
        A feasible point to begin from, shape ``(columns,)``.
    """
    from optsched.solvers.subprocess import client

    if model.columns == 0:
        return _empty(model)
    request = request_of(model)
    if relaxed:
        request = replace(request, integer=np.zeros(model.columns, dtype=bool))
    elif request.integer.any():
        request = replace(request, point=start)
    return confirmed(request, client.run("highs", request, context))


def request_of(model: LinearModel) -> Request:
    """Return a model as arrays."""
    matrix = model.matrix()
    return Request(
        model.offset,
        model.cost,
        model.lower,
        model.upper,
        model.integer,
        matrix.start.astype(np.int32),
        matrix.column.astype(np.int32),
        matrix.coefficient,
        matrix.lower,
        matrix.upper,
        None,
    )


def _empty(model: LinearModel) -> Outcome:
    """Answer for a model without columns, which HiGHS calls empty whatever its rows demand."""
    matrix = model.matrix()
    if np.any(matrix.lower > 0) or np.any(matrix.upper < 0):
        return Outcome("infeasible", "infeasible", None, None, None, 0.0)
    return Outcome("optimal", "gap", np.empty(0), model.offset, model.offset, 0.0)


def confirmed(request: Request, outcome: Outcome) -> Outcome:
    """Return what of an outcome holds for the model itself."""
    if outcome.values is not None:
        wrong = _broken(request, outcome.values)
        objective = 0.0 if wrong else request.offset + float(request.cost @ outcome.values)
        said = outcome.objective
        if not wrong and said is not None and not abs(said - objective) <= 1e-5 * max(1.0, abs(objective)):
            wrong = f"claims the objective {said:.9g} for a point of {objective:.9g}"
        if wrong:
            message = f"HiGHS {wrong}: nothing of its answer is believed"
            return Outcome("unknown", "failed", None, None, None, outcome.solve_s, message)
        outcome = replace(outcome, objective=objective)
    if outcome.duals is not None and not request.integer.any():
        return replace(outcome, bound=dual_bound(request, outcome.duals))
    return _unrefuted(request, outcome)


def _unrefuted(request: Request, outcome: Outcome) -> Outcome:
    """Return an outcome without claims that a known point refutes: its own, or the one that it began from."""
    known = -np.inf if outcome.objective is None else outcome.objective
    if request.point is not None and not _broken(request, request.point):
        known = max(known, request.offset + float(request.cost @ request.point))
    if known == -np.inf:
        return outcome
    if outcome.status == "infeasible":
        message = "HiGHS calls a model infeasible of which a point is known: not believed"
        return replace(outcome, status="unknown", stopped="failed", message=message)
    if outcome.bound is not None and outcome.bound < known - 1e-5 * max(1.0, abs(known)):
        message = f"HiGHS claims the bound {outcome.bound:.9g}, and a point of {known:.9g} is known: not believed"
        status: Status = "unknown" if outcome.values is None else "feasible"
        return replace(outcome, status=status, stopped="failed", bound=None, message=message)
    return outcome


def _broken(request: Request, values: FloatArray) -> str:
    """Return how a point breaks the model; empty where it does not."""
    if values.shape != request.cost.shape or not np.isfinite(values).all():
        return f"answers with what is no point of {len(request.cost)} columns"
    room = _FEASIBLE * np.maximum(1.0, np.abs(values))
    if np.any(values < request.lower - room) or np.any(values > request.upper + room):
        return "answers with a point outside the bounds"
    if np.any(np.abs(values - np.rint(values))[request.integer] > _FEASIBLE):
        return "answers with parts of what is whole"
    terms = request.coefficient * values[request.column]
    row = np.repeat(np.arange(len(request.row_lower)), np.diff(request.start))
    activity = np.bincount(row, weights=terms, minlength=len(request.row_lower))
    room = _FEASIBLE * np.maximum(1.0, np.bincount(row, weights=np.abs(terms), minlength=len(request.row_lower)))
    if np.any(activity < request.row_lower - room) or np.any(activity > request.row_upper + room):
        return "answers with a point that breaks a row"
    return ""


def dual_bound(request: Request, duals: FloatArray) -> float | None:
    """Return the bound that duals of the rows prove on the linear relaxation; None where they prove none.

    For any y, ``c x <= y'b + sum_j max over l_j <= x_j <= u_j of (c - A'y)_j x_j``, where b is the side of the
    row that y's sign names: whatever y is, this bounds every feasible point (Neumaier and Shcherbina, Math.
    Prog. 99 (2004)), so that neither the solver nor its tolerances need be trusted.
    """
    if duals.shape != request.row_lower.shape or not np.isfinite(duals).all():
        return None
    side = np.where(duals > 0, request.row_upper, request.row_lower)
    y = np.where(np.isfinite(side), duals, 0.0)
    side = np.where(np.isfinite(side), side, 0.0)
    row = np.repeat(np.arange(len(y)), np.diff(request.start))
    parts = np.bincount(request.column, weights=request.coefficient * y[row], minlength=len(request.cost))
    reduced = request.cost - parts
    end = np.where(reduced > 0, request.upper, request.lower)
    used = reduced != 0
    bound = request.offset + float(y @ side) + float(reduced[used] @ end[used])
    return bound if np.isfinite(bound) else None


def dense(
    cost: FloatArray, matrix: FloatArray, lower: FloatArray, upper: FloatArray, *, integer: bool
) -> FloatArray | None:
    """Solve a small model here and now: see :class:`optsched.solvers.disjunctions.Small`."""
    import highspy

    rows, columns = matrix.shape
    start = np.arange(0, rows * columns + 1, columns)
    column = np.tile(np.arange(columns), rows)
    whole = np.full(columns, integer)
    zero, ends = np.zeros(columns), np.full(columns, np.inf)
    solver = highspy.Highs()
    for name, option in {"output_flag": False, "threads": 1, "presolve": "off"}.items():
        solver.setOptionValue(name, option)
    pass_model(solver, Request(0.0, cost, zero, ends, whole, start, column, matrix.ravel(), lower, upper, None))
    solver.run()
    proven = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return np.array(solver.getSolution().col_value) if proven else None


def prepare() -> None:
    """Import the solver: in its own process, before the first request."""
    import highspy  # noqa: F401


def refuse_wrong(version: str) -> None:
    """Raise SolverError for a version of HiGHS that is known to call wrong points optimal, or to crash."""
    if version.startswith(_WRONG):
        raise SolverError(f"highspy {version} is known to give wrong answers: install highspy 1.12, 1.13 or 1.16")


def run(request: Request, context: RunContext) -> Outcome:
    """Maximize; in the solver's own process."""
    import highspy

    refuse_wrong(metadata.version("highspy"))

    solver = highspy.Highs()
    highspy.Highs.resetGlobalScheduler(True)
    options: dict[str, Any] = {
        "presolve_rule_off": _AGGREGATOR,
        "output_flag": False,
        "threads": context.limits.threads,
        "random_seed": context.limits.seed,
        "mip_rel_gap": context.limits.gap,
        "mip_abs_gap": 1e-9,
    }
    if len(request.cost) >= _LARGE:
        options |= {"presolve": "off", "mip_detect_symmetry": False}
    for name, option in options.items():
        solver.setOptionValue(name, option)
    began = time.monotonic()
    request, by = scaled(request)
    pass_model(solver, request)
    handover = time.monotonic() - began
    if request.point is not None:
        point = highspy.HighsSolution()
        point.col_value = request.point
        solver.setSolution(point)

    def on_better(event: Any) -> None:
        context.incumbent(by.point(np.array(event.data_out.mip_solution)))

    def on_log(event: Any) -> None:
        found, bound = event.data_out.mip_primal_bound, event.data_out.mip_dual_bound
        context.progress("HiGHS", *(x if abs(x) > _INFINITE else x / by.objective for x in (found, bound)))

    def on_check(event: Any) -> None:
        if context.stopping():
            event.interrupt()

    integral = bool(request.integer.any())
    if integral:
        solver.cbMipImprovingSolution += on_better
        solver.cbMipLogging += on_log
        solver.cbMipInterrupt += on_check
    solver.cbSimplexInterrupt += on_check
    if context.limits.deadline is not None:
        solver.setOptionValue("time_limit", context.limits.left())
    began = time.monotonic()
    solver.run()
    if request.point is not None and _unlooked(solver, highspy):
        solver.clearSolver()
        if context.limits.deadline is not None:
            solver.setOptionValue("time_limit", context.limits.left())
        solver.run()
    seconds = time.monotonic() - began
    return replace(_in_own_units(_outcome(solver, highspy, integral, seconds), by, integral), handover_s=handover)


def _in_own_units(outcome: Outcome, by: Scaling, integral: bool) -> Outcome:
    """Return an outcome in the units of the model, and the bound of an integer program rounded outward."""
    slack = TOLERANCE if integral else 0.0
    return replace(
        outcome,
        values=None if outcome.values is None else by.point(outcome.values),
        objective=None if outcome.objective is None else outcome.objective / by.objective,
        bound=None if outcome.bound is None else (outcome.bound + slack) / by.objective,
        duals=None if outcome.duals is None else by.duals(outcome.duals),
    )


def _unlooked(solver: Any, highspy: Any) -> bool:
    """Tell whether a start is called optimal before a linear program was solved.

    HiGHS 1.13 can prune all else where presolve leaves little, better points among it (tests/solvers).
    """
    info = solver.getInfo()
    proven = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return bool(proven and info.mip_node_count == 0 and info.simplex_iteration_count == 0)


def pass_model(solver: Any, request: Request) -> None:
    """Hand the arrays over as they are."""
    import highspy

    solver.passModel(
        len(request.cost),
        len(request.row_lower),
        len(request.column),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMaximize),
        request.offset,
        request.cost,
        request.lower,
        request.upper,
        request.row_lower,
        request.row_upper,
        request.start,
        request.column,
        request.coefficient,
        request.integer.astype(np.int32),
    )


def _outcome(solver: Any, highspy: Any, integral: bool, seconds: float) -> Outcome:
    state = highspy.HighsModelStatus
    found = solver.getModelStatus()
    info = solver.getInfo()
    solution = solver.getSolution()
    has_point = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = np.array(solution.col_value) if has_point else None
    objective = float(info.objective_function_value) if has_point else None
    bound: float | None = float(info.mip_dual_bound) if integral else None
    if found == state.kOptimal:
        duals = None if integral else np.array(solution.row_dual)
        return Outcome("optimal", "gap", values, objective, bound if integral else objective, seconds, "", duals)
    if found in (state.kInfeasible, state.kUnboundedOrInfeasible):
        return Outcome("infeasible", "infeasible", None, None, None, seconds)
    if found == state.kUnbounded:
        return Outcome("unbounded", "failed", None, None, None, seconds)
    reasons: dict[Any, Stopped] = {state.kTimeLimit: "time_limit", state.kInterrupt: "interrupted"}
    status: Status = "unknown" if values is None else "feasible"
    if bound is not None and not np.isfinite(bound):
        bound = None
    message = solver.modelStatusToString(found)
    return Outcome(status, reasons.get(found, "failed"), values, objective, bound, seconds, message)
