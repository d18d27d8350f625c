"""The price engine beside HiGHS on the whole integer program, and beside its LP relaxation rounded.

All sides get the same problem, made of arrays: loading and tabulating are not counted, building of models
is. Every plan is checked entry by entry. HiGHS gets a time limit; a gap is what was *proven*: HiGHS's by its
own bound, that of the rounded LP by the LP's optimum. HiGHS's sides are left out where the limit is known
to be hopeless.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import highspy  # noqa: F401  (its import, 0.3 s, is counted for nobody)
import numpy as np
from common import parser_of, show
from rich.table import Table

from formulations.configuration import build
from optsched._util.arrays import offsets
from optsched.instance import Cluster, GpuType, Instance, Job, ObjectiveSpec, ServerGroup
from optsched.instance.objectives import objective
from optsched.instance.pools import Pool
from optsched.problem.configurations import ConfigurationColumns, Configurations
from optsched.problem.problem import Plan, Problem
from optsched.search.heuristics.marginal_gain import improve
from optsched.search.prices import price
from optsched.solvers import Limits, RunContext, highs

LIMIT = 60.0
"""Seconds for HiGHS on the whole integer program."""
COUNTS = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32])
"""GPUs that a job may have of each type."""


@dataclass(frozen=True)
class Case:
    """A size to measure: the gap to prove, seeds, whether CPU cores and memory are short, and which sides run."""

    name: str
    jobs: int
    types: int
    sites: int
    gap: float
    seeds: int
    hosts: bool = False
    integer: bool = False
    linear: bool = False


CASES = (
    Case("2,048 jobs", 2_048, 3, 1, 5e-5, 5, integer=True, linear=True),
    Case("the same, 1e-6", 2_048, 3, 1, 1e-6, 5),
    Case("the same, optimal", 2_048, 3, 1, 0.0, 5),
    Case("2,048 jobs, CPU, memory", 2_048, 3, 1, 1e-4, 3, hosts=True, integer=True, linear=True),
    Case("8,192 jobs", 8_192, 3, 1, 1e-5, 3, integer=True, linear=True),
    Case("100,000 jobs, 30 pools", 100_000, 10, 3, 1e-4, 3),
    Case("1,000,000 jobs, 30 pools", 1_000_000, 10, 3, 1e-4, 1),
    Case("300 jobs, 200 pools", 300, 10, 20, 1e-4, 3, integer=True, linear=True),
)
QUICK = (Case("200 jobs", 200, 3, 1, 1e-4, 1, integer=True, linear=True),)


def problem(jobs: int, types: int = 3, sites: int = 1, seed: int = 0, hosts: bool = False, models: int = 40) -> Problem:
    """Return a problem of jobs that each train one of some models on three GPU types of one site, about 29 rows a job.

    A model has a speed on each type, and throughput that is concave in the GPUs but for a drop where
    a second server of four GPUs is needed. Each job has a weight and a batch of its own, which decides
    how far it scales. The pools hold a quarter of the mean row of every job on every type. With ``hosts``,
    every GPU needs CPU cores and memory, by job, of which there is nine tenths of what a mean job on all GPUs needs.
    """
    random = np.random.default_rng(seed)
    model = random.integers(models, size=jobs)
    site = random.integers(sites, size=jobs)
    speed = np.exp(random.normal(0, 0.4, (models, types))) * np.linspace(1, 4, types)
    penalty = random.uniform(0.6, 0.95, (models, types))
    serial = np.exp(random.normal(-1.5, 0.6, (models, types)))
    weight = np.exp(random.normal(0, 0.5, jobs))
    batch = np.exp(random.normal(0, 0.5, jobs))
    may = np.sort(np.argsort(random.random((models, types)), axis=1)[:, : min(3, types)], axis=1)
    counts = random.choice([8, 10, 10, 10, 10], size=jobs)  # how many of COUNTS

    keep = np.broadcast_to((np.arange(len(COUNTS)) < counts[:, None])[:, None], (jobs, may.shape[1], len(COUNTS)))
    job, column, count = np.nonzero(keep)
    of, gpus = model[job], COUNTS[count]
    kind = may[of, column]
    scaled = 1 + serial[of, kind] / batch[job] / 4 * (gpus - 1)
    rate = speed[of, kind] * gpus / scaled * np.where(gpus > 4, penalty[of, kind], 1.0)
    pool = kind + types * site[job]
    capacity = np.bincount(pool, weights=gpus, minlength=types * sites) / len(COUNTS) / 4
    capacity = np.maximum(32.0, 8 * np.round(capacity / 8))
    everywhere = tuple(
        Pool(f"s{s}", f"t{k}", np.full(int(capacity[s * types + k]) // 8, 8), 0.0)
        for s in range(sites)
        for k in range(types)
    )
    rows = len(job)
    uses, names = [(np.arange(rows), pool, gpus.astype(np.float64))], [str(p) for p in everywhere]
    if hosts:
        for name, each in (("CPU", random.choice([2.0, 4.0, 8.0], jobs)), ("memory", random.uniform(4.0, 64.0, jobs))):
            uses.append((np.arange(rows), np.full(rows, len(capacity)), each[job] * gpus))
            capacity = np.append(capacity, 0.9 * each.mean() * capacity[: types * sites].sum())
            names.append(name)
    ones, none = np.ones(rows), np.zeros(rows, dtype=np.int64)
    columns = ConfigurationColumns(
        pool, gpus, -(-gpus // 4), none, np.full(rows, np.nan), none + 1, rate, ones, np.full(rows, np.nan)
    )
    table = Configurations(
        job=job,
        columns=columns,
        kept=np.zeros(rows, dtype=bool),
        share=ones,
        slowest=np.full(rows, np.nan),
        first=offsets(np.bincount(job, minlength=jobs)),
        reference=np.ones(jobs),
        pools=everywhere,
        used=tuple(np.concatenate(part) for part in zip(*uses, strict=True)),
        capacity=capacity,
        resource_names=tuple(names),
        reasons={},
    )
    cluster = Cluster(gpu_types=(GpuType(id="t0"),), servers=(ServerGroup(id="s", gpu_type="t0", gpus=1),))
    records = tuple(Job(id=str(j)) for j in range(jobs))
    return Problem(
        instance=Instance(format="optsched/1", cluster=cluster, jobs=records),
        objective=objective(ObjectiveSpec(name="progress")),
        configurations=table,
        error=0.0,
        value=weight[job] * rate / speed.mean(axis=1)[of],
        weight=weight,
        required=np.zeros(jobs, dtype=bool),
    )


def next_round(now: Problem, part: float = 0.05) -> Problem:
    """Return the problem with other weights for a part of the jobs."""
    random = np.random.default_rng(1)
    jobs = now.configurations.jobs
    factor = np.where(random.random(jobs) < part, np.exp(random.normal(0, 0.5, jobs)), 1.0)
    return replace(now, value=now.value * factor[now.configurations.job])


def checked(now: Problem, rows: np.ndarray | None, value: float) -> None:
    """Leave if a plan is none, or is not worth what it claims."""
    table = now.configurations
    if rows is None:
        sys.exit("no plan was found")
    chosen = rows[rows >= 0]
    row, of, amount = table.used
    held = np.zeros(len(table))
    held[chosen] = 1.0
    used = np.bincount(of, weights=held[row] * amount, minlength=len(table.capacity))
    if np.any(used > table.capacity * (1 + 1e-9)) or np.any(table.job[chosen] != np.flatnonzero(rows >= 0)):
        sys.exit("a plan breaks a capacity")
    if abs(now.value[chosen].sum() - value) > 1e-9 * value:
        sys.exit("a plan is not worth what it claims")


Measured = tuple[float, float]
"""Seconds, and the gap that was proven."""


def engine(now: Problem, gap: float, start: np.ndarray | None = None) -> Measured:
    """Run the price engine."""
    began = time.perf_counter()
    found = price(now, deadline=None, gap=gap, start=start)
    seconds = time.perf_counter() - began
    checked(now, found.rows, found.value or 0.0)
    return seconds, found.gap


def warm(now: Problem, gap: float) -> Measured:
    """Run the price engine on the next round, from this round's prices."""
    return engine(next_round(now), gap, price(now, deadline=None, gap=gap).prices)


