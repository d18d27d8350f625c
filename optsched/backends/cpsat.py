"""CP-SAT of OR-Tools, for models written natively."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from optsched.backends.base import Outcome, Status, Stopped, Watch

__all__ = ["solve"]


def solve(model: Any, watch: Watch) -> Outcome:
    """Maximize a ``cp_model.CpModel``; values come back in the order of its variables.

    With one thread the search is reproducible, but where the time limit ends it. The objective is
    CP-SAT's claim: certified optima have been wrong where rows sum to more than 2**31, so callers
    recompute it.
    """
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    limits = watch.limits
    solver.parameters.num_workers = limits.threads
    solver.parameters.random_seed = limits.seed
    solver.parameters.relative_gap_limit = limits.gap
    solver.parameters.catch_sigint_signal = False
    if limits.deadline is not None:
        solver.parameters.max_time_in_seconds = limits.left()

    class Listener(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            best.append(np.array(self.response_proto.solution, dtype=np.float64))
            watch.progress("CP-SAT", self.objective_value, self.best_objective_bound)

    best: list[Any] = []
    solver.best_bound_callback = lambda bound: watch.progress("CP-SAT", None, bound)
    began = time.monotonic()
    if limits.left() <= 0:
        return Outcome("unknown", "time_limit", None, None, None, 0.0)

    watch.on_stop = solver.stop_search
    status = watch.run(lambda: solver.solve(model, Listener()))
    seconds = time.monotonic() - began
    if status is None:
        values = best[-1] if best else None
        stopped: Stopped = "interrupted" if watch.interrupted else "time_limit"
        return Outcome("feasible" if best else "unknown", stopped, values, None, None, seconds, "did not stop in time")
    return _outcome(solver, cp_model, status, seconds, watch)


def _outcome(solver: Any, cp_model: Any, status: Any, seconds: float, watch: Watch) -> Outcome:
    if status == cp_model.INFEASIBLE:
        return Outcome("infeasible", "infeasible", None, None, None, seconds)
    if status == cp_model.MODEL_INVALID:
        return Outcome("unknown", "failed", None, None, None, seconds, "CP-SAT calls the model invalid")
    stopped: Stopped = "gap" if status == cp_model.OPTIMAL else "time_limit"
    if watch.interrupted:
        stopped = "interrupted"
    bound = solver.best_objective_bound
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Outcome("unknown", stopped, None, None, bound if math.isfinite(bound) else None, seconds)
    found: Status = "optimal" if status == cp_model.OPTIMAL else "feasible"
    values = np.array(solver.response_proto.solution, dtype=np.float64)
    return Outcome(found, stopped, values, solver.objective_value, bound, seconds)
