"""Branch and bound on what a formulation says is to be decided.

A solver of integer programs branches on columns. Where a choice shows in many columns (how many GPUs a job has, of all
its options), or in none (whether two jobs share a server), a formulation knows better what to split on,
and what holds on a side: disjunctive programming (Balas, Annals of Discrete Mathematics 5, 1979). The node of the
greatest bound comes first (Land and Doig, Econometrica 28, 1960); of a few splits the one is taken that lowers it most,
until what they do is known (reliability branching: Achterberg, Koch and Martin, Operations Research Letters 33, 2005).
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optsched.solvers import highs
from optsched.solvers.base import Outcome, RunContext, Stopped
from optsched.solvers.highs import prepare
from optsched.solvers.lp_relaxation import Basis, Relaxation

if TYPE_CHECKING:
    from optsched._util.arrays import FloatArray
    from optsched.solvers.disjunctions import Decision, Disjunctions, Side
    from optsched.solvers.linear import LinearModel

__all__ = ["Request", "prepare", "run", "solve"]

_WHOLE = 1e-5
"""How far an integer column may be from a whole number."""
_TRIED = 6
"""Most splits that are tried at a node."""
_GUESS = 0.25
"""Part of what was open at first by which a split that was never tried should lower the bound, per part undecided."""
_LEAST = 1e-6
"""Part of the same that a side counts for at the least."""
_EVERY = 0.2
"""Seconds between two reports."""


@dataclass(frozen=True)
class Request:
    """A linear model, what is to be decided, and the bound at which a plan that is known is good enough."""

    linear: highs.Request
    disjunctions: Disjunctions
    enough: float


def solve(model: LinearModel, disjunctions: Disjunctions, context: RunContext, enough: float) -> Outcome:
    """Maximize a linear model in a process of its own, by splits that its formulation names.

    The bound is proven by duals; it is never below ``enough``. A point, if any is better than that, is checked.
    """
    from optsched.solvers.subprocess import client

    if model.columns == 0:
        return highs.solve(model, context)
    linear = highs.request_of(model)
    outcome = client.run("branch_and_bound", Request(linear, disjunctions, enough), context)
    return highs.confirmed(linear, outcome)


def run(request: Request, context: RunContext) -> Outcome:
    """Search; in the solver's own process."""
    began = time.monotonic()
    search = _Search(request, context)
    search.grow()
    stopped: Stopped = "gap" if search.done else "interrupted" if context.stopping() else "time_limit"
    found = search.values is not None
    message = f"branch and bound on splits: {search.nodes} nodes, {search.relaxation.runs} relaxations"
    return Outcome(
        "feasible" if found else "unknown",
        stopped,
        search.values,
        search.best if found else None,
        search.bound,
        time.monotonic() - began,
        message,
    )


@dataclass(frozen=True, order=True)
class _Node:
    """What is open, the greatest bound first."""

    minus_bound: float
    number: int
    taken: frozenset[Decision] = field(compare=False)
    basis: Basis | None = field(compare=False)


_Side = tuple[float, "frozenset[Decision]", Basis]
"""A node to be: its bound, what is taken, and where its relaxation ended."""


@dataclass(frozen=True)
class _Whole:
    """The key of a split of an integer column: at most ``floor``, or more."""

    column: int
    floor: int


