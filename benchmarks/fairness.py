"""Max-min fairness over whole configurations: levels by prices beside the integer program with a least value.

The same problems in one run: the bisection over levels, each of which is a question to the price engine, until the
next level is refused; and HiGHS on ``maximize z, z <= sum v x`` after values are cut to the bound of its relaxation,
as long as that lowers it. Then all levels in lexicographic order, and what the levels leave over, handed out by prices
or by marginal gain alone. Every plan is checked against the capacities, and its least value recomputed.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from common import parser_of, show
from prices import problem
from rich.table import Table

from formulations.configuration import build
from optsched.instance import ObjectiveSpec
from optsched.instance.objectives import objective
from optsched.problem.problem import Plan, Problem
from optsched.search.heuristics.fill_idle import fill_idle
from optsched.search.heuristics.marginal_gain import improve
from optsched.search.max_min import highest_level, lexicographic, tightened
from optsched.solvers import Limits, RunContext, highs

LIMIT = 60.0
"""Seconds for HiGHS."""


@dataclass(frozen=True)
class Case:
    """Jobs, capacities as a part of those of the other benchmark, and seeds; whether HiGHS runs, and the order."""

    jobs: int
    part: float
    seeds: int
    integer: bool = True
    order: bool = False


CASES = (
    Case(100, 0.3, 3, order=True),
    Case(200, 0.3, 3, order=True),
    Case(2_048, 0.1, 3),
    Case(2_048, 0.3, 3),
    Case(2_048, 1.0, 3),
    Case(8_192, 0.3, 2, integer=False),
)
QUICK = (Case(30, 0.3, 1, order=True),)


def posed(case: Case, seed: int) -> Problem:
    """Return a max-min problem in which there are GPUs for all jobs, and few more where ``part`` is small."""
    made = problem(case.jobs, seed=seed)
    table = made.configurations
    least = np.ceil(1.3 * case.jobs / len(table.capacity))
    capacity = np.maximum(np.round(case.part * table.capacity), least)
    goal = objective(ObjectiveSpec(name="max-min"))
    return replace(made, objective=goal, configurations=replace(table, capacity=capacity))


def checked(now: Problem, rows: np.ndarray | None) -> float:
    """Return the least value of a plan; leave if it is none."""
    table = now.configurations
    if rows is None:
        sys.exit("no plan was found")
    row, of, amount = table.used
    held = np.zeros(len(table))
    held[rows[rows >= 0]] = 1.0
    used = np.bincount(of, weights=held[row] * amount, minlength=len(table.capacity))
    if np.any(used > table.capacity * (1 + 1e-9)):
        sys.exit("a plan breaks a capacity")
    return now.total(Plan(rows))


def levels(now: Problem) -> tuple[float, float, int]:
    """Return seconds, the proven gap, and the questions of the bisection."""
    began = time.perf_counter()
    found = highest_level(now, deadline=None, gap=0.0)
    seconds = time.perf_counter() - began
    value = checked(now, found.rows)
    return seconds, (found.bound - value) / value, found.subproblems


def integer(now: Problem) -> tuple[float, float]:
    """Return seconds and the proven gap of HiGHS."""
    began = time.perf_counter()
    context = RunContext(Limits(time.monotonic() + LIMIT, 1e-4))
    tighter, bound = tightened(now, context)
    built = build(tighter)
    outcome = highs.solve(built.model, context)
    seconds = time.perf_counter() - began
    if outcome.values is None:
        return seconds, np.inf
    value = checked(now, built.read(outcome.values).rows)
    bounds = [b for b in (bound, outcome.bound) if b is not None]
    return seconds, (min(bounds) - value) / value if bounds and value > 0 else np.inf


def ordered(now: Problem) -> tuple[float, int]:
    """Return seconds and how many levels were proven in lexicographic order."""
    rows = highest_level(now, deadline=None, gap=0.0).rows
    assert rows is not None
    began = time.perf_counter()
    found = lexicographic(now, rows, deadline=time.monotonic() + LIMIT)
    seconds = time.perf_counter() - began
    checked(now, found.rows)
    if found.whole and not np.allclose(np.sort(now.value[found.rows]), found.levels):
        sys.exit("the levels are not those of the plan")
    return seconds, len(found.levels)


def left_over(now: Problem) -> tuple[float, float, float]:
    """Return seconds of handing out what the levels leave, by prices and by marginal gain, and the sums' ratio."""
    rows = highest_level(now, deadline=None, gap=0.0).rows
    assert rows is not None
    sums, seconds = [], []
    for hand_out in (lambda: fill_idle(now, rows), lambda: improve(now.summed, rows)):
        began = time.perf_counter()
        more = hand_out()
        seconds.append(time.perf_counter() - began)
        if checked(now, more) < checked(now, rows):
            sys.exit("somebody lost")
        sums.append(now.summed.total(Plan(more)))
    return seconds[0], seconds[1], sums[0] / sums[1]


def main() -> None:
    """Run the comparison and print it."""
    quick = parser_of(__doc__).parse_args().quick
    table = Table(
        "jobs",
        "rows",
        "GPUs",
        "levels: s, gap",
        "subproblems",
        "HiGHS: s, gap",
        "ratio",
        "in order: s, levels",
        "left over: s",
        "marginal gain: s",
        "sum / its sum",
    )
    for case in QUICK if quick else CASES:
        cases = [posed(case, seed) for seed in range(case.seeds)]
        levels(cases[0])  # the first run starts what the others find
        mine = [levels(now) for now in cases]
        seconds, gap = statistics.median(m[0] for m in mine), max(m[1] for m in mine)
        cells, ratio, order = "", "", ""
        if case.integer:
            other = [integer(now) for now in cases]
            theirs = statistics.median(o[0] for o in other)
            cells, ratio = f"{theirs:.2f}, {max(o[1] for o in other):.1e}", f"{theirs / seconds:.1f}"
        if case.order:
            runs = [ordered(now) for now in cases]
            order = f"{statistics.median(r[0] for r in runs):.1f}, {min(r[1] for r in runs)}"
        given = [statistics.median(of) for of in zip(*(left_over(now) for now in cases), strict=True)]
        table.add_row(
            f"{case.jobs:,}",
            f"{len(cases[0].configurations):,}",
            f"{cases[0].configurations.capacity.sum():,.0f}",
            f"{seconds:.2f}, {gap:.0e}",
            f"{statistics.median(m[2] for m in mine):g}",
            cells,
            ratio,
            order,
            f"{given[0]:.2f}",
            f"{given[1]:.2f}",
            f"{given[2]:.3f}",
        )
        print(f"{case}: {seconds:.2f} {cells} {order}", file=sys.stderr, flush=True)
    show(f"medians of seconds, largest gaps over seeds, plans checked, HiGHS stopped at {LIMIT:g} s, gap 1e-4", table)


if __name__ == "__main__":
    main()