def integer(now: Problem, gap: float) -> Measured:
    """Run HiGHS on the whole integer program."""
    began = time.perf_counter()
    built = build(now)
    outcome = highs.solve(built.model, RunContext(Limits(time.monotonic() + LIMIT, gap)))
    seconds = time.perf_counter() - began
    if outcome.values is None or outcome.bound is None:
        return seconds, np.inf
    plan = built.read(outcome.values)
    value = now.total(plan)
    checked(now, plan.rows, value)
    return seconds, max(0.0, outcome.bound - value) / value


def linear(now: Problem, gap: float) -> Measured:
    """Solve the LP relaxation by HiGHS, keep what is whole, and hand out the rest by marginal gain."""
    began = time.perf_counter()
    built = build(now)
    outcome = highs.solve(built.model, RunContext(Limits(time.monotonic() + LIMIT)), relaxed=True)
    if outcome.values is None or outcome.objective is None:
        return time.perf_counter() - began, np.inf
    rows = improve(now, built.read(np.where(outcome.values > 1 - 1e-6, 1.0, 0.0)).rows)
    seconds = time.perf_counter() - began
    value = now.total(Plan(rows))
    checked(now, rows, value)
    return seconds, max(0.0, outcome.objective - value) / value


def median(side: Callable[[Problem, float], Measured], cases: list[Problem], gap: float) -> Measured:
    """Return the medians over seeds."""
    runs = [side(one, gap) for one in cases]
    return statistics.median(r[0] for r in runs), statistics.median(r[1] for r in runs)


def main() -> None:
    """Run the comparison and print it."""
    quick = parser_of(__doc__).parse_args().quick
    sides = ("prices", "next round", "HiGHS, whole", "HiGHS, LP rounded")
    table = Table("problem", "rows", "gap asked", *(f"{side}: s, gap" for side in sides), "whole / prices")
    for case in QUICK if quick else CASES:
        cases = [problem(case.jobs, case.types, case.sites, seed, case.hosts) for seed in range(case.seeds)]
        if case.jobs < 100_000:
            engine(cases[0], case.gap)  # the first run pays for pages of memory that the others find
        runs = {"prices": median(engine, cases, case.gap), "next round": median(warm, cases, case.gap)}
        if case.integer:
            runs["HiGHS, whole"] = median(integer, cases, case.gap)
        if case.linear:
            runs["HiGHS, LP rounded"] = median(linear, cases, case.gap)
        cells = ["{:.3f}, {:.1e}".format(*runs[side]) if side in runs else "" for side in sides]
        ratio = f"{runs['HiGHS, whole'][0] / runs['prices'][0]:.0f}" if case.integer else ""
        table.add_row(case.name, f"{len(cases[0].configurations):,}", f"{case.gap:g}", *cells, ratio)
        print(f"{case.name}: {cells} {ratio}", file=sys.stderr, flush=True)
        del cases
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    show(f"medians over seeds, plans checked, HiGHS stopped at {LIMIT:g} s; peak memory {peak:.1f} GiB", table)


if __name__ == "__main__":
    main()
