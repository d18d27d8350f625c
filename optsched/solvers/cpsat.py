"""CP-SAT of OR-Tools, for models written natively."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

from optsched.solvers.base import Outcome, RunContext, Status, Stopped

__all__ = ["prepare", "run", "solve"]


def solve(model: Any, context: RunContext) -> Outcome:
    """Maximize a ``cp_model.CpModel`` in a process of its own; values come back in the order of its variables.

    With one thread the search is reproducible, but where the time limit ends it. The objective is
    CP-SAT's claim: certified optima have been wrong where rows sum to more than 2**31, so callers
    recompute it.
    """
    from optsched.solvers.subprocess import client

    outcome = client.run("cpsat", str(model.proto), context)
    columns = len(model.proto.variables)
    if outcome.values is not None and (outcome.values.shape != (columns,) or not np.isfinite(outcome.values).all()):
        message = f"CP-SAT answers with what is no point of {columns} columns: nothing of its answer is believed"
        return replace(outcome, status="unknown", stopped="failed", values=None, bound=None, message=message)
    return outcome


def prepare() -> None:
    """Import the solver: in its own process, before the first request."""
    from ortools.sat.python import cp_model  # noqa: F401


def run(request: str, context: RunContext) -> Outcome:
    """Maximize a model given as the text of its protocol buffer; in the solver's own process."""
    from ortools.sat.python import cp_model

    began = time.monotonic()
    model = cp_model.CpModel()
    if not model.proto.parse_text_format(request):
        return Outcome("unknown", "failed", None, None, None, 0.0, "CP-SAT cannot read the model")
    handover = time.monotonic() - began
    solver = cp_model.CpSolver()
    limits = context.limits
    solver.parameters.num_workers = limits.threads
    solver.parameters.random_seed = limits.seed
    solver.parameters.relative_gap_limit = limits.gap
    solver.parameters.catch_sigint_signal = False
    if limits.deadline is not None:
        solver.parameters.max_time_in_seconds = limits.left()

    class Listener(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            context.incumbent(np.array(self.response_proto.solution, dtype=np.float64))
            context.progress("CP-SAT", self.objective_value, self.best_objective_bound)

    solver.best_bound_callback = lambda bound: context.progress("CP-SAT", None, bound)
    context.on_stop = solver.stop_search
    began = time.monotonic()
    if limits.left() <= 0 or context.stopping():
        return Outcome("unknown", "time_limit", None, None, None, 0.0)
    status = solver.solve(model, Listener())
    return replace(_outcome(solver, cp_model, status, time.monotonic() - began), handover_s=handover)


def _outcome(solver: Any, cp_model: Any, status: Any, seconds: float) -> Outcome:
    if status == cp_model.INFEASIBLE:
        return Outcome("infeasible", "infeasible", None, None, None, seconds)
    if status == cp_model.MODEL_INVALID:
        return Outcome("unknown", "failed", None, None, None, seconds, "CP-SAT calls the model invalid")
    stopped: Stopped = "gap" if status == cp_model.OPTIMAL else "time_limit"
    bound = solver.best_objective_bound
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Outcome("unknown", stopped, None, None, bound if math.isfinite(bound) else None, seconds)
    found: Status = "optimal" if status == cp_model.OPTIMAL else "feasible"
    values = np.array(solver.response_proto.solution, dtype=np.float64)
    return Outcome(found, stopped, values, solver.objective_value, bound, seconds)
