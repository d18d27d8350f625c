"""Pollux's fitness by prices, beside a genetic algorithm with Pollux's operators and beside two greedy plans.

Pollux (Qiao et al., OSDI'21, sec. 4.2) gives 160 jobs 64 nodes of 4 GPUs so that the generalized mean of speed-ups,

    FITNESS_p = ( 1/J sum_j SPEEDUP_j^p )^(1/p),    SPEEDUP_j = goodput of j / its goodput on 1/J of the GPUs,

with p = -1 is largest. A job that waits has speed-up 0, which would make the mean 0 whatever the others have: here it
counts as 0.01 (our choice), on all sides. The mean rises with ``sum_j (1/0.01 - 1/SPEEDUP_j)``, a sum of values of
counts of GPUs: the price engine plans it and bounds it.

All sides' plans become matrices of GPUs by job and node, which are checked and evaluated by one function. Prices choose
among 1, 2, 4, 8, 12, ... GPUs, which always find whole nodes; their bound is that of *all* counts at their best
placement, so that it holds for every matrix. The genetic algorithm is ours, in numpy for the whole population at once:
rows of two parents are mixed, elements mutate with probability 1/64, nodes that are overfull are repaired in random
order (sec. 4.2.1), and the best of parents and children stay, which is what NSGA-II (Deb et al., IEEE Trans. Evol.
Comput. 6 (2002)) is for one objective. It starts from random matrices.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from common import parser_of, show
from rich.table import Table

from optsched.instance import Cluster, GpuType, Instance, Job, ObjectiveSpec, ServerGroup
from optsched.instance.objectives import objective
from optsched.instance.pools import Pool
from optsched.problem.configurations import ConfigurationColumns, Configurations
from optsched.problem.problem import Problem
from optsched.search.heuristics.marginal_gain import marginal_gain
from optsched.search.prices import dual_prices, price

NODES, EACH = 64, 4
FLOOR = 0.01
"""Speed-up that a job that waits counts as having."""
POPULATION = 100
"""Of Pollux's genetic algorithm (sec. 5.1)."""


@dataclass(frozen=True)
class Jobs:
    """Speed-ups by GPUs and nodes, shape ``(jobs, NODES * EACH + 1, NODES + 1)``; nan for what nodes cannot hold."""

    speedup: np.ndarray

    @property
    def count(self) -> int:
        return len(self.speedup)


