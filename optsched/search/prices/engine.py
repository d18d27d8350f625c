"""The engine behind sums over jobs: shadow prices, a plan near them, and a proven bound."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched._util.numeric import relative
from optsched.problem.problem import Problem
from optsched.problem.value_table import ValueTable, values_of
from optsched.search.prices.dual import DualPoint, dual_bound, evaluate
from optsched.search.prices.grouping import Groups
from optsched.search.prices.newton import Descent, DistributedTable, descend, first_guess
from optsched.search.prices.polish import (
    State,
    polish,
    prove_infeasible,
    repair_and_fill,
    solve_kernels,
    use_up,
)
from optsched.search.prices.table import PriceTable, price_table

__all__ = ["Priced", "dual_prices", "price"]

COLD: tuple[float, ...] = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
"""Temperatures as fractions of a job's best value: from one at which all rows compete to one at which few do.
Newton's method converges in two to four steps when the temperature falls by about three."""
WARM: tuple[float, ...] = (0.01, 0.001, 0.0003)
"""The same from prices that are known to a few percent."""
STEPS = 8
"""Limit on the Newton steps at one temperature."""
SAMPLE = 2048
"""Groups that the first temperatures sample: the error of their prices, about 1/sqrt(SAMPLE), is less than the next
temperatures have to bridge anyway."""
SAMPLED_FROM = 0.03
"""Lowest temperature at which a sample suffices."""


@dataclass(frozen=True)
class Priced:
    """What the price engine found.

    rows
        The chosen row of each job, shape ``(jobs,)``, -1 for none; None if no feasible plan was found.
    value
        Objective of the plan; None without a plan.
    bound
        Proven upper bound on the objective of any plan: the Lagrangian dual at ``prices``, recomputed
        from the problem, or that of a kernel which all better plans lie in. ``-inf`` if there is no plan.
    prices
        Objective per unit of each resource, shape ``(resources,)``.
    move_price
        Objective per additional reallocation; 0 where reallocations are not limited.
    passes
        Passes over the table, not counting those over samples.
    notes
        What was done.
    """

    rows: IntArray | None
    value: float | None
    bound: float
    prices: FloatArray
    move_price: float = 0.0
    passes: int = 0
    notes: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """Relative gap between bound and value; inf without a plan."""
        if self.value is None:
            return float("inf")
        return relative(max(0.0, self.bound - self.value), self.value)


def price(
    problem: Problem | ValueTable,
    *,
    deadline: float | None,
    gap: float,
    start: FloatArray | None = None,
    start_move: float = 0.0,
    enough: float | None = None,
    executor: Executor | None = None,
) -> Priced:
    """Find a plan for a sum objective, and a bound on all plans.

    Parameters
    ----------
    problem
        A problem whose objective is a sum, or the values alone.
    deadline
        On the clock of ``time.monotonic``; None: no limit.
    gap
        Relative gap that is accepted, >= 0.
    start
        Prices to begin from, e.g. the last round's: shape ``(resources,)``, nan for what has none yet.
    start_move
        Price of a reallocation to begin from, where ``start`` is given and reallocations are limited.
    enough
        End the search once a plan has this value, or once no plan is proven to have it.
    executor
        Evaluates the dual in blocks; None: this process does.

    Raises
    ------
    ValueError
        For an objective that is no sum.
    """
    values = _summed(problem)
    nothing = np.zeros(len(values.capacity))
    table, groups = price_table(values)
    if np.any(np.diff(table.first) == 0):
        return Priced(None, None, -np.inf, nothing, notes=("a required job has no configuration that fits",))
    if table.groups == 0:
        return Priced(np.empty(0, dtype=np.int64), 0.0, 0.0, nothing)
    known = None if start is None else np.append(start, start_move)
    found, note = _descent(table, known, deadline, executor)
    seen = evaluate(table, found.prices)
    state = State(
        table,
        seen,
        deadline,
        gap,
        bound=seen.dual,
        passes=found.passes + 1,
        enough=None if enough is None else enough / table.scale * (1 - 1e-9),
    )
    state = state.noting(note) if note else state
    if groups.merged:
        state = state.noting(f"{values.jobs} jobs are {groups.count} kinds")
    state = repair_and_fill(state, _at_best(table, seen))
    if state.units is None:
        state = prove_infeasible(state)
    if not state.done:
        state = use_up(state)
    if not state.done:
        state = polish(state)
    if not state.done:
        state = solve_kernels(state)
    return _priced(values, groups, state)


