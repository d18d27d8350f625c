"""POP: a random partition of the jobs and of every resource, whose parts are problems of their own.

Narayanan et al., "Solving Large-Scale Granular Resource Allocation Problems Efficiently with POP" (SOSP'21, sec. 3,
algorithm 1): where no job needs much of the whole, a part with a k-th of the jobs and a k-th of everything looks
like the whole, and k programs of a k-th of the size are solved in less time than one. GPUs come in whole numbers:
the parts' differ by one at the most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray, IntArray, offsets, positions
from optsched.problem.formulation import DEFAULT, formulation
from optsched.problem.problem import Plan, Problem
from optsched.solvers import Limits, RunContext

__all__ = ["partitioned", "shares", "solve_part", "subproblem"]


def subproblem(problem: Problem, jobs: IntArray, capacity: FloatArray, moves: int | None) -> tuple[Problem, IntArray]:
    """Return the problem of some jobs, and the numbers of its rows in the whole.

    Parameters
    ----------
    jobs
        Their numbers, increasing, shape ``(m,)``.
    capacity
        What they have of each resource, shape ``(resources,)``.
    moves
        How many of them may move; None: all.
    """
    table, instance = problem.configurations, problem.instance
    number = positions(jobs, table.jobs)
    rows = np.flatnonzero(number[table.job] >= 0)
    of_row = positions(rows, len(table))
    row, resource, amount = table.used
    mine = of_row[row] >= 0
    part = replace(
        table,
        job=number[table.job[rows]],
        columns=table.columns.take(rows),
        kept=table.kept[rows],
        share=table.share[rows],
        slowest=table.slowest[rows],
        stand=None if table.stand is None else table.stand[rows],
        first=offsets(np.diff(table.first)[jobs]),
        reference=table.reference[jobs],
        used=(of_row[row[mine]], resource[mine], amount[mine]),
        capacity=capacity,
        reasons={int(number[j]): why for j, why in table.reasons.items() if number[j] >= 0},
    )
    fewer = msgspec.structs.replace(
        instance, jobs=tuple(instance.jobs[j] for j in jobs.tolist()), max_moves=moves, limits=()
    )
    return replace(
        problem,
        instance=fewer,
        configurations=part,
        value=problem.value[rows],
        weight=problem.weight[jobs],
        required=problem.required[jobs],
    ), rows


def shares(capacity: FloatArray, parts: int) -> FloatArray:
    """Return what each part has of each resource, shape ``(parts, resources)``: whole units where the whole is whole.

    Those of a remainder go round the parts, from one resource to the next, so that no part has all of them.
    """
    known = np.where(np.isfinite(capacity), capacity, 0.0)
    even = np.tile(capacity / parts, (parts, 1))
    whole = np.isfinite(capacity) & (known == np.rint(known)) & (known > 0)
    begin = 0
    for number in np.flatnonzero(whole).tolist():
        each, more = divmod(int(known[number]), parts)
        even[:, number] = each
        even[(begin + np.arange(more)) % parts, number] += 1
        begin += more
    return even


def partitioned(
    problem: Problem,
    parts: int,
    seed: int,
    solve: Callable[[Problem], IntArray | None] | None = None,
    deadline: float | None = None,
    gap: float = 1e-4,
) -> IntArray:
    """Return the chosen row of each job, shape ``(jobs,)``: the plans of random parts, joined.

    Parameters
    ----------
    parts
        How many, >= 1.
    solve
        A part's problem -> its rows, None where it has no plan. Default: HiGHS on the configuration formulation,
        to ``gap`` or ``deadline`` (on the clock of ``time.monotonic``).
    """
    table, instance = problem.configurations, problem.instance
    order = np.random.default_rng(seed).permutation(table.jobs)
    capacity = shares(table.capacity, parts)
    holding = np.array([job.holds is not None for job in instance.jobs], dtype=bool)
    left, rest = instance.max_moves, int(holding.sum())
    rows = np.full(table.jobs, -1, dtype=np.int64)
    for number, jobs in enumerate(np.array_split(order, parts)):
        jobs = np.sort(jobs)
        moves = None
        if left is not None:  # what is left of the moves, by those who are left to move
            moves = left * int(holding[jobs].sum()) // max(1, rest)
            left, rest = left - moves, rest - int(holding[jobs].sum())
        part, numbers = subproblem(problem, jobs, capacity[number], moves)
        if len(numbers) == 0:
            continue
        chosen = (solve or _exactly(deadline, gap, parts - number))(part)
        if chosen is not None:
            runs = chosen >= 0
            rows[jobs[runs]] = numbers[chosen[runs]]
    return rows


def _exactly(deadline: float | None, gap: float, parts: int) -> Callable[[Problem], IntArray | None]:
    """Return what solves a part by HiGHS, in an even share of the remaining time."""

    def solve(part: Problem) -> IntArray | None:
        limits = Limits(deadline, gap)
        if deadline is not None:
            limits = replace(limits, deadline=deadline - limits.left() * (1 - 1 / parts))
        return solve_part(part, RunContext(limits))[0]

    return solve


def solve_part(
    part: Problem, context: RunContext, backend: str = "highs", start: Plan | None = None
) -> tuple[IntArray | None, bool]:
    """Return the chosen rows by the configuration formulation, None without a plan, and whether they are proven best.

    Parameters
    ----------
    backend
        ``highs``, which takes a plan to start from, or ``cpsat``.
    """
    from optsched.solvers import cpsat, highs

    form = {"highs": "linear", "cpsat": "cpsat"}[backend]
    built = formulation("configuration").forms[form](part, DEFAULT)
    if form == "cpsat":
        outcome = cpsat.solve(built.model, context)
    else:
        known = None if start is None or built.start is None else built.start(start)
        outcome = highs.solve(built.model, context, start=known)
    rows = None if outcome.values is None else built.read(outcome.values).rows
    return rows, outcome.status == "optimal"
