"""The answer of a round: by prices in this process where the objective is a sum, by the whole search elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, positions
from optsched._util.numeric import relative
from optsched.checker import Memory, check_plan
from optsched.instance import Instance
from optsched.instance.solution import Allocation
from optsched.problem.build import build_problem
from optsched.problem.configurations import Remembered
from optsched.problem.infeasibility import impossible
from optsched.problem.problem import Plan as Rows
from optsched.problem.problem import Problem, allocate
from optsched.search.prices import named, numbered, price
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.linear import LinearModel
from optsched.solvers.subprocess.client import inline

__all__ = ["Answer", "decided"]

INLINE = 5000
"""Columns of the most that HiGHS solves in this process: a kernel of that size takes milliseconds."""
TIE = 1e-6
"""Part of a job's value that counts as no difference: what is held is kept for it."""
MOST_RETURNED = 2000
"""Jobs that may change what they hold up to which it is looked for changes that gain nothing."""


@dataclass(frozen=True)
class Answer:
    """A checked plan of an instance, and what was proven of it; names as of :class:`optsched.instance.result.Result`.

    problem, rows
        Where the answer came from prices: the problem, and the row of each job.
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    allocations: tuple[Allocation, ...] = ()
    value: float | None = None
    bound: float | None = None
    gap: float | None = None
    prices: Mapping[str, float] | None = None
    reason: str = ""
    reasons: Mapping[str, str] | None = None
    problem: Problem | None = None
    rows: IntArray | None = None
    notes: tuple[str, ...] = ()
    build_s: float = 0.0
    solve_s: float = 0.0
    read_s: float = 0.0


def decided(
    instance: Instance,
    prices: Mapping[str, float],
    gap: float,
    deadline: float | None,
    hysteresis: float,
    memory: Memory | None = None,
    remembered: Remembered | None = None,
) -> Answer:
    """Answer the question of a round.

    Parameters
    ----------
    prices
        Of the last round, by name.
    hysteresis
        Part of a job's value that a change of what it holds must gain at least.
    memory, remembered
        Of checks and of tables of earlier rounds.
    """
    began = time.monotonic()
    problem = build_problem(instance, error=gap / 2, memory=remembered)
    built = time.monotonic() - began
    if problem.objective.aggregate != "sum" or instance.decides != "counts":
        return _searched(instance, prices, gap, deadline, built)
    if reason := impossible(problem):
        return Answer("infeasible", reason=reason, build_s=built)
    began = time.monotonic()
    start, move = numbered(problem, prices) if prices else (None, 0.0)
    with inline(INLINE):
        found = price(problem, deadline=deadline, gap=gap / 2, start=start, start_move=move)
        if found.rows is None:
            return _searched(instance, prices, gap, deadline, built)
        rows = _returned(problem, found.rows, hysteresis, deadline)
    solved = time.monotonic() - began
    began = time.monotonic()
    plan = Rows(rows)
    allocations, sign = allocate(problem, plan), problem.objective.sign
    value = problem.total(plan)
    report = check_plan(instance, allocations, claimed=sign * value, memory=memory)
    if not report.ok:
        return _searched(instance, prices, gap, deadline, built)
    bound = max(found.bound, value)
    left = relative(bound - value, value)
    return Answer(
        "optimal" if left <= gap + 1e-9 else "feasible",
        allocations,
        sign * value + 0.0,
        sign * bound + 0.0,
        left,
        named(problem, found),
        reasons={instance.jobs[j].id: why for j, why in problem.configurations.reasons.items()},
        problem=problem,
        rows=rows,
        notes=found.notes,
        build_s=built,
        solve_s=solved,
        read_s=time.monotonic() - began,
    )


def _searched(
    instance: Instance, prices: Mapping[str, float], gap: float, deadline: float | None, built: float
) -> Answer:
    """Answer by the whole search, which has its own processes and keeps the deadline whatever solvers do."""
    from optsched.search.solve import solve

    left = None if deadline is None else max(0.05, deadline - time.monotonic())
    began = time.monotonic()
    result = solve(instance, time_limit=left, gap=gap, prices=prices or None)
    return Answer(
        result.status,
        result.allocations,
        result.value,
        result.bound,
        result.gap,
        result.prices,
        result.reason,
        {waiting.job: waiting.reason for waiting in result.waiting},
        notes=result.notes,
        build_s=built,
        solve_s=time.monotonic() - began,
    )


def _returned(problem: Problem, rows: IntArray, hysteresis: float, deadline: float | None) -> IntArray:
    """Return a plan that is as good, in which no job changes what it holds for nothing.

    Jobs that change choose once more between what they hold, what the plan gives them, and nothing, where what is held
    counts a little more than it is worth: by a tie, or by the hysteresis.
    """
    table = problem.configurations
    held = np.full(table.jobs, -1, dtype=np.int64)
    own = np.flatnonzero(table.kept)
    held[table.job[own[::-1]]] = own[::-1]
    changed: IntArray = np.flatnonzero((held >= 0) & (rows != held) & ~_keeps(problem, rows))
    if not 0 < len(changed) <= MOST_RETURNED:
        return rows
    now = rows[changed]
    choices = np.concatenate([held[changed], now[now >= 0]])
    values = problem.value[choices].copy()
    bonus = (TIE + hysteresis) * np.maximum(np.abs(values), TIE * np.abs(problem.value).max(initial=0.0))
    values[: len(changed)] += bonus[: len(changed)]
    # others that run, and take room: those that the plan starts may have to wait for what is kept
    starts: IntArray = np.flatnonzero((held < 0) & (rows >= 0) & ~problem.required)
    choices = np.concatenate([choices, rows[starts]])
    values = np.concatenate([values, problem.value[rows[starts]]])
    free = np.concatenate([changed, starts])
    stay = np.ones(table.jobs, dtype=bool)
    stay[free] = False
    fixed = rows[stay & (rows >= 0)]
    better = _chosen(problem, choices, values, free, fixed, rows[free], deadline)
    if better is None:
        return rows
    result = rows.copy()
    result[free] = -1
    result[table.job[better]] = better
    return result


def _keeps(problem: Problem, rows: IntArray) -> Any:
    """Tell which jobs keep what they hold."""
    keeps = np.zeros(len(rows), dtype=bool)
    runs = np.flatnonzero(rows >= 0)
    keeps[runs] = problem.configurations.kept[rows[runs]]
    return keeps


def _chosen(
    problem: Problem,
    choices: IntArray,
    values: FloatArray,
    jobs: IntArray,
    fixed: IntArray,
    now: IntArray,
    deadline: float | None,
) -> IntArray | None:
    """Return the best of some rows, at most one a job, in what fixed rows leave; None where that is not found."""
    table = problem.configurations
    start, resource, amount = table.used_by_row
    finite = np.flatnonzero(np.isfinite(table.capacity))
    left = table.capacity - _taken(problem, fixed)
    count = np.diff(start)[choices]
    entry = np.repeat(start[choices] - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
    column = np.repeat(np.arange(len(choices)), count)
    place = positions(finite, len(table.capacity))[resource[entry]]
    model = LinearModel()
    x = model.add_variables("x", len(choices), upper=1.0, integer=True, cost=values)
    mine = place >= 0
    limit = left[finite] + 1e-9 * np.maximum(1.0, np.abs(left[finite]))
    model.add_rows("capacity", (place[mine], x[column[mine]], amount[entry[mine]]), upper=limit, size=len(finite))
    owner = positions(jobs, table.jobs)[table.job[choices]]
    least = problem.required[jobs].astype(np.float64)
    model.add_rows("one", (owner, x, 1.0), lower=least, upper=1.0, size=len(jobs))
    if problem.instance.max_moves is not None:  # what is free keeps no less than the plan does
        keeps = table.kept[choices].astype(np.float64)
        fewest = float(table.kept[now[now >= 0]].sum())
        model.add_rows("moves", (np.zeros(len(choices), dtype=np.int64), x, keeps), lower=fewest, size=1)
    begin = np.zeros(len(choices))
    begin[np.isin(choices, now)] = 1.0
    outcome = highs.solve(model, RunContext(Limits(deadline, 0.0)), start=begin)
    return None if outcome.values is None else choices[outcome.values > 0.5]


def _taken(problem: Problem, rows: IntArray) -> FloatArray:
    """Return what rows take of each resource."""
    table = problem.configurations
    row, resource, amount = table.used
    chosen = np.zeros(len(table), dtype=bool)
    chosen[rows] = True
    mine = chosen[row]
    taken = np.bincount(resource[mine], weights=amount[mine], minlength=len(table.capacity))
    return taken.astype(np.float64)