def dual_prices(
    problem: Problem | ValueTable, deadline: float | None = None, start: FloatArray | None = None
) -> Priced:
    """Find prices near the minimum of the dual, and the bound that they prove, without a plan.

    Parameters as of :func:`price`.

    Raises
    ------
    ValueError
        For an objective that is no sum.
    """
    values = _summed(problem)
    table, groups = price_table(values)
    if np.any(np.diff(table.first) == 0) or table.groups == 0:
        return price(values, deadline=deadline, gap=0.0)
    found, _ = _descent(table, None if start is None else np.append(start, 0.0), deadline, None)
    seen = evaluate(table, found.prices)
    return _priced(values, groups, State(table, seen, deadline, 0.0, bound=seen.dual, passes=found.passes + 1))


def _summed(problem: Problem | ValueTable) -> ValueTable:
    """Return the values of a problem whose objective is their sum."""
    if isinstance(problem, Problem) and problem.objective.aggregate != "sum":
        raise ValueError(f"prices serve sums over jobs, and {problem.objective.name} is none")
    return values_of(problem)


def _descent(
    table: PriceTable, start: FloatArray | None, deadline: float | None, executor: Executor | None
) -> tuple[Descent, str]:
    """Return prices near the minimum of the dual, and a note: temperatures fall, the first of them over a sample.

    From known prices, the last temperature is tried first: Newton's method converges there if they are close.
    """
    prices, temperatures, sample = first_guess(table), COLD, table
    warm = start is not None and not np.isnan(start).all()
    if start is not None and warm:
        known = start[table.number] / table.scale
        prices = np.where(np.isnan(known), prices, np.maximum(0.0, known))
        temperatures = (WARM[-1], *WARM)
    elif table.groups >= 2 * SAMPLE:
        # any fixed seed does: equal input gives an equal sample
        groups = np.random.default_rng(0).choice(table.groups, SAMPLE, replace=False)
        sample = table.take(np.sort(groups))
    distributed = None if executor is None else DistributedTable(table, executor)
    passes, note = (
        0,
        "" if distributed is None else f"passes over {len(distributed.ranges)} blocks on {type(executor).__name__}",
    )
    for number, temperature in enumerate(temperatures):
        rough = temperature >= SAMPLED_FROM and sample is not table
        try:
            found = descend(sample if rough else table, prices, temperature, STEPS, None if rough else distributed)
        except Exception as error:  # an executor may fail in any way; this process has the table, too
            if distributed is None:
                raise
            distributed, note = None, f"the executor failed ({type(error).__name__}: {error}); passes in this process"
            found = descend(table, prices, temperature, STEPS)
        prices = found.prices
        passes += 0 if rough else found.passes
        near = warm and number == 0 and found.settled
        if near or (deadline is not None and time.monotonic() > deadline):
            break
    return Descent(prices, passes), note


def _at_best(table: PriceTable, seen: DualPoint) -> IntArray:
    """Return the plan, rarely feasible, with every unit on a row of its group without loss."""
    units = np.zeros(len(table), dtype=np.int64)
    units[seen.best] = table.many
    return units


def _priced(values: ValueTable, groups: Groups, state: State) -> Priced:
    """Return the result in terms of the values that were given, with the bound recomputed."""
    table = state.table
    prices = np.zeros(len(values.capacity) + 1)
    prices[table.number] = state.seen.prices * table.scale
    if state.infeasible:
        return Priced(None, None, -np.inf, prices[:-1], 0.0, state.passes, (*state.notes, "there is no plan"))
    limited = values.fewest_kept is not None
    move_price = float(prices[-1]) if limited else 0.0
    bound = dual_bound(values, prices[:-1], move_price)
    if state.bound < state.seen.dual:
        bound = min(bound, state.bound * table.scale)
    bound = table.least_bound(bound / table.scale) * table.scale
    if state.units is None:
        return Priced(None, None, float(bound), prices[:-1], move_price, state.passes, state.notes)
    rows = _expanded(values, groups, table, state.units)
    value = values.total(rows)
    # sums in another order differ in their last digits
    return Priced(rows, value, float(max(bound, value)), prices[:-1], move_price, state.passes, state.notes)


def _expanded(values: ValueTable, groups: Groups, table: PriceTable, units: IntArray) -> IntArray:
    """Return the row of each job: the first jobs of a group take its first rows."""
    held = np.flatnonzero(units)
    offset = np.repeat(table.offset[held], units[held])  # by group, as the jobs are below
    jobs = np.argsort(groups.group, kind="stable")
    rows = np.empty(values.jobs, dtype=np.int64)
    rows[jobs] = np.where(offset >= 0, values.first[jobs] + offset, -1)
    return rows
