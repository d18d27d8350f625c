"""The state of a search: what it has found so far, all of it checked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from optsched._util.numeric import relative
from optsched.checker import check_plan
from optsched.instance import ObjectiveSpec
from optsched.instance.solution import Allocation
from optsched.problem.problem import Plan, Problem, allocate
from optsched.search.warm_start import Draft
from optsched.solvers import RunContext

if TYPE_CHECKING:
    from optsched.search.placement import Worth

__all__ = ["Board", "Search", "Stage", "bounded", "spec_of"]


@dataclass(frozen=True)
class Search:
    """What a search has found so far, all of it checked.

    plan
        The best; None where there is none.
    value, bound
        Its objective on the true curves, and a proven bound on any plan's; to be maximized.
    partial
        Whether more is asked for than the bound says: levels beyond the least.
    name, backend
        What the result calls the last stage.
    allocations
        What the plan means.
    worth
        Of rows at the prices of racks and links, where places are decided and the objective is a sum.
    check_s
        The longest time that checking a plan took.
    known, prices
        What one more unit of each resource was worth in the last round, and what it is worth in this one, by name.
    """

    problem: Problem
    board: Board
    executor: Executor | None = None
    name: str = ""
    backend: str = ""
    allocations: tuple[Allocation, ...] = ()
    check_s: float = 0.0
    known: Mapping[str, float] | None = None
    prices: Mapping[str, float] = field(default_factory=dict)
    plan: Plan | None = None
    worth: Worth | None = None
    value: float = -np.inf
    bound: float | None = None
    stopped: str = "heuristic"
    infeasible: bool = False
    partial: bool = False
    build_s: float = 0.0
    solve_s: float = 0.0
    notes: tuple[str, ...] = ()

    def noting(self, note: str) -> Search:
        return replace(self, notes=(*self.notes, note))

    def proven(self, gap: float) -> bool:
        """Tell whether the plan is within a relative gap of the bound."""
        if self.plan is None or self.bound is None:
            return False
        return relative(self.bound - self.value, self.value) <= gap

    def tell(self, context: RunContext, stage: str) -> None:
        """Report how far the search has come."""
        context.progress(stage, None if self.plan is None else self.value, self.bound)

    def offered(self, plan: Plan, source: str) -> Search:
        """Return the search with a plan taken up, if the checker finds it feasible, and it is better."""
        began = time.monotonic()
        problem, sign = self.problem, self.problem.objective.sign
        allocations = allocate(problem, plan)
        report = check_plan(problem.instance, allocations, spec_of(problem), claimed=sign * problem.total(plan))
        search = replace(self, check_s=max(self.check_s, time.monotonic() - began))
        if not report.ok:
            return search.noting(f"the plan of {source} was dropped: {report.violations[0]}")
        return search.taken(plan, allocations, sign * report.value) if sign * report.value > self.value else search

    def taken(self, plan: Plan, allocations: tuple[Allocation, ...], value: float) -> Search:
        """Return the search with a plan that the checker has confirmed."""
        search = replace(self, plan=plan, allocations=allocations, value=value)
        self.board.search = search
        return search


@dataclass
class Board:
    """The best of a search for whoever cannot wait for its end: plans that the checker confirmed, and the bound.

    opened
        Set once it is known whether nobody may run, and the stamp is there.
    stamp
        The instance's fingerprint, which takes its time where there are many jobs.
    """

    draft: Draft | None = None
    search: Search | None = None
    stamp: str = ""
    opened: threading.Event = field(default_factory=threading.Event)

    def drafted(self, draft: Draft | None) -> None:
        """Take a first plan up, if it is better, or no worse and of more jobs."""
        mine = self.draft
        if draft is not None and (
            mine is None or (draft.value, len(draft.allocations)) > (mine.value, len(mine.allocations))
        ):
            self.draft = draft


@dataclass(frozen=True)
class Stage:
    """One step of a search: it may better the plan, the bound, or both. ``name``: what the result calls it."""

    name: str
    backend: str
    run: Callable[[Search], Search]


def spec_of(problem: Problem) -> ObjectiveSpec:
    return ObjectiveSpec(name=problem.objective.name, parameters=problem.objective.parameters)


def bounded(search: Search, bound: float | None, scale: float, source: str) -> Search:
    """Return the search with a bound, unless a known plan refutes it."""
    if bound is None or not np.isfinite(bound):
        return search
    true = bound * scale
    if true < search.value - 1e-6 * max(1e-9, abs(search.value)):
        return replace(search, stopped="failed").noting(
            f"{source} claims the bound {true:.9g}, and a plan of {search.value:.9g} is known: not believed"
        )
    known = true if search.bound is None else min(true, search.bound)
    return replace(search, bound=max(known, search.value))
