"""A linear relaxation that follows decisions, solved by HiGHS from basis to basis, with bounds that its duals prove."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from optsched.solvers.highs import Request, dual_bound, pass_model

if TYPE_CHECKING:
    from optsched._util.arrays import FloatArray, IntArray
    from optsched.solvers.disjunctions import Decision, Row, Side

__all__ = ["Basis", "Relaxation"]

_VIOLATED = 1e-6
"""Violation from which on a row is taken in."""
_GROWN = 5
"""How many times more rows there are than were needed at some point, before all others wait again."""
_OPTIONS = {
    "output_flag": False,
    "threads": 1,
    "presolve": "off",
    "simplex_scale_strategy": 0,
    "simplex_dual_edge_weight_strategy": 1,
}
"""Of HiGHS: a run takes few steps, for which the weights of steepest edges, anew at each basis, cost too much."""
_IMPOSSIBLE = 1e-9
"""How far below zero the bound on nothing must be, for a point to be impossible."""


@dataclass(frozen=True, eq=False)
class Basis:
    """Where a run ended: on the first ``rows`` of the rows ``inside``."""

    raw: Any
    inside: list[int]
    rows: int

    @cached_property
    def states(self) -> tuple[list[Any], list[Any]]:
        """Of the columns and of the rows."""
        return list(self.raw.col_status), list(self.raw.row_status)

    def at_sides(self, basic: Any) -> dict[int, Any]:
        """Return the states of rows that are at one of their sides, by their numbers."""
        states = zip(self.inside, self.states[1], strict=False)  # rows that came later are not
        return {row: state for row, state in states if state != basic}


class Relaxation:
    """A linear model whose bounds and rows follow the decisions that are taken.

    Rows wait until a point violates them: of the many pieces of curves few ever matter.

    Parameters
    ----------
    sides
        Returns what holds on the sides of a split.
    """

    def __init__(self, linear: Request, sides: Callable[[Hashable], tuple[Side, Side]]) -> None:
        import highspy

        self._highspy, self._solver = highspy, highspy.Highs()
        for name, option in _OPTIONS.items():
            self._solver.setOptionValue(name, option)
        integer = np.zeros(len(linear.cost), dtype=bool)
        self._linear = linear = replace(linear, upper=_finite(linear), integer=integer, point=None)
        self._pool = _Pool(linear)
        self._sides = sides
        self._known: dict[Decision, Side] = {}
        self._bounds: dict[int, tuple[float, float]] = {}
        pass_model(self._solver, linear)
        self._solver.run()
        duals = np.array(self._solver.getSolution().row_dual)
        # without its rows, a column without a bound would run away
        needed = (linear.row_lower == linear.row_upper) | bool(np.isinf(linear.upper).any())
        if len(duals) == len(needed):
            needed |= duals != 0
        self._inside: list[int] = np.flatnonzero(needed).tolist()
        pass_model(self._solver, self._pool.part(linear, needed.nonzero()[0]))
        self._many = _GROWN * len(self._inside)
        self.runs = 0

    def add(self, row: Row) -> None:
        """Let a row wait."""
        self._pool.add(row, row.needs)

    def side(self, decision: Decision) -> Side:
        """Return what holds where a decision is taken."""
        key = decision[0]
        if decision not in self._known:
            for number, side in enumerate(self._sides(key)):
                self._known[key, number] = side
                for row in side.rows:
                    self._pool.add(row, frozenset({(key, number)}))
        return self._known[decision]

    def at(self, taken: frozenset[Decision]) -> None:
        """Take decisions, and no others."""
        base = self._linear
        bounds: dict[int, tuple[float, float]] = {}

        def bounds_of(column: int, of: dict[int, tuple[float, float]]) -> tuple[float, float]:
            return of.get(column, (float(base.lower[column]), float(base.upper[column])))

        for decision in taken:
            side = self.side(decision)
            for column, low, high in zip(side.column.tolist(), side.lower.tolist(), side.upper.tolist(), strict=True):
                least, most = bounds_of(column, bounds)
                bounds[column] = max(least, low), min(most, high)
        for column in self._bounds.keys() | bounds.keys():
            if (new := bounds_of(column, bounds)) != bounds_of(column, self._bounds):
                self._solver.changeColBounds(column, *new)
        self._bounds = bounds
        changed = self._pool.at(taken)
        if changed:
            place = {row: k for k, row in enumerate(self._inside)}
            for row in changed:
                if row in place:
                    self._solver.changeRowBounds(place[row], -np.inf, self._pool.upper[row])

    def solve(self, basis: Basis | None, seconds: float) -> tuple[float, FloatArray | None]:
        """Return a bound that holds here, and the point; no point where none is, or the solver finds none.

        Parameters
        ----------
        basis
            To go on from; None: from where it is.
        seconds
            Most time.
        """
        solver, state = self._solver, self._highspy.HighsModelStatus
        if any(low > high for low, high in self._bounds.values()):
            return -np.inf, None
        if basis is not None:
            self._go_on(basis)
        solver.setOptionValue("time_limit", solver.getRunTime() + seconds)
        self.runs += 1
        while True:
            solver.run()
            status = solver.getModelStatus()
            if status == state.kOptimal:
                solution = solver.getSolution()
                point = np.array(solution.col_value)
                lacks = self._pool.violated(point, self._inside)
                if len(lacks):
                    self._enter(lacks)
                    continue
                bound = dual_bound(self._now(), np.array(solution.row_dual))
                return np.inf if bound is None else bound, point
            if status == state.kInfeasible and self._impossible():
                return -np.inf, None
            return np.inf, None

    def basis(self) -> Basis:
        """Return where the last run ended."""
        return Basis(self._solver.getBasis(), self._inside, len(self._inside))

    def _go_on(self, basis: Basis) -> None:
        """Begin at a basis; rows that it does not know are slack in it."""
        raw, basic = basis.raw, self._highspy.HighsBasisStatus.kBasic
        if len(self._inside) > self._many:
            sides = basis.at_sides(basic)
            self._inside = sorted(sides)
            pass_model(self._solver, self._now())
            self._many = _GROWN * len(sides)
        if basis.inside is not self._inside:
            sides = basis.at_sides(basic)
            inside = set(self._inside)
            self._enter(np.array([row for row in sides if row not in inside], dtype=np.int64))
            raw = self._highspy.HighsBasis()
            raw.col_status = basis.states[0]
            raw.row_status = [sides.get(row, basic) for row in self._inside]
            raw.valid = True
        elif (more := len(self._inside) - basis.rows) > 0:
            raw = self._highspy.HighsBasis()
            raw.col_status, raw.row_status = basis.states[0], basis.states[1] + [basic] * more
            raw.valid = True
        self._solver.setBasis(raw)

    def _enter(self, rows: IntArray) -> None:
        if len(rows) == 0:
            return
        part = self._pool.part(self._linear, rows)
        start = part.start[:-1].astype(np.int32)
        entries = len(part.column), start, part.column, part.coefficient
        self._solver.addRows(len(rows), part.row_lower, part.row_upper, *entries)
        self._inside += rows.tolist()

    def _now(self) -> Request:
        """Return the model as it is now."""
        lower, upper = self._linear.lower.copy(), self._linear.upper.copy()
        for column, bounds in self._bounds.items():
            lower[column], upper[column] = bounds
        return replace(self._pool.part(self._linear, np.array(self._inside, dtype=np.int64)), lower=lower, upper=upper)

    def _impossible(self) -> bool:
        """Tell whether a ray of duals proves that there is no point: at no cost, its bound is below zero."""
        _, known, ray = self._solver.getDualRay()
        if not known:
            return False
        now = self._now()
        nothing = replace(now, cost=np.zeros(len(now.cost)), offset=0.0)
        bounds = [dual_bound(nothing, sign * np.array(ray)) for sign in (1.0, -1.0)]
        return any(bound is not None and bound < -_IMPOSSIBLE for bound in bounds)


class _Pool:
    """All rows, with the sides that they have now."""

    def __init__(self, linear: Request) -> None:
        from scipy.sparse import csr_matrix

        shape = len(linear.row_lower), len(linear.cost)
        self._matrix: Any = csr_matrix((linear.coefficient, linear.column, linear.start), shape=shape)
        self._waiting: list[Row] = []
        self.lower, self.upper = linear.row_lower.copy(), linear.row_upper.copy()
        self._limit: dict[int, float] = {}
        self._of: dict[frozenset[Decision], list[int]] = {}
        self._taken: frozenset[Decision] = frozenset()
        self._on: set[frozenset[Decision]] = set()

    def add(self, row: Row, needs: frozenset[Decision]) -> None:
        """Take a row up, which holds where decisions are taken."""
        number, on = len(self.upper), needs <= self._taken
        self.lower = np.append(self.lower, -np.inf)
        self.upper = np.append(self.upper, row.upper if on else np.inf)
        if needs:
            self._limit[number] = row.upper
            self._of.setdefault(needs, []).append(number)
            if on:
                self._on.add(needs)
        self._waiting.append(row)

    def at(self, taken: frozenset[Decision]) -> list[int]:
        """Set the sides of rows to decisions that are taken; return those that changed."""
        self._taken = taken
        changed = []
        for needs, rows in self._of.items():
            if (needs <= taken) != (needs in self._on):
                on = needs not in self._on
                (self._on.add if on else self._on.discard)(needs)
                for row in rows:
                    self.upper[row] = self._limit[row] if on else np.inf
                changed += rows
        return changed

    def violated(self, point: FloatArray, inside: list[int]) -> IntArray:
        """Return rows that a point violates, but for those inside."""
        activity = self._whole() @ point
        wrong = (activity > self.upper + _VIOLATED) | (activity < self.lower - _VIOLATED)
        wrong[inside] = False
        return np.flatnonzero(wrong)

    def part(self, linear: Request, rows: IntArray) -> Request:
        """Return the model with some rows only."""
        some = self._whole()[rows]
        return replace(
            linear,
            start=some.indptr.astype(np.int32),
            column=some.indices.astype(np.int32),
            coefficient=some.data,
            row_lower=self.lower[rows],
            row_upper=self.upper[rows],
        )

    def _whole(self) -> Any:
        from scipy.sparse import csr_matrix, vstack

        if self._waiting:
            start = np.cumsum([0, *(len(row.column) for row in self._waiting)])
            column, coefficient = (
                np.concatenate([getattr(row, name) for row in self._waiting]) for name in ("column", "coefficient")
            )
            shape = len(self._waiting), self._matrix.shape[1]
            self._matrix = vstack([self._matrix, csr_matrix((coefficient, column, start), shape=shape)], format="csr")
            self._waiting = []
        return self._matrix


def _finite(linear: Request) -> FloatArray:
    """Return the upper bounds of columns, with those that follow from a row where there was none.

    Duals prove nothing where a column without bounds has the least of reduced costs.
    """
    upper, column, a = linear.upper.copy(), linear.column, linear.coefficient
    rows, row = len(linear.row_lower), np.repeat(np.arange(len(linear.row_lower)), np.diff(linear.start))
    for _ in range(2):  # rates bound what depends on them
        with np.errstate(invalid="ignore"):
            end = np.where(a > 0, a * linear.lower[column], a * upper[column])
        known = np.isfinite(end)
        least = np.bincount(row[known], end[known], rows)
        alone = np.bincount(row[~known], minlength=rows)[row] == ~known  # no other is unbounded
        use = (a > 0) & np.isfinite(linear.row_upper[row]) & alone & np.isinf(upper[column])
        others = least[row[use]] - np.where(known, end, 0.0)[use]
        np.minimum.at(upper, column[use], (linear.row_upper[row[use]] - others) / a[use])
    return upper
