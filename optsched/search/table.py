"""``optsched.solve_table``: arrays in, arrays out, by the engine that also serves instances."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from optsched._util.arrays import FloatArray, IntArray
from optsched._util.numeric import relative
from optsched.checker.arrays import check_table
from optsched.errors import InputError, shown
from optsched.instance.arrays import LinearLimit, ValueArrays, read_arrays
from optsched.problem.value_table import ValueTable
from optsched.search.prices.engine import Priced, price
from optsched.solvers import Limits

__all__ = ["LinearLimit", "TableResult", "solve_table"]

_CLOSE = 1e-9
"""Relative slack of a limit for rounding, far below the checker's tolerance."""

_PROVEN = 1e-8
"""What a gap may exceed the one asked for by: bounds of integer programs are rounded outward by about so much."""


@dataclass(frozen=True)
class TableResult:
    """What :func:`solve_table` decided, and what it proved.

    status
        ``optimal``: the gap asked for is proven (within 1e-8, the precision of bounds); ``feasible``: a plan, with a
        larger gap; ``infeasible``: it is proven that there is no plan; ``unknown``: none was found.
    rows
        The chosen row of each job, shape ``(jobs,)``, -1 for none: its column in a matrix of values, its place in an
        array of rows. None without a plan.
    value
        Sum of the chosen rows' values less restart costs, recomputed by the checker; None without a plan.
    bound
        No plan is worth more; ``-inf`` where there is none.
    gap
        ``(bound - value) / abs(value)``; inf without a plan.
    prices
        What one more unit of each resource would add, about: the duals at which ``bound`` was computed, shape
        ``(resources,)``.
    limit_prices
        The same of each limit: what the objective would gain if the limit were looser by one; shape ``(limits,)``.
    move_price
        The same of ``max_moves``.
    used
        What the plan takes of each resource, shape ``(resources,)``.
    reason
        Why there is no plan; empty if there is one.
    seconds, passes, notes
        Time taken, passes over the table, and what was done.
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    rows: IntArray | None
    value: float | None
    bound: float
    gap: float
    prices: FloatArray
    limit_prices: FloatArray
    move_price: float
    used: FloatArray
    reason: str
    seconds: float
    passes: int
    notes: tuple[str, ...]


def solve_table(
    value: ArrayLike,
    pool: ArrayLike | None = None,
    gpus: ArrayLike | None = None,
    capacity: ArrayLike = (),
    *,
    job: ArrayLike | None = None,
    uses: Any = None,
    required: ArrayLike = False,
    current: ArrayLike | None = None,
    restart_cost: ArrayLike = 0.0,
    max_moves: int | None = None,
    limits: Sequence[LinearLimit] = (),
    prices: ArrayLike | TableResult | None = None,
    gap: float = 1e-4,
    time_limit: float | None = None,
) -> TableResult:
    """Choose at most one row for each job, of the greatest sum of values, within all capacities.

    Parameters
    ----------
    value
        What each way to run a job is worth: a matrix ``(jobs, ways)``, or an array ``(rows,)`` with ``job``; nan or
        ``-inf`` where there is no such way.
    pool, gpus
        The resource that a row takes, a place in ``capacity`` or -1 for none, and how much of it (1 by default); of the
        shape of ``value``, or ``(ways,)`` for a matrix, or one number.
    capacity
        Of each resource, shape ``(resources,)``, >= 0; ``inf`` for no limit.
    job
        Number of the job that each row belongs to, shape ``(rows,)``, in any order; not for a matrix.
    uses
        What rows take besides, of any number of resources: ``(rows, resources)``, or ``(ways, resources)`` or
        ``(jobs, ways, resources)`` for a matrix of values; or a scipy sparse array ``(rows, resources)``; or
        coordinates ``(row, resource, amount)``. The rows of a matrix of values count in C order.
    required
        Whether each job must run: one for all, or shape ``(jobs,)``.
    current
        The row that each job holds now, as in ``TableResult.rows``; -1 for none. A row without a value can be held.
    restart_cost
        What a job that holds something loses in any other row: one number, or shape ``(jobs,)``, >= 0.
    max_moves
        Most jobs that do not keep what they hold; None: any number.
    limits
        Bounds on the sums of other amounts over the chosen rows, e.g. a budget, or a floor of another objective.
    prices
        Prices to begin from: those of an earlier result, or the result itself (with the same limits); nan for unknown.
    gap
        Relative gap that is accepted, >= 0.
    time_limit
        Seconds from the call, looked at between steps; None: until the gap is proven or the engine gives up.

    Returns
    -------
    TableResult
        Its plan was recomputed by :func:`optsched.check_table` from the arrays given.

    Raises
    ------
    InputError
        For arrays that do not fit together, and numbers out of range.
    """
    began = time.monotonic()
    asked = Limits.asked(began, time_limit, gap, 0, 1)
    arrays = read_arrays(
        value,
        pool,
        gpus,
        capacity,
        job=job,
        uses=uses,
        required=required,
        current=current,
        restart_cost=restart_cost,
        max_moves=max_moves,
        limits=limits,
    )
    table, unit = _table(arrays, max_moves)
    start, start_move = _start(prices, len(arrays.capacity), unit)
    found = price(table, deadline=asked.deadline, gap=gap, start=start, start_move=start_move)

    def checked(rows: IntArray) -> tuple[IntArray, float, FloatArray] | None:
        named = rows.copy()
        if arrays.number is not None:
            named[rows >= 0] = arrays.number[rows[rows >= 0]]
        report = check_table(
            named,
            value,
            pool,
            gpus,
            capacity,
            job=job,
            uses=uses,
            required=required,
            current=current,
            restart_cost=restart_cost,
            max_moves=max_moves,
            limits=limits,
        )
        return (named, report.value, report.used) if report.ok else None

    best = None if found.rows is None else checked(found.rows)
    if best is None and found.bound > -np.inf:  # nothing runs, or everything stays: plans where the engine has none
        simple = (np.full(table.jobs, -1), _kept(table))
        some = [plan for plan in map(checked, simple) if plan is not None]
        best = max(some, key=lambda plan: plan[1], default=None)
    return _result(arrays, table, found, best, unit, gap, began)


def _table(arrays: ValueArrays, max_moves: int | None) -> tuple[ValueTable, FloatArray]:
    """Return the engine's table, whose resources end with the sides of the limits, and the unit of each resource.

    Solvers' tolerances are absolute: a resource of an odd size is measured in a power of two that makes its capacity,
    or its largest amount, a number from 1 on, which changes no digit.
    """
    row, resource, amount = arrays.used
    odd = np.isfinite(arrays.capacity) & (arrays.capacity > 0) & ~((arrays.capacity >= 1) & (arrays.capacity < 2**30))
    unit = np.where(odd, np.exp2(np.floor(np.log2(np.where(odd, arrays.capacity, 1.0)))), 1.0)
    if odd.any():
        amount = amount / unit[resource]
    rows, resources, amounts, bounds, units = [row], [resource], [amount], [arrays.capacity / unit], [unit]
    for taken, low, high in arrays.limits:
        for bound, sign in ((low, -1.0), (high, 1.0)):
            if bound is None:
                continue
            mine = np.flatnonzero(taken)
            largest = float(np.abs(taken).max(initial=0.0))
            size = 2.0 ** np.floor(np.log2(largest)) if largest > 0 and not 1 <= largest < 2**13 else 1.0
            rows.append(mine)
            resources.append(np.full(len(mine), sum(map(len, bounds))))
            amounts.append(sign * taken[mine] / size)
            bounds.append(np.array([(sign * bound + _CLOSE * abs(bound)) / size]))
            units.append(np.array([size]))
    table = ValueTable(
        value=arrays.value,
        first=arrays.first,
        used=(row, resource, amount)
        if len(rows) == 1
        else (np.concatenate(rows), np.concatenate(resources), np.concatenate(amounts)),
        capacity=np.concatenate(bounds),
        required=arrays.required,
        kept=arrays.kept,
        fewest_kept=None if max_moves is None else arrays.held - max_moves,
    )
    return table, np.concatenate(units)


def _start(prices: ArrayLike | TableResult | None, resources: int, unit: FloatArray) -> tuple[FloatArray | None, float]:
    """Return known prices as the engine's, nan for those of resources and limits that have none."""
    if prices is None:
        return None, 0.0
    known, move = prices, 0.0
    start = np.full(len(unit), np.nan)
    if isinstance(prices, TableResult):
        known, move = prices.prices, prices.move_price
    given = np.asarray(known, dtype=np.float64)
    if given.shape != (resources,) or np.any(given < 0) or np.any(np.isinf(given)):
        raise InputError(f"{resources} prices >= 0, nan for unknown", path="prices", value=shown(given.tolist()))
    start[:resources] = given * unit[:resources]
    return start, move


