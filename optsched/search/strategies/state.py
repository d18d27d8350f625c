"""The state of a search, which its stages hand on: the incumbent and the dual bound, both confirmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from optsched._util.numeric import relative
from optsched.instance.solution import Allocation
from optsched.problem.incumbent import Incumbent, verify_plan
from optsched.problem.problem import Plan, Problem
from optsched.solvers import RunContext

if TYPE_CHECKING:
    from optsched.search.placement.prices import RowPrices

__all__ = ["IncumbentStore", "Search", "Stage", "bounded"]


@dataclass(frozen=True)
class Search:
    """What a search has found so far.

    Attributes
    ----------
    store
        Where other threads find the state of the search.
    executor
        Runs passes of the price engine; None: this process does.
    name, backend
        Formulation and backend that the result names: those of the last stage.
    known, prices
        Shadow prices of the resources by name, from the last round and from this one.
    incumbent
        The best plan; None where none was found.
    bound
        Proven upper bound on the value of any plan, to be maximized; None where none is known.
    worth
        Reduced value of every row at the prices of racks and links, where placement is decided and the objective is a
        sum.
    partial
        Whether the objective asks for more than the bound covers: levels above the minimum.
    check_s
        The longest time that checking a plan took.
    """

    problem: Problem
    store: IncumbentStore
    executor: Executor | None = None
    name: str = ""
    backend: str = ""
    known: Mapping[str, float] | None = None
    prices: Mapping[str, float] = field(default_factory=dict)
    incumbent: Incumbent | None = None
    bound: float | None = None
    priced: RowPrices | None = None
    stopped: str = "heuristic"
    infeasible: bool = False
    partial: bool = False
    check_s: float = 0.0
    build_s: float = 0.0
    solve_s: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def plan(self) -> Plan | None:
        """The incumbent as rows of the problem; None where there is no incumbent."""
        return None if self.incumbent is None else self.incumbent.plan

    @property
    def value(self) -> float:
        """Objective of the incumbent on the true curves, to be maximized; -inf where there is no incumbent."""
        return -np.inf if self.incumbent is None else self.incumbent.value

    @property
    def allocations(self) -> tuple[Allocation, ...]:
        """What each running job gets in the incumbent."""
        return () if self.incumbent is None else self.incumbent.allocations

    def noting(self, note: str) -> Search:
        """Return the search with one more note for the result."""
        return replace(self, notes=(*self.notes, note))

    def proven(self, gap: float) -> bool:
        """Return whether the incumbent is within a relative gap of the dual bound."""
        if self.incumbent is None or self.bound is None:
            return False
        return relative(self.bound - self.value, self.value) <= gap + 1e-9

    def tell(self, context: RunContext, stage: str) -> None:
        """Report incumbent and dual bound to the caller of ``solve``."""
        context.progress(stage, None if self.incumbent is None else self.value, self.bound)

    def offered(self, plan: Plan, source: str, *, slack: float | None = None) -> Search:
        """Return the search with a plan as its incumbent, if the checker finds it feasible and it is better.

        Parameters
        ----------
        slack
            Accept a plan whose value is lower by this much at most; None: its value must be greater.
        """
        began = time.monotonic()
        found, violation = verify_plan(self.problem, plan, source)
        search = replace(self, check_s=max(self.check_s, time.monotonic() - began))
        if found is None:
            return search.noting(f"the plan of {source} was dropped: {violation}") if violation else search
        if not (found.value > self.value if slack is None else found.value >= self.value - slack):
            return search
        search = replace(search, incumbent=found)
        self.store.publish(search)
        return search


class IncumbentStore:
    """The best of a search, for a thread that cannot wait for its end.

    Attributes
    ----------
    warm_start
        The best plan from before the search; None where none is known.
    search
        The latest state of the search; None before the first.
    fingerprint
        The instance's fingerprint, which takes a while to compute for many jobs.
    ready
        Set once the empty plan was checked and the fingerprint is known.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.warm_start: Incumbent | None = None
        self.search: Search | None = None
        self.fingerprint = ""
        self.ready = threading.Event()

    def offer(self, plan: Incumbent | None) -> None:
        """Keep a warm start, if it is better than the one that is known."""
        with self._lock:
            if plan is not None and plan.improves(self.warm_start):
                self.warm_start = plan

    def publish(self, search: Search) -> None:
        """Publish the latest state of the search."""
        with self._lock:
            self.search = search

    def snapshot(self) -> tuple[Incumbent | None, Search | None]:
        """Return the warm start and the state of the search, as of now."""
        with self._lock:
            return self.warm_start, self.search


@dataclass(frozen=True)
class Stage:
    """One step of a search, which may improve the incumbent, the dual bound, or both.

    Attributes
    ----------
    name, backend
        What the result calls it.
    """

    name: str
    backend: str
    run: Callable[[Search], Search]


def bounded(search: Search, bound: float | None, scale: float, source: str) -> Search:
    """Return the search with a dual bound, unless the incumbent refutes it.

    Parameters
    ----------
    scale
        Objective of the problem per unit of ``bound``.
    """
    if bound is None or not np.isfinite(bound):
        return search
    true = bound * scale
    if true < search.value - 1e-6 * max(1e-9, abs(search.value)):
        return replace(search, stopped="failed").noting(
            f"{source} claims the bound {true:.9g}, and a plan of {search.value:.9g} is known: not believed"
        )
    known = true if search.bound is None else min(true, search.bound)
    return replace(search, bound=max(known, search.value))
