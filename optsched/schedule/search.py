"""The search for a schedule: the incumbent, which the checker has confirmed, and the proven bound."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from optsched._util.numeric import relative
from optsched.schedule.checker import check
from optsched.schedule.problem import Plan, Question, runs

__all__ = ["Search"]


@dataclass(frozen=True)
class Search:
    """What a search has found so far, all of it checked; costs are minimized.

    bound
        Proven least cost of any schedule.
    enumerated
        Whether every schedule was tried.
    """

    question: Question
    plan: Plan | None = None
    cost: float = math.inf
    bound: float | None = None
    stopped: str = "heuristic"
    infeasible: str = ""
    tick: float = 0.0
    enumerated: bool = False
    build_s: float = 0.0
    solve_s: float = 0.0
    notes: tuple[str, ...] = ()

    def noting(self, note: str) -> Search:
        return replace(self, notes=(*self.notes, note))

    def gap(self) -> float | None:
        """Return the relative gap, 0 for a difference within the solvers' tolerance; None where a side is missing."""
        if self.plan is None or self.bound is None:
            return None
        open_ = self.cost - self.bound
        worth = float(np.sum(np.abs(self.question.weight)))
        return 0.0 if open_ <= 1e-9 * (1 + abs(self.cost) + worth) else relative(open_, self.cost)

    def proven(self, gap: float) -> bool:
        found = self.gap()
        return found is not None and found <= gap + 1e-9

    def offered(self, plan: Plan, source: str) -> Search:
        """Return the search with a plan taken up, if it is better and the checker finds nothing wrong."""
        question = self.question
        cost = question.cost(plan)
        if not cost < self.cost:
            return self
        report = check(question.instance, question.horizon, runs(question, plan), question.goal.value(cost))
        if not report.ok:
            return self.noting(f"the schedule of {source} was dropped: {report.violations[0]}")
        return replace(self, plan=plan, cost=cost)

    def bounded(self, bound: float, source: str) -> Search:
        """Return the search with a lower bound of the cost, unless a known schedule refutes it."""
        if not math.isfinite(bound):
            return self
        if (step := self.question.goal.step(self.question.weight)) is not None:
            bound = step * math.ceil(bound / step - 1e-6)
        if bound > self.cost + 1e-6 * max(1e-9, abs(self.cost)):
            value = self.question.goal.value
            return self.noting(
                f"{source} claims the bound {value(bound):.9g}, and a schedule of {value(self.cost):.9g} is known: "
                "not believed"
            )
        known = bound if self.bound is None else max(bound, self.bound)
        return replace(self, bound=min(known, self.cost))
