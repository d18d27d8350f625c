"""From prices to a plan and a proof: repair and fill, the kernel's linear program, then its integer program."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched._util.numeric import relative
from optsched.search.prices.dual import DualPoint, evaluate
from optsched.search.prices.kernel import Kernel, KernelSolution, kernel, largest_part, solve_integer, solve_relaxation
from optsched.search.prices.knapsack import applies, best_use
from optsched.search.prices.repair import feasible, fill, repair, value_of
from optsched.search.prices.table import PriceTable

__all__ = ["State", "polish", "prove_infeasible", "repair_and_fill", "solve_kernels", "use_up"]

KERNELS = (300, 2_000, 20_000)
"""Rows of the kernels, tried in turn: from what HiGHS solves in milliseconds to the largest that it can handle."""
KERNEL_SECONDS = 10.0
"""Time limit of a kernel that proves nothing, besides a third of the time left."""
_PARTS = (0.03, 0.3)
"""Parts of what a plan loses that a row may lose, where the use of one resource is decided anew."""


@dataclass(frozen=True)
class State:
    """What is known so far; values in units of ``PriceTable.scale``.

    seen
        The dual at the best prices.
    deadline, gap
        When to stop: a time on the clock of ``time.monotonic``, a relative gap.
    units
        The best plan, shape ``(n,)``; None where there is none.
    value, bound
        Its value, and the best proven bound.
    infeasible
        Whether it is proven that there is no plan.
    enough
        End once a plan has this value, or none is proven to have it; None: no such value.
    """

    table: PriceTable
    seen: DualPoint
    deadline: float | None
    gap: float
    units: IntArray | None = None
    value: float = -np.inf
    bound: float = np.inf
    passes: int = 0
    infeasible: bool = False
    notes: tuple[str, ...] = ()
    enough: float | None = None

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() > self.deadline

    @property
    def done(self) -> bool:
        """Whether the gap is proven, or the deadline has passed."""
        # sums in another order differ in their last digits
        left = self.table.least_bound(self.bound) - self.value
        proven = self.units is not None and relative(left, self.value) <= self.gap + 1e-13
        enough = self.enough is not None and (self.value >= self.enough or self.bound < self.enough)
        return proven or enough or self.late or self.infeasible

    def offered(self, units: IntArray | None) -> State:
        """Return the state with a plan, if it is feasible and better."""
        if units is None or not feasible(self.table, units) or (value := value_of(self.table, units)) <= self.value:
            return self
        return replace(self, units=units, value=value)

    def looked(self, seen: DualPoint) -> State:
        """Return the state with the dual at other prices, if it is lower."""
        better = seen if seen.dual < self.seen.dual else self.seen
        return replace(self, seen=better, bound=min(self.bound, seen.dual), passes=self.passes + 1)

    def noting(self, note: str) -> State:
        """Return the state with a note."""
        return replace(self, notes=(*self.notes, note))


def repair_and_fill(state: State, units: IntArray) -> State:
    """Return the state with a plan repaired, and idle capacity filled."""
    kept = repair(state.table, state.seen, units)
    return state if kept is None else state.offered(fill(state.table, state.seen, kept))


def use_up(state: State) -> State:
    """Return the state after the exact best use of each resource in turn, the dearest first, until none gains."""
    if state.units is None or not applies(state.table):
        return state
    waiting = np.argsort(-state.seen.prices * state.table.capacity, kind="stable").tolist()
    for part in _PARTS:
        for resource in waiting:
            if state.done:
                return state
            assert state.units is not None
            found = best_use(state.table, state.seen, state.units, resource, part * _fixing(state))
            if found is not None and value_of(state.table, found) > state.value and feasible(state.table, found):
                state = state.offered(fill(state.table, state.seen, found))
    return state


def prove_infeasible(state: State) -> State:
    """Return the state with a proof that there is no plan, if prices give one.

    No plan is worth less than its units' least values, nor more than the dual at any prices. Where
    the dual is unbounded below, its descent has led along a direction in which it falls without limit.
    """
    table = state.table
    least = float(table.many @ np.minimum.reduceat(table.value, table.first[:-1]))
    prices = state.seen.prices
    for _ in range(6):
        seen = evaluate(table, prices)
        if seen.dual < least - 1e-6 * (abs(least) + float(table.many.sum())):
            return replace(state, infeasible=True)
        prices = 8 * prices
    return state


def _fixing(state: State) -> float:
    """Return the loss beyond which no row is in a plan better than the best so far.

    A plan's value is the dual at any prices, less its units' losses, less what it leaves of priced
    resources (reduced-cost fixing: Dantzig, Fulkerson and Johnson, Oper. Res. 2 (1954)).
    """
    most = state.seen.dual - state.value if state.units is not None else np.inf
    # a better plan is better by a quantum of the values
    return max(0.0, most - (1 - 2 * 1e-3) * state.table.quantum) + 1e-9 * abs(state.seen.dual)


def _loss_limit(state: State, rows: int) -> tuple[float, bool]:
    """Return the loss that leaves about ``rows`` rows to choose from, and whether no other rows matter."""
    loss, most = state.seen.loss, _fixing(state)
    matter = loss[loss <= most]
    wanted = state.table.groups + rows  # each group has a row without loss, which alone is no choice
    if len(matter) <= wanted:
        return most, True
    return float(np.partition(matter, wanted)[wanted]), False


def polish(state: State) -> State:
    """Improve the prices by the duals of a kernel's linear program, and the plan by its rounding.

    The linear program knows the dual exactly where no row outside the kernel is the best of its
    group: a trust region of prices. It grows where it held no plan, or where the duals left it.
    """
    for rows in KERNELS[1:]:
        most, whole = _loss_limit(state, rows)
        answer = solve_relaxation(kernel(state.table, state.seen, most, state.units), state.deadline)
        if answer.infeasible and whole and state.units is None:
            return replace(state, infeasible=True)
        if answer.units is not None:
            if answer.prices is not None:
                state = state.looked(evaluate(state.table, answer.prices))
            state = use_up(repair_and_fill(state, _rounded(state.table, answer.units)))
            # a kernel's relaxation is no more than that of all rows, which is no more than any dual
            left = np.inf if answer.bound is None else state.seen.dual - answer.bound
            if left <= state.gap / 4 * abs(state.seen.dual):
                break
        if whole or state.done:
            break
    return state


def _rounded(table: PriceTable, units: FloatArray) -> IntArray:
    """Return whole units near a plan with parts: units left over go to the rows of the largest parts of their group."""
    units = np.where(np.abs(units - np.rint(units)) < 1e-6, np.rint(units), units)
    whole = np.floor(units).astype(np.int64)
    for group in np.unique(table.group_of(np.flatnonzero(units > whole))).tolist():
        rows = np.arange(table.first[group], table.first[group + 1])
        missing = int(table.many[group] - whole[rows].sum())
        parts = units[rows] - whole[rows]
        whole[rows[np.argsort(-parts, kind="stable")[:missing]]] += 1
    return whole


def solve_kernels(state: State) -> State:
    """Solve the integer programs of growing kernels, the last over all rows that matter, if HiGHS can carry it."""
    for rows in KERNELS:
        most, whole = _loss_limit(state, rows)
        core = kernel(state.table, state.seen, most, state.units)
        state = _tried(state, core, whole)
        if whole or state.done:
            return state
    # what is too much at once may fall into parts that share nothing, at most one for each resource
    if _loss_limit(state, KERNELS[-1] * state.table.resources)[1]:
        core = kernel(state.table, state.seen, _fixing(state), state.units)
        if largest_part(core) <= KERNELS[-1]:
            return _tried(state, core, True)
    return state.noting(f"more than {KERNELS[-1]} rows matter, too many to prove more")


def _tried(state: State, core: Kernel, whole: bool) -> State:
    """Return the state after a kernel's integer program; ``whole`` says that no other rows matter."""
    deadline, gap = state.deadline, state.gap
    if not whole:
        now = time.monotonic()
        spell = np.inf if deadline is None else (deadline - now) / 3
        deadline, gap = now + min(KERNEL_SECONDS, spell), gap / 2
    gap = max(gap, 0.9 * state.table.quantum / max(1e-12, abs(state.value))) if state.units is not None else gap
    answer = solve_integer(core, state.units, deadline, gap)
    rows = len(core.rows)
    note = f"kernel of all {rows} rows that matter" if whole else f"kernel of {rows} rows"
    return _concluded(state, answer, whole).noting(note)


def _concluded(state: State, answer: KernelSolution, whole: bool) -> State:
    """Return the state after a kernel: with its plan, and its bound where all better plans lie in it."""
    before = state.value
    if whole and answer.infeasible and state.units is None:
        return replace(state, infeasible=True)
    if answer.units is not None:
        found = answer.units.astype(np.int64)
        state = state.offered(found)
        if feasible(state.table, found):
            state = state.offered(fill(state.table, state.seen, found))
    if whole and answer.bound is not None and np.isfinite(answer.bound):
        # what lies outside the kernel is no better than the plan that fixed it
        state = replace(state, bound=min(state.bound, max(answer.bound, before, state.value)))
    return state
