"""HiGHS, through highspy's arrays (Huangfu and Hall, Math. Prog. Comp. 2018)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from optsched.backends.base import Outcome, Status, Stopped, Watch
from optsched.curves import FloatArray
from optsched.linear import LinearModel

__all__ = ["solve"]

_LARGE = 20_000
"""Columns from which HiGHS's presolve costs more on multiple-choice knapsacks than it saves: up to 40 times."""


def solve(model: LinearModel, watch: Watch, *, relaxed: bool = False, start: FloatArray | None = None) -> Outcome:
    """Maximize a linear model.

    Parameters
    ----------
    relaxed
        Drop the integrality.
    start
        A feasible point to begin from, shape ``(columns,)``.
    """
    if model.columns == 0:
        return _empty(model)
    best: list[FloatArray] = []
    bounds: list[float] = []
    started = time.monotonic()
    outcome = watch.run(lambda: _run(model, watch, relaxed, start, best, bounds))
    if outcome is not None:
        return outcome
    values = best[-1] if best else None
    objective = None if values is None else float(model.cost @ values) + model.offset
    status: Status = "unknown" if values is None else "feasible"
    stopped: Stopped = "interrupted" if watch.interrupted else "time_limit"
    bound = bounds[-1] if bounds else None
    return Outcome(status, stopped, values, objective, bound, time.monotonic() - started, "did not stop in time")


def _empty(model: LinearModel) -> Outcome:
    """Answer for a model without columns, which HiGHS calls empty whatever its rows demand."""
    matrix = model.matrix()
    if np.any(matrix.lower > 0) or np.any(matrix.upper < 0):
        return Outcome("infeasible", "infeasible", None, None, None, 0.0)
    return Outcome("optimal", "gap", np.empty(0), model.offset, model.offset, 0.0)


def _run(
    model: LinearModel, watch: Watch, relaxed: bool, start: FloatArray | None,
    best: list[FloatArray], bounds: list[float],
) -> Outcome:  # fmt: skip
    import highspy

    solver = highspy.Highs()
    highspy.Highs.resetGlobalScheduler(True)
    options: dict[str, Any] = {
        "output_flag": False,
        "threads": watch.limits.threads,
        "random_seed": watch.limits.seed,
        "mip_rel_gap": watch.limits.gap,
        "mip_abs_gap": 1e-9,
    }
    if model.columns >= _LARGE:
        options |= {"presolve": "off", "mip_detect_symmetry": False}
    for name, option in options.items():
        solver.setOptionValue(name, option)
    integer = model.integer & (not relaxed)
    began = time.monotonic()
    _pass(solver, highspy, model, integer)
    handover = time.monotonic() - began
    if start is not None and integer.any():
        point = highspy.HighsSolution()
        point.col_value = start
        solver.setSolution(point)

    def on_better(event: Any) -> None:
        best.append(np.array(event.data_out.mip_solution))

    def on_log(event: Any) -> None:
        bounds.append(event.data_out.mip_dual_bound)
        watch.progress("HiGHS", event.data_out.mip_primal_bound, event.data_out.mip_dual_bound)

    def on_check(event: Any) -> None:
        if watch.stopping():
            event.interrupt()

    if integer.any():
        solver.cbMipImprovingSolution += on_better
        solver.cbMipLogging += on_log
        solver.cbMipInterrupt += on_check
    solver.cbSimplexInterrupt += on_check
    if watch.limits.deadline is not None:
        solver.setOptionValue("time_limit", watch.limits.left())
    began = time.monotonic()
    solver.run()
    seconds = time.monotonic() - began
    return replace(_outcome(solver, highspy, model, bool(integer.any()), seconds), handover_s=handover)


def _pass(solver: Any, highspy: Any, model: LinearModel, integer: Any) -> None:
    """Hand the arrays over as they are."""
    matrix = model.matrix()
    solver.passModel(
        model.columns, len(matrix.lower), len(matrix.column), int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMaximize), model.offset, model.cost, model.lower, model.upper,
        matrix.lower, matrix.upper, matrix.start.astype(np.int32), matrix.column.astype(np.int32),
        matrix.coefficient, integer.astype(np.int32),
    )  # fmt: skip


def _outcome(solver: Any, highspy: Any, model: LinearModel, integral: bool, seconds: float) -> Outcome:
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
