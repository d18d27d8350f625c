"""Accept plans: the checker recomputes every one, and the best feasible plan so far is the incumbent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optsched.checker import check_plan
from optsched.instance import Instance, ObjectiveSpec
from optsched.instance.objectives import objective
from optsched.instance.solution import Allocation
from optsched.problem.problem import Plan, Problem, allocate

__all__ = ["Incumbent", "Verdict", "verify", "verify_plan"]


@dataclass(frozen=True)
class Incumbent:
    """A plan that the checker found feasible for the whole instance.

    Attributes
    ----------
    allocations
        What each running job gets.
    value
        Objective on the true curves, to be maximized: a minimized objective is negated.
    source
        What found the plan, for people.
    plan
        The rows that it chooses in the problem at hand; None if it was decided in another problem, for instance over
        some of the jobs.
    """

    allocations: tuple[Allocation, ...]
    value: float
    source: str = ""
    plan: Plan | None = None

    def improves(self, other: Incumbent | None) -> bool:
        """Return whether this plan has the greater value, or runs more jobs at the same value."""
        return other is None or (self.value, len(self.allocations)) > (other.value, len(other.allocations))


class Verdict(NamedTuple):
    """The checker's answer: the plan with its recomputed value, or None and the first rule that it breaks.

    A feasible plan whose objective is not finite is None without a violation.
    """

    incumbent: Incumbent | None
    violation: str = ""


def verify(
    instance: Instance,
    spec: ObjectiveSpec | None,
    allocations: Sequence[Allocation],
    source: str = "",
    *,
    plan: Plan | None = None,
    claimed: float | None = None,
) -> Verdict:
    """Recompute a plan by the checker.

    Parameters
    ----------
    spec
        Objective to recompute; None: the instance's own.
    plan
        The same plan as rows of a problem, kept with the incumbent.
    claimed
        Objective value that a solver claims, in the objective's own sense; a false claim is a violation.
    """
    report = check_plan(instance, allocations, spec, claimed=claimed)
    value = objective(spec or instance.objective).sign * report.value
    if not report.ok:
        return Verdict(None, str(report.violations[0]))
    if not np.isfinite(value):
        return Verdict(None)
    return Verdict(Incumbent(tuple(allocations), value, source, plan))


def verify_plan(problem: Problem, plan: Plan, source: str = "") -> Verdict:
    """Recompute a plan of a problem; its value in the problem is the claim that the checker compares with."""
    goal = problem.objective
    spec = ObjectiveSpec(name=goal.name, parameters=goal.parameters)
    claimed = goal.sign * problem.total(plan)
    return verify(problem.instance, spec, allocate(problem, plan), source, plan=plan, claimed=claimed)