def jobs_of(seed: int, count: int) -> Jobs:
    """Return jobs of random parameters, by Pollux's models of efficiency and of an iteration's time (sec. 3)."""
    random = np.random.default_rng(seed)
    gpus, nodes = np.meshgrid(np.arange(NODES * EACH + 1), np.arange(NODES + 1), indexing="ij")
    exists = (nodes >= 1) & (gpus >= nodes) & (gpus <= EACH * nodes)
    k, n = np.maximum(gpus, 1), np.maximum(nodes, 1)
    speedup = np.empty((count, *gpus.shape))
    for job in range(count):
        example, fixed = np.exp(random.normal(-6, 0.5)), np.exp(random.normal(-3.5, 0.5))
        within, across = np.exp(random.normal(-4, 0.7)), np.exp(random.normal(-3, 0.7))
        noise, base = np.exp(random.normal(7, 1.0)), 128.0
        best = np.zeros(gpus.shape)
        for local in (32.0, 64.0, 128.0, 256.0):
            sync = np.where(k == 1, 0.0, np.where(n == 1, within * (1 + 0.05 * (k - 2)), across * (1 + 0.05 * (k - 2))))
            gamma = 2.0
            step = ((fixed + example * local) ** gamma + sync**gamma) ** (1 / gamma)
            rate = k * local / step
            best = np.maximum(best, rate * (noise + base) / (noise + np.maximum(base, k * local)))
        fair = NODES * EACH / count
        low = min(max(1, int(fair)), NODES * EACH - 1)
        packed = [best[g, -(-g // EACH)] for g in (low, low + 1)]
        share = packed[0] * fair if fair < 1 else packed[0] + (fair - low) * (packed[1] - packed[0])
        speedup[job] = np.where(exists, best / share, np.nan)
    return Jobs(speedup)


def fitness(jobs: Jobs, plans: np.ndarray) -> np.ndarray:
    """Return the fitness of matrices of GPUs, shape ``(plans, jobs, NODES)``."""
    gpus, nodes = plans.sum(axis=2), (plans > 0).sum(axis=2)
    rate = jobs.speedup[np.arange(jobs.count), gpus, nodes]
    rate = np.where(gpus > 0, np.maximum(np.nan_to_num(rate), FLOOR), FLOOR)
    return np.asarray(1.0 / (1.0 / rate).mean(axis=1))


def problem_of(jobs: Jobs, counts: np.ndarray) -> Problem:
    """Return the problem of values ``1/FLOOR - 1/SPEEDUP``, over some counts of GPUs, each at its best placement."""
    best = np.nanmax(np.where(np.isnan(jobs.speedup), -np.inf, jobs.speedup), axis=2)[:, counts]
    rows, jobs_n = best.size, jobs.count
    job, gpus = np.repeat(np.arange(jobs_n), len(counts)), np.tile(counts, jobs_n)
    ones, zeros, unknown = np.ones(rows), np.zeros(rows, dtype=np.int64), np.full(rows, np.nan)
    pool = Pool("main", "gpu", np.full(NODES, EACH), 0.0)
    table = Configurations(
        job=job,
        columns=ConfigurationColumns(
            zeros, gpus, -(-gpus // EACH), zeros, unknown, zeros + 1, best.ravel(), ones, unknown
        ),
        kept=np.zeros(rows, dtype=bool),
        share=ones,
        slowest=unknown,
        first=np.arange(jobs_n + 1) * len(counts),
        reference=np.ones(jobs_n),
        pools=(pool,),
        used=(np.arange(rows), zeros, gpus.astype(np.float64)),
        capacity=np.array([float(NODES * EACH)]),
        resource_names=("GPUs",),
        reasons={},
    )
    cluster = Cluster(gpu_types=(GpuType(id="gpu"),), servers=(ServerGroup(id="s", gpu_type="gpu", gpus=1),))
    return Problem(
        instance=Instance(format="optsched/1", cluster=cluster, jobs=tuple(Job(id=str(j)) for j in range(jobs_n))),
        objective=objective(ObjectiveSpec(name="progress")),
        configurations=table,
        error=0.0,
        value=1 / FLOOR - 1 / np.maximum(best.ravel(), FLOOR),
        weight=np.ones(jobs_n),
        required=np.zeros(jobs_n, dtype=bool),
    )


def placed(problem: Problem, rows: np.ndarray) -> np.ndarray:
    """Return the matrix of counts: whole nodes first, then two and one GPUs, which always fit."""
    plan, free = np.zeros((len(rows), NODES), dtype=np.int64), np.full(NODES, EACH)
    gpus = np.where(rows >= 0, problem.configurations.columns.gpus[rows], 0)
    for job in np.argsort(-gpus, kind="stable").tolist():
        left = int(gpus[job])
        while left:
            part = min(left, EACH)
            node = int(np.argmax(free >= part))
            plan[job, node], free[node], left = part, free[node] - part, left - part
    return plan


def genetic(jobs: Jobs, seconds: float, seed: int) -> tuple[np.ndarray, int]:
    """Return the best matrix that the genetic algorithm found in so many CPU seconds, and its generations."""
    random, until = np.random.default_rng(seed), time.process_time() + seconds
    shape = (POPULATION, jobs.count, NODES)

    def repaired(plans: np.ndarray) -> np.ndarray:
        order = random.permutation(jobs.count)
        taken = np.minimum(np.cumsum(plans[:, order], axis=1), EACH)
        fixed = np.empty_like(plans)
        fixed[:, order] = np.diff(taken, axis=1, prepend=0)
        return fixed

    start = random.integers(0, EACH + 1, shape, dtype=np.int8) * (random.random(shape) < 2 / jobs.count)
    people, generations = repaired(start.astype(np.int8)), 0
    fit = fitness(jobs, people)
    while time.process_time() < until:
        pairs = random.integers(POPULATION, size=(2, 2, POPULATION))  # two tournaments of two for each child
        parent = np.where(fit[pairs[0]] >= fit[pairs[1]], pairs[0], pairs[1])
        mixed = random.random((POPULATION, jobs.count, 1)) < 0.5
        children = np.where(mixed, people[parent[0]], people[parent[1]])
        mutates = random.random(shape, dtype=np.float32) < 1 / NODES
        children[mutates] = random.integers(0, EACH + 1, int(mutates.sum()), dtype=np.int8)
        children = repaired(children)
        everyone, fits = np.concatenate([people, children]), np.concatenate([fit, fitness(jobs, children)])
        best = np.argsort(-fits, kind="stable")[:POPULATION]
        people, fit, generations = everyone[best], fits[best], generations + 1
    return people[0].astype(np.int64), generations


def checked(jobs: Jobs, plan: np.ndarray) -> float:
    """Return the fitness of a matrix; leave if it breaks a node."""
    if np.any(plan < 0) or np.any(plan.sum(axis=0) > EACH):
        sys.exit("a plan breaks a node")
    return float(fitness(jobs, plan[None])[0])


def runs(jobs: Jobs, seconds: float, seed: int) -> dict[str, tuple[float, float, float, int, str]]:
    """Return of each side its seconds on the clock and of the process, fitness, jobs that wait, and a remark."""
    sizes = np.array([1, 2, *range(EACH, NODES * EACH + 1, EACH)])
    some = problem_of(jobs, sizes)
    everything = problem_of(jobs, np.arange(1, NODES * EACH + 1))
    summed = replace(some, value=some.configurations.columns.throughput)
    found = {}

    def now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def tell(name: str, began: tuple[float, float], plan: np.ndarray, remark: str = "") -> None:
        ended = now()
        waits = int((plan.sum(axis=1) == 0).sum())
        found[name] = ended[0] - began[0], ended[1] - began[1], checked(jobs, plan), waits, remark

    price(some, deadline=None, gap=1e-7)  # the first run pays for the import of HiGHS
    for gap in (1e-5, 1e-7):
        began = now()
        priced = price(some, deadline=None, gap=gap)
        tell(f"prices, gap {gap:g} of the sum", began, placed(some, priced.rows))
    best = found["prices, gap 1e-07 of the sum"][2]
    began = now()
    bound = 1 / (1 / FLOOR - dual_prices(everything).bound / jobs.count)
    ended = now()
    found["bound of all matrices"] = ended[0] - began[0], ended[1] - began[1], bound, 0, f"gap {bound / best - 1:.2%}"
    for name, posed in (("marginal gain, sum of speed-ups", summed), ("marginal gain, 1/FLOOR - 1/speed-up", some)):
        began = now()
        tell(name, began, placed(posed, marginal_gain(posed)))
    for limit in (seconds / 10, seconds):
        began = now()
        plan, generations = genetic(jobs, limit, seed)
        tell(f"genetic, {limit:g} CPU s", began, plan, f"{generations} generations")
    return found


def main() -> None:
    """Run the comparison and print it."""
    parser = parser_of(__doc__, quick="one seed, the genetic algorithm for one second")
    parser.add_argument("--jobs", type=int, default=160)
    given = parser.parse_args()
    seeds = 1 if given.quick else 3
    everyone = [runs(jobs_of(seed, given.jobs), 1.0 if given.quick else 30.0, seed) for seed in range(seeds)]
    table = Table(
        f"{given.jobs} jobs on {NODES} x {EACH} GPUs", "seconds", "CPU s", "fitness (p = -1)", "jobs that wait", ""
    )
    for name in everyone[0]:
        seconds, cpu, fit, waits = (statistics.median(one[name][k] for one in everyone) for k in range(4))
        table.add_row(name, f"{seconds:.3f}", f"{cpu:.3f}", f"{fit:.4f}", f"{waits:g}", everyone[0][name][4])
    show(f"medians of {seeds} seeds, plans checked", table)


if __name__ == "__main__":
    main()