def _kept(table: ValueTable) -> IntArray:
    """Return the plan in which every job keeps what it holds."""
    rows = np.full(table.jobs, -1, dtype=np.int64)
    held = np.flatnonzero(table.kept)
    rows[table.job[held]] = held
    return rows


def _result(
    arrays: ValueArrays,
    table: ValueTable,
    found: Priced,
    best: tuple[IntArray, float, FloatArray] | None,
    unit: FloatArray,
    gap: float,
    began: float,
) -> TableResult:
    """Return the result, with the status that is proven."""
    resources = len(arrays.capacity)
    priced = found.prices / unit
    sides = iter(priced[resources:].tolist())
    at_limits = [sum(next(sides) for bound in (low, high) if bound is not None) for _, low, high in arrays.limits]
    bound, left, status, reason = found.bound, np.inf, "unknown", ""
    if best is not None:
        # nothing is worth less than the least positive value, if no value is negative
        least = float(table.value.min(initial=np.inf, where=table.value > 0))
        if best[1] == 0.0 and bound < 0.9 * least and table.value.min(initial=0.0) >= 0:
            bound = 0.0
        bound = max(bound, best[1])
        left = relative(bound - best[1], best[1])
        status = "optimal" if left <= gap + _PROVEN else "feasible"
    elif bound == -np.inf:
        status, reason = "infeasible", _why(arrays, table)
    else:
        reason = "no plan was found, and none is proven impossible"
    return TableResult(
        status=status,  # type: ignore[arg-type]
        rows=None if best is None else best[0],
        value=None if best is None else best[1],
        bound=bound,
        gap=left,
        prices=priced[:resources],
        limit_prices=np.array(at_limits, dtype=np.float64),
        move_price=found.move_price,
        used=np.zeros(resources) if best is None else best[2],
        reason=reason,
        seconds=time.monotonic() - began,
        passes=found.passes,
        notes=found.notes,
    )


def _why(arrays: ValueArrays, table: ValueTable) -> str:
    """Return why there is no plan."""
    row, resource, amount = arrays.used
    fits = np.ones(len(table), dtype=bool)
    fits[row[amount > arrays.capacity[resource] * (1 + _CLOSE)]] = False
    some = np.bincount(table.job[fits], minlength=table.jobs)
    lost = np.flatnonzero(arrays.required & (some == 0))
    if len(lost):
        return f"job {lost[0]} must run, and none of its rows fits" + (
            f" (and {len(lost) - 1} more jobs)" if len(lost) > 1 else ""
        )
    if arrays.limits or table.fewest_kept is not None:
        return "the required jobs and the limits cannot be kept together"
    return "the required jobs do not fit together"