class _Search:
    """The state of a search.

    values, best
        The best point on which nothing is left to decide, and its objective.
    enough, left
        Bound at which a node ends, and the greatest bound of a node that ended otherwise.
    """

    def __init__(self, request: Request, context: RunContext) -> None:
        self.relaxation = Relaxation(request.linear, self._sides)
        self.values: FloatArray | None = None
        self.best, self.enough, self.left = -np.inf, request.enough, -np.inf
        self.nodes = 0
        self._request, self._watch = request, context
        self._integer = np.flatnonzero(request.linear.integer)
        self._open = [_Node(-np.inf, 0, frozenset(), None)]
        self._pushed = 1
        self._scale = 0.0  # how much was open at first
        # by how much each split lowered bounds on its worse side, in all, and how often it was tried
        self._lowered: dict[Hashable, tuple[float, int]] = {}

    @property
    def done(self) -> bool:
        """Whether no open node can have a better plan."""
        return not self._open or -self._open[0].minus_bound <= self.enough

    @property
    def bound(self) -> float:
        """What no plan exceeds."""
        return max(self.enough, self.left, -self._open[0].minus_bound if self._open else -np.inf)

    def grow(self) -> None:
        """Search until nothing better can be open, or the time is over."""
        told = 0.0
        while not self.done and not self._over():
            node = heapq.heappop(self._open)
            self.nodes += 1
            self._branch(node)
            if time.monotonic() > told + _EVERY:
                told = time.monotonic()
                self._watch.progress("branch and bound", self.best if self.values is not None else None, self.bound)

    def _over(self) -> bool:
        return self._watch.stopping() or self._watch.limits.left() <= 0

    def _branch(self, node: _Node) -> None:
        """Solve a node, and open two others, unless it ends."""
        value, values, splits = self._solved(node.taken, node.basis, rows=True)
        bound = min(value, -node.minus_bound)
        if bound <= self.enough:
            return
        if values is None or self._over():
            self.left = max(self.left, bound)
            return
        if not (splits := splits or self._fractional(values)):
            if bound > self.best:
                self.best, self.values = float(self._request.linear.cost @ values) + self._request.linear.offset, values
                self._watch.incumbent(values)
            self.enough = max(self.enough, bound)
            return
        for value, taken, basis in self._best(node.taken, bound, splits):
            if value > self.enough:
                heapq.heappush(self._open, _Node(-value, self._pushed, taken, basis))
                self._pushed += 1

    def _best(self, taken: frozenset[Decision], bound: float, splits: Mapping[Hashable, float]) -> list[_Side]:
        """Return both sides of the split that lowers a node's bound most, of those that promise most."""
        if not self._scale:
            self._scale = min(bound - self.enough, abs(bound) or 1.0)
        least, most = _LEAST * self._scale, min(bound - self.enough, self._scale)
        best, chosen = -1.0, list[_Side]()
        basis = self.relaxation.basis()
        for key in sorted(splits, key=lambda key: -self._promise(key, splits[key]))[:_TRIED]:
            total, times = self._lowered.get(key, (0.0, 0))
            sides = [self._side(taken, (key, side), basis, bound) for side in (0, 1)]
            lowered = [min(max(bound - value, least), most) for value, *_ in sides]
            self._lowered[key] = total + min(lowered), times + 1
            if lowered[0] * lowered[1] > best:
                best, chosen = lowered[0] * lowered[1], sides
            if times or self._over() or max(value for value, *_ in sides) <= self.enough:
                break
        return chosen

    def _side(self, taken: frozenset[Decision], decision: Decision, basis: Basis, bound: float) -> _Side:
        """Try a side of a split; what has no bounds of columns shows in rows alone."""
        rows = len(self.relaxation.side(decision).column) == 0
        taken |= {decision}
        value, _, _ = self._solved(taken, basis, rows=rows)
        return min(value, bound), taken, self.relaxation.basis()

    def _solved(
        self, taken: frozenset[Decision], basis: Basis | None, *, rows: bool
    ) -> tuple[float, FloatArray | None, Mapping[Hashable, float]]:
        """Return the bound where decisions are taken, the point, and its splits once it violates no more rows."""
        self.relaxation.at(taken)
        least = np.inf
        while True:
            bound, values = self.relaxation.solve(basis, self._watch.limits.left())
            least = min(least, bound)
            if values is None or least <= self.enough or not rows:
                return least, values, {}
            found, splits = self._request.disjunctions.look(values, taken, highs.dense)
            if not found or self._over():
                return least, values, splits
            for row in found:
                self.relaxation.add(row)
            basis = None

    def _promise(self, key: Hashable, undecided: float) -> float:
        total, times = self._lowered.get(key, (0.0, 0))
        return undecided * (total / times if times else _GUESS * self._scale)

    def _fractional(self, values: FloatArray) -> dict[Hashable, float]:
        """Return splits of integer columns, which come last."""
        off = np.abs(values - np.rint(values))[self._integer]
        some = np.flatnonzero(off > _WHOLE)
        columns = self._integer[some]
        floor = np.floor(values[columns]).astype(np.int64)
        return {_Whole(c, f): o for c, f, o in zip(columns.tolist(), floor.tolist(), off[some].tolist(), strict=True)}

    def _sides(self, key: Hashable) -> tuple[Side, Side]:
        if not isinstance(key, _Whole):
            return self._request.disjunctions.sides(key)
        from optsched.solvers.disjunctions import Side

        linear, column = self._request.linear, np.array([key.column])
        low, high = linear.lower[column], linear.upper[column]
        return Side(column, low, np.array([key.floor])), Side(column, np.array([key.floor + 1]), high)
