"""The price engine: prices, a plan near them, and a proof of how good it is."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched._util.numeric import relative
from optsched.problem.problem import Plan, Problem
from optsched.search.prices.dual import Look, dual_bound, look
from optsched.search.prices.grouping import Groups
from optsched.search.prices.newton import Descent, Spread, descend, first_guess
from optsched.search.prices.polish import State, greedy, impossible, kernels, polished
from optsched.search.prices.table import Table, table_of

__all__ = ["Priced", "price", "relaxed"]

COLD: tuple[float, ...] = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
"""Temperatures as parts of a job's best value: from one at which all compete to one at which few do.
Newton's method converges in two to four steps when the temperature falls by about three."""
WARM: tuple[float, ...] = (0.01, 0.001, 0.0003)
"""From prices that are known to a few percent."""
STEPS = 8
"""Newton steps at one temperature, at most."""
SAMPLE = 2048
"""Groups that the first temperatures look at: the error of their prices, about 1/sqrt(SAMPLE), is less
than the next temperatures have to bridge anyway."""
SAMPLED_FROM = 0.03
"""Temperatures from which a sample does."""


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
        Objective per move more; 0 where moves are not limited.
    passes
        Passes over the table (those over samples are not counted).
    notes
        What was done, for people.
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
    problem: Problem,
    *,
    deadline: float | None,
    gap: float,
    start: FloatArray | None = None,
    start_move: float = 0.0,
    enough: float | None = None,
    executor: Executor | None = None,
) -> Priced:
    """Find a plan of a sum objective, and bound all others.

    Parameters
    ----------
    deadline
        On the clock of ``time.monotonic``; None: no limit.
    gap
        Relative gap that is good enough, >= 0.
    start
        Prices to begin from, e.g. the last round's: shape ``(resources,)``, nan for what has none yet.
    start_move
        Price of a move to begin from, where ``start`` is given and moves are limited.
    enough
        A value that ends the search once a plan has it, or once it is proven that none has.
    executor
        Passes over the table, in blocks; None: this process does.

    Raises
    ------
    ValueError
        For an objective that is no sum.
    """
    if problem.objective.aggregate != "sum":
        raise ValueError(f"prices serve sums over jobs, and {problem.objective.name} is none")
    nothing = np.zeros(len(problem.configurations.capacity))
    table, groups = table_of(problem)
    if np.any(np.diff(table.first) == 0):
        return Priced(None, None, -np.inf, nothing, notes=("a required job has no configuration that fits",))
    if table.groups == 0:
        return Priced(np.empty(0, dtype=np.int64), 0.0, 0.0, nothing)
    known = None if start is None else np.append(start, start_move)
    found, note = _descent(table, known, deadline, executor)
    seen = look(table, found.prices)
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
        state = state.noting(f"{problem.configurations.jobs} jobs are {groups.count} kinds")
    state = greedy(state, _at_best(table, seen))
    if state.units is None:
        state = impossible(state)
    if not state.done:
        state = polished(state)
    if not state.done:
        state = kernels(state)
    return _priced(problem, groups, state)


def relaxed(problem: Problem, deadline: float | None = None, start: FloatArray | None = None) -> Priced:
    """Find prices near the least dual, and the bound that they prove, without a plan; parameters as of :func:`price`.

    Raises
    ------
    ValueError
        For an objective that is no sum.
    """
    if problem.objective.aggregate != "sum":
        raise ValueError(f"prices serve sums over jobs, and {problem.objective.name} is none")
    table, groups = table_of(problem)
    if np.any(np.diff(table.first) == 0) or table.groups == 0:
        return price(problem, deadline=deadline, gap=0.0)
    found, _ = _descent(table, None if start is None else np.append(start, 0.0), deadline, None)
    seen = look(table, found.prices)
    return _priced(problem, groups, State(table, seen, deadline, 0.0, bound=seen.dual, passes=found.passes + 1))


def _descent(
    table: Table, start: FloatArray | None, deadline: float | None, executor: Executor | None
) -> tuple[Descent, str]:
    """Return prices near the least dual, and a note: temperatures fall, the first of them over a sample.

    From known prices, the last temperature alone is tried first: Newton's method settles there where they are near.
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
    spread = None if executor is None else Spread(table, executor)
    passes, note = 0, "" if spread is None else f"passes over {len(spread.ranges)} blocks on {type(executor).__name__}"
    for number, temperature in enumerate(temperatures):
        rough = temperature >= SAMPLED_FROM and sample is not table
        try:
            found = descend(sample if rough else table, prices, temperature, STEPS, None if rough else spread)
        except Exception as error:  # whatever befalls an executor: the table is here, too
            if spread is None:
                raise
            spread, note = None, f"the executor failed ({type(error).__name__}: {error}); passes in this process"
            found = descend(table, prices, temperature, STEPS)
        prices = found.prices
        passes += 0 if rough else found.passes
        near = warm and number == 0 and found.settled
        if near or (deadline is not None and time.monotonic() > deadline):
            break
    return Descent(prices, passes), note


def _at_best(table: Table, seen: Look) -> IntArray:
    """Return the plan, seldom feasible, of every unit on a row of its group without loss."""
    units = np.zeros(len(table), dtype=np.int64)
    units[seen.best] = table.many
    return units


def _priced(problem: Problem, groups: Groups, state: State) -> Priced:
    """Return what was found in the terms of the problem, with the bound recomputed."""
    table = state.table
    prices = np.zeros(len(problem.configurations.capacity) + 1)
    prices[table.number] = state.seen.prices * table.scale
    if state.infeasible:
        return Priced(None, None, -np.inf, prices[:-1], 0.0, state.passes, (*state.notes, "there is no plan"))
    limited = problem.instance.max_moves is not None
    move_price = float(prices[-1]) if limited else 0.0
    bound = dual_bound(problem, prices[:-1], move_price)
    if state.bound < state.seen.dual:
        bound = min(bound, state.bound * table.scale)
    if state.units is None:
        return Priced(None, None, float(bound), prices[:-1], move_price, state.passes, state.notes)
    rows = _expanded(problem, groups, table, state.units)
    value = problem.total(Plan(rows))
    # sums in another order differ in their last digits
    return Priced(rows, value, float(max(bound, value)), prices[:-1], move_price, state.passes, state.notes)


def _expanded(problem: Problem, groups: Groups, table: Table, units: IntArray) -> IntArray:
    """Return the row of each job: the first jobs of a group take its first rows."""
    held = np.flatnonzero(units)
    offset = np.repeat(table.offset[held], units[held])  # by group, as the jobs are below
    jobs = np.argsort(groups.group, kind="stable")
    rows = np.empty(problem.configurations.jobs, dtype=np.int64)
    rows[jobs] = np.where(offset >= 0, problem.configurations.first[jobs] + offset, -1)
    return rows
