"""Heuristics beside each other: what each reaches of the proven bound, and in what time.

On sums, all plans of a case have one bound, the Lagrangian dual of the price engine. On max-min, whole configurations:
the levels' plan and bound beside POP's partitions, each part solved by HiGHS as in its paper (Narayanan et al.,
SOSP'21). Times are from the problem on; with prices a greedy finds them itself. Plans are checked entry by entry.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import highspy  # noqa: F401  (its import is counted for nobody)
import numpy as np
from common import parser_of, show
from prices import checked, problem
from rich.table import Table

from optsched.instance import ObjectiveSpec
from optsched.instance.objectives import objective
from optsched.problem.problem import Plan, Problem
from optsched.search.heuristics.greedy import price_greedy
from optsched.search.heuristics.lns import neighbourhoods
from optsched.search.heuristics.lp_rounding import lp_rounding
from optsched.search.heuristics.marginal_gain import marginal_gain
from optsched.search.heuristics.pop import partitioned
from optsched.search.heuristics.speedup import speed_up
from optsched.search.max_min import highest_level
from optsched.search.prices import dual_prices, price
from optsched.solvers import Limits, RunContext

LIMIT = 20.0
"""Seconds for each side."""

Side = Callable[[Problem, int], np.ndarray | None]
"""A problem and a seed -> the chosen row of each job."""


def until() -> float:
    return time.monotonic() + LIMIT


def bettered(now: Problem, seed: int) -> np.ndarray:
    """Return the price-guided greedy plan, bettered around itself."""
    prices = dual_prices(now).prices
    first = price_greedy(now, prices, until())
    context = RunContext(Limits(until(), seed=seed))
    return neighbourhoods(now, first, context, costs=now.configurations.costs(prices))


SUMS: dict[str, Side] = {
    "prices, 1e-4": lambda now, seed: price(now, deadline=until(), gap=1e-4).rows,
    "price-greedy": lambda now, seed: price_greedy(now, dual_prices(now).prices, until()),
    "neighbourhoods": bettered,
    "lp-rounding": lambda now, seed: lp_rounding(now, until()),
    "marginal-gain": lambda now, seed: marginal_gain(now, until()),
    "speed-up": lambda now, seed: speed_up(now, until()),
    **{f"pop-{k}": lambda now, seed, k=k: partitioned(now, k, seed, deadline=until()) for k in (4, 16)},
}
LEAST: dict[str, Side] = {
    "levels, 1e-4": lambda now, seed: highest_level(now, deadline=until(), gap=1e-4).rows,
    "marginal-gain": lambda now, seed: marginal_gain(now, until()),
    **{f"pop-{k}": lambda now, seed, k=k: partitioned(now, k, seed, deadline=until()) for k in (4, 16)},
}


def least(now: Problem) -> Problem:
    """Return the problem with the least value in place of the sum, and a fifth of the GPUs: one or two for each job."""
    table = now.configurations
    scarce = replace(table, capacity=np.ceil(table.capacity / 5))
    return replace(now, objective=objective(ObjectiveSpec(name="max-min")), configurations=scarce)


def levelled(now: Problem) -> float:
    """Return a bound on the least value."""
    return highest_level(now, deadline=until(), gap=1e-4).bound


def told(name: str, cases: list[Problem], sides: dict[str, Side], bound: Callable[[Problem], float]) -> Table:
    """Run all sides on all cases; return the table of what came of it."""
    table = Table(name, "s", "CPU s", "of the bound", "jobs that wait")
    bounds = [bound(case) for case in cases]
    for side, run in sides.items():
        rows_of: list[tuple[float, float, float, float]] = []
        for seed, (case, most) in enumerate(zip(cases, bounds, strict=True)):
            wall, cpu = time.perf_counter(), time.process_time()
            rows = run(case, seed)
            spent = time.perf_counter() - wall, time.process_time() - cpu
            if rows is None:
                rows = np.full(case.configurations.jobs, -1)
            checked(case, rows, float(case.value[rows[rows >= 0]].sum()))
            rows_of.append((*spent, case.total(Plan(rows)) / most, float((rows < 0).sum())))
        middle = [statistics.median(column) for column in zip(*rows_of, strict=True)]
        table.add_row(side, f"{middle[0]:.3f}", f"{middle[1]:.3f}", f"{middle[2]:.3%}", f"{middle[3]:g}")
    return table


def main() -> None:
    """Run the comparisons and print them."""
    quick = parser_of(__doc__).parse_args().quick
    seeds, tables = range(1 if quick else 3), []
    for jobs, hosts in ((100, False),) if quick else ((512, False), (512, True), (2_048, False)):
        cases = [problem(jobs, seed=seed, hosts=hosts) for seed in seeds]
        name = f"sum, {jobs:,} jobs{', CPU, memory' * hosts}"
        tables.append(told(name, cases, SUMS, lambda now: dual_prices(now).bound))
    for jobs in (60,) if quick else (256, 1_024):
        cases = [least(problem(jobs, seed=seed)) for seed in seeds]
        tables.append(told(f"max-min, {jobs:,} jobs", cases, LEAST, levelled))
    show(f"medians of {len(seeds)} seeds, plans checked, HiGHS's own CPU seconds are not in those shown", *tables)


if __name__ == "__main__":
    main()
