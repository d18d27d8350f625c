"""Divisible resources: shares of a million jobs, and fair shares of a million users; linear ones beside HiGHS.

Jobs with a rate on each resource type share the types' capacities, each at most all of the time; the sum of weighted
rates, or of their logarithms. The gap is proven by the dual; every answer is recomputed and checked against the
capacities. HiGHS solves the linear program at a size that it can take.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from common import parser_of, show
from rich.table import Table
from scipy.optimize import linprog
from scipy.sparse import csr_array

from optsched.timeshare.divisible import dominant_shares, nash_welfare, shares

JOBS, TYPES, COMPARED = 1_000_000, 4, 20_000
RUNS = 3


def problem(jobs: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rates, capacities for 55 % of the jobs, and weights."""
    random = np.random.default_rng(seed)
    rate = np.exp(random.normal(0, 0.5, (jobs, TYPES))) * np.arange(1, TYPES + 1)
    return rate, np.array([0.2, 0.15, 0.1, 0.1]) * jobs, np.exp(random.normal(0, 0.5, jobs))


def utility_of(rate: np.ndarray, weight: np.ndarray, x: np.ndarray, utility: str) -> float:
    """Return the sum of utilities of shares."""
    reached = np.einsum("ji,ji->j", rate, x)
    return float(weight @ (reached if utility == "linear" else np.log(reached)))


def ours(jobs: int, seed: int, utility: str) -> tuple[float, float]:
    """Return seconds and the proven gap, after checking the shares."""
    rate, capacity, weight = problem(jobs, seed)
    began = time.perf_counter()
    found = shares(rate, capacity, weight, utility=utility)  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    x = found.shares
    if x.min() < 0 or np.any(x.sum(axis=0) > capacity * (1 + 1e-9)) or x.sum(axis=1).max() > 1 + 1e-9:
        sys.exit("shares break a capacity")
    if abs(utility_of(rate, weight, x, utility) - found.value) > 1e-9 * weight.sum():
        sys.exit("shares are not worth what they claim")
    return seconds, found.gap


def fair(jobs: int, seed: int, nash: bool) -> tuple[float, float]:
    """Return seconds of dominant-resource fairness or Nash welfare, and the proven gap of the latter."""
    random = np.random.default_rng(seed)
    demand, capacity = random.uniform(0.1, 2, (jobs, TYPES)), np.full(TYPES, jobs / 3)
    began = time.perf_counter()
    tasks, gap = nash_welfare(demand, capacity) if nash else (dominant_shares(demand, capacity), 0.0)
    seconds = time.perf_counter() - began
    if np.any(tasks @ demand > capacity * (1 + 1e-9)):
        sys.exit("tasks break a capacity")
    return seconds, gap


def program(jobs: int, seed: int) -> tuple[float, float]:
    """Return seconds of HiGHS (by scipy) on the same linear program, and its distance from our bound."""
    rate, capacity, weight = problem(jobs, seed)
    entries = jobs * TYPES
    job, kind = np.divmod(np.arange(entries), TYPES)
    rows = np.concatenate([job, jobs + kind])
    matrix = csr_array((np.ones(2 * entries), (rows, np.tile(np.arange(entries), 2))))
    limit = np.concatenate([np.ones(jobs), capacity])
    began = time.perf_counter()
    answer = linprog(-(weight[:, None] * rate).ravel(), A_ub=matrix, b_ub=limit, method="highs")
    seconds = time.perf_counter() - began
    bound = shares(rate, capacity, weight).bound
    return seconds, abs(bound + answer.fun) / bound


def median(side: Callable[[int], tuple[float, float]], runs: int) -> tuple[float, float]:
    """Return the median seconds and the largest gap over seeds."""
    found = [side(seed) for seed in range(runs)]
    return statistics.median(p[0] for p in found), max(p[1] for p in found)


def main() -> None:
    """Run the comparison and print it."""
    quick = parser_of(__doc__, quick="2,000 jobs, once").parse_args().quick
    jobs, runs = (2_000, 1) if quick else (JOBS, RUNS)
    table = Table("problem", "jobs", "optsched: s", "largest gap", "HiGHS: s", "its distance from our bound")
    for utility, size in (("linear", jobs), ("log", jobs), ("linear", min(jobs, COMPARED))):
        mine = median(lambda seed, u=utility, n=size: ours(n, seed, u), runs)  # type: ignore[misc]
        cells = ["", ""]
        if size <= COMPARED and utility == "linear":
            other = median(lambda seed, n=size: program(n, seed), 1)  # type: ignore[misc]
            cells = [f"{other[0]:.2f}", f"{other[1]:.1e}"]
        table.add_row(f"shares, {utility}", f"{size:,}", f"{mine[0]:.3f}", f"{mine[1]:.1e}", *cells)
    for name, nash in (("dominant-resource fairness", False), ("Nash welfare", True)):
        mine = median(lambda seed, n=nash: fair(jobs, seed, n), runs)  # type: ignore[misc]
        table.add_row(name, f"{jobs:,}", f"{mine[0]:.2f}", f"{mine[1]:.1e}", "", "")
    show(f"medians of {runs} seeds, {TYPES} types; shares recomputed and checked; gaps proven by the dual", table)


if __name__ == "__main__":
    main()
