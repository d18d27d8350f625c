"""What a user pays: a whole call, from the file or arrays to the bytes of the result, beside its engine and peers.

Instances of jobs that list about 29 configurations each (as Sia's and Gavel's tables do), or that follow curves; seeds
are open. ``read`` is the file, ``solve`` the call, ``write`` the result's bytes; the engine's part is what the result
says of it. Peers get the same values as arrays and pay for their models: HiGHS on the whole integer program with and
without presolve (stopped at 60 s), and the recipe by hand: its LP relaxation, then an integer program of the rows near
the LP's duals. CPU seconds are those of the process and of the processes that HiGHS runs in.

    benchmarks/whole.py --only listed,sia --jobs 2048 --seeds 3
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import highspy
import msgspec
import numpy as np
from common import parser_of, show
from prices import problem
from rich.table import Table
from scaling import cpu_seconds

from optsched import loads, solve, solve_table
from optsched.instance.result import Result
from optsched.problem.build import build_problem
from optsched.problem.problem import Problem

LIMIT = 60.0
"""Seconds for a peer."""


@dataclass(frozen=True)
class Case:
    """A row of the table: what is asked, how many seeds, the goal in seconds, and which peers run."""

    name: str
    jobs: int
    types: int = 3
    sites: int = 1
    gap: float = 1e-4
    decimals: int | None = None
    objective: str = "throughput"
    kind: str = "listed"
    seeds: int = 3
    goal: float | None = None
    peers: tuple[str, ...] = ()


CASES = (
    Case("listed", 2_048, gap=5e-5, goal=0.15, peers=("milp", "recipe")),
    Case("rounded", 2_048, gap=1e-6, decimals=2, goal=2.0, peers=("milp", "plain")),
    Case("listed", 8_192, gap=1e-5, goal=0.4, peers=("milp", "recipe")),
    Case("sia", 8_192, gap=1e-5, objective="sia", goal=0.5),
    Case("round", 8_192, gap=1e-4, kind="round", goal=0.1),
    Case("pools", 20_000, 10, 3, goal=1.5),
    Case("listed", 100_000, seeds=1, goal=5.0),
    Case("curves", 100_000, 2, kind="curves", seeds=1, goal=5.0),
    Case("draws", 2_000, 10, 3, seeds=20, goal=0.5),
    Case("arrays", 100_000, 10, 3, kind="arrays", goal=1.0),
    Case("arrays", 1_000_000, 10, 3, kind="arrays", seeds=1, goal=60.0),
)


@dataclass
class Spent:
    """What one run took: CPU seconds by part, seconds on the clock, the gap, and the objective."""

    parts: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0
    engine: float = 0.0
    gap: float = np.inf
    value: float = 0.0

    @property
    def whole(self) -> float:
        return sum(self.parts.values())

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of a block."""
        wall, cpu = time.perf_counter(), cpu_seconds()
        yield
        self.parts[name] = self.parts.get(name, 0.0) + cpu_seconds() - cpu
        self.wall += time.perf_counter() - wall


def listed(case: Case, seed: int) -> bytes:
    """Return an instance file of jobs that list their configurations."""
    arrays = problem(case.jobs, case.types, case.sites, seed)
    table = arrays.configurations
    rate = table.columns.throughput if case.decimals is None else np.round(arrays.value, case.decimals)
    rate = np.maximum(rate, 10.0 ** -(case.decimals or 9))
    pools = table.pools
    many = case.sites > 1
    ways = [
        {"gpu_type": pools[p].gpu_type, "gpus": g, "throughput": r} | ({"site": pools[p].site} if many else {})
        for p, g, r in zip(table.columns.pool.tolist(), table.columns.gpus.tolist(), rate.tolist(), strict=True)
    ]
    weight = np.ones(case.jobs) if case.decimals is not None else arrays.weight
    jobs = [
        {"id": f"j{j}", "weight": w, "configurations": ways[a:b]}
        for j, (w, a, b) in enumerate(zip(weight.tolist(), table.first[:-1], table.first[1:], strict=True))
    ]
    return _file(case, jobs, [(p.gpu_type, p.site, p.capacity) for p in pools], {})


def curves(case: Case, seed: int) -> bytes:
    """Return an instance file of jobs of 40 models, whose curves are shared."""
    random = np.random.default_rng(seed)
    types, models = [f"t{k}" for k in range(case.types)], 40
    known = {
        f"m{m}-{t}": {"family": "amdahl", "single": float(s) * (k + 1), "serial": float(random.uniform(0.02, 0.3))}
        for m, s in enumerate(np.exp(random.normal(2, 0.4, models)))
        for k, t in enumerate(types)
    }
    jobs = [
        {"id": f"j{j}", "curves": {t: f"m{m}-{t}" for t in types}, "max_gpus": int(g), "weight": float(w)}
        for j, (m, g, w) in enumerate(
            zip(
                random.integers(models, size=case.jobs),
                random.choice([8, 12, 16], case.jobs),
                np.exp(random.normal(0, 0.5, case.jobs)),
                strict=True,
            )
        )
    ]
    return _file(case, jobs, [(t, "main", max(8, case.jobs // 4 // 8 * 8)) for t in types], known)


def _file(case: Case, jobs: list[Any], pools: list[tuple[str, str, int]], known: dict[str, Any]) -> bytes:
    cluster = {
        "gpu_types": [{"id": t} for t in dict.fromkeys(t for t, _, _ in pools)],
        "servers": [{"id": f"{t}-{s}", "gpu_type": t, "site": s, "gpus": 8, "count": c // 8} for t, s, c in pools],
        "sites": [{"id": s} for s in dict.fromkeys(s for _, s, _ in pools)],
    }
    objective = {"name": case.objective}
    return msgspec.json.encode(
        {"format": "optsched/1", "cluster": cluster, "jobs": jobs, "curves": known, "objective": objective}
    )


def ours(case: Case, content: bytes) -> Spent:
    """Read an instance, solve it, and write the result."""
    spent = Spent()
    with spent.part("read"):
        instance = loads(content)
    with spent.part("solve"):
        result = solve(instance, gap=case.gap, formulation="prices", time_limit=LIMIT)
    with spent.part("write"):
        msgspec.json.encode(result)
    return _seen(spent, result)


def _seen(spent: Spent, result: Result) -> Spent:
    spent.engine, spent.value = result.solve_s, result.value or 0.0
    spent.gap = np.inf if result.gap is None else result.gap
    return spent


def next_round(case: Case, content: bytes) -> Spent:
    """Solve an instance, and then, measured, the same with other weights for a twentieth of its jobs."""
    instance = loads(content)
    before = solve(instance, gap=case.gap, formulation="prices")
    random = np.random.default_rng(1)
    factor = np.where(random.random(len(instance.jobs)) < 0.05, np.exp(random.normal(0, 0.5, len(instance.jobs))), 1.0)
    jobs = tuple(
        one if f == 1.0 else msgspec.structs.replace(one, weight=one.weight * f)
        for one, f in zip(instance.jobs, factor.tolist(), strict=True)
    )
    spent = Spent()
    with spent.part("solve"):
        after = msgspec.structs.replace(instance, jobs=jobs)
        result = solve(after, gap=case.gap, formulation="prices", prices=before.prices)
    return _seen(spent, result)


def arrays(case: Case, seed: int) -> Spent:
    """Solve a table of arrays."""
    now = problem(case.jobs, case.types, case.sites, seed)
    table = now.configurations
    given = {
        "value": now.value,
        "pool": table.columns.pool,
        "gpus": table.columns.gpus,
        "capacity": table.capacity,
        "job": table.job,
    }
    del now, table
    gc.collect()
    spent = Spent()
    with spent.part("solve"):
        found = solve_table(**given, gap=case.gap)
    spent.engine, spent.gap, spent.value = found.seconds, found.gap, found.value or 0.0
    return spent


def posed(now: Problem, rows: np.ndarray, whole: bool, presolve: bool = True) -> highspy.Highs:
    """Return HiGHS with the program of some rows of a problem, as by hand."""
    table = now.configurations
    row, of, amount = table.used
    place = np.full(len(table), -1)
    place[rows] = np.arange(len(rows))
    inside = place[row] >= 0
    columns, pools = place[row[inside]], of[inside]
    order = np.argsort(columns, kind="stable")
    jobs, found = table.job[rows], np.unique(table.job[rows], return_inverse=True)
    index = np.empty(2 * len(rows), dtype=np.int32)
    index[0::2], index[1::2] = len(table.capacity) + found[1], pools[order]
    value = np.ones(2 * len(rows))
    value[1::2] = amount[inside][order]
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(rows), len(table.capacity) + len(found[0])
    model.col_cost_ = -now.value[rows]
    model.col_lower_, model.col_upper_ = np.zeros(len(rows)), np.ones(len(rows))
    model.row_lower_ = np.full(model.num_row_, -highspy.kHighsInf)
    model.row_upper_ = np.concatenate([table.capacity, np.ones(len(found[0]))])
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = np.arange(0, 2 * len(rows) + 1, 2, dtype=np.int32)
    model.a_matrix_.index_, model.a_matrix_.value_ = index, value
    if whole:
        model.integrality_ = [highspy.HighsVarType.kInteger] * len(rows)
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("time_limit", LIMIT)
    solver.setOptionValue("presolve", "on" if presolve else "off")
    solver.passModel(model)
    assert len(jobs) == len(rows)
    return solver


def milp(case: Case, now: Problem, presolve: bool = True) -> Spent:
    """Solve the whole integer program by HiGHS."""
    spent = Spent()
    with spent.part("solve"):
        solver = posed(now, np.arange(len(now.configurations)), True, presolve)
        solver.setOptionValue("mip_rel_gap", case.gap)
        solver.run()
    info = solver.getInfo()
    spent.value, spent.gap = -info.objective_function_value, info.mip_gap
    return spent


def recipe(case: Case, now: Problem) -> Spent:
    """Solve the LP relaxation, then the integer program of the rows of the least reduced costs."""
    spent, table = Spent(), now.configurations
    with spent.part("solve"):
        solver = posed(now, np.arange(len(table)), False)
        solver.run()
        bound = -solver.getInfo().objective_function_value
        price = -np.array(solver.getSolution().row_dual)[: len(table.capacity)]
        reduced = now.value - table.costs(np.maximum(price, 0.0))
        best = np.maximum(np.maximum.reduceat(reduced, table.first[:-1]), 0.0)
        loss = best[table.job] - reduced
        some = np.partition(loss, min(len(loss) - 1, table.jobs + 2_000))[min(len(loss) - 1, table.jobs + 2_000)]
        core = posed(now, np.flatnonzero(loss <= some), True)
        core.setOptionValue("mip_rel_gap", case.gap / 2)
        core.run()
    spent.value = -core.getInfo().objective_function_value
    spent.gap = (bound - spent.value) / spent.value
    return spent


PEERS: dict[str, Callable[[Case, Problem], Spent]] = {
    "milp": milp,
    "plain": lambda case, now: milp(case, now, presolve=False),
    "recipe": recipe,
}
"""HiGHS, HiGHS without presolve, and the recipe by hand."""


def measured(case: Case, peers: bool) -> dict[str, Any]:
    """Return the medians over seeds, in this process."""
    runs, others = [], {name: [] for name in case.peers if peers}  # type: tuple[list[Spent], dict[str, list[Spent]]]
    for seed in range(case.seeds):
        if case.kind == "arrays":
            runs.append(arrays(case, seed))
            continue
        content = (curves if case.kind in ("curves", "round") else listed)(case, seed)
        if seed == 0:
            warmed = replace(case, jobs=50)
            ours(warmed, (curves if case.kind in ("curves", "round") else listed)(warmed, 0))  # imports
        runs.append((next_round if case.kind == "round" else ours)(case, content))
        if others:
            now = build_problem(loads(content))
            for name, found in others.items():
                found.append(PEERS[name](case, now))
    told: dict[str, Any] = {
        "engine": statistics.median(run.engine for run in runs),
        "whole": statistics.median(run.whole for run in runs),
        "worst": max(run.whole for run in runs),
        "wall": statistics.median(run.wall for run in runs),
        "gap": max(run.gap for run in runs),
        "parts": {name: statistics.median(run.parts[name] for run in runs) for name in runs[0].parts},
        "peers": {
            name: (statistics.median(run.whole for run in found), max(run.gap for run in found))
            for name, found in others.items()
        },
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    return told


def _child(case: Case, peers: bool, pipe: Any) -> None:
    pipe.send(measured(case, peers))


def apart(case: Case, peers: bool) -> dict[str, Any]:
    """Return what a case took in a process of its own, whose peak memory is then the case's."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_child, args=(case, peers, there))
    process.start()
    there.close()
    try:
        return dict(here.recv())
    except EOFError:
        sys.exit(f"{case.name} of {case.jobs} jobs ended without a result")
    finally:
        process.join()


def main() -> None:
    """Run the table and print it."""
    parser = parser_of(__doc__)
    parser.add_argument("--only", default="", help="names of cases, comma-separated; default: all")
    parser.add_argument("--jobs", type=int, default=None, help="another number of jobs for each case")
    parser.add_argument("--most", type=int, default=10**7, help="leave out cases of more jobs")
    parser.add_argument("--seeds", type=int, default=None, help="draws of each case")
    parser.add_argument("--no-peers", action="store_true", help="leave out the peers")
    parser.add_argument("--exponent", action="store_true", help="each case at four sizes, and the log-log exponent")
    given = parser.parse_args()
    cases = [c for c in CASES if not given.only or c.name in given.only.split(",")]
    if given.quick:
        cases = [replace(c, jobs=60, seeds=1) for c in CASES[:5]]
    cases = [replace(c, jobs=given.jobs or c.jobs, seeds=given.seeds or c.seeds) for c in cases if c.jobs <= given.most]
    table = Table(
        "case",
        "jobs",
        "gap asked",
        "engine: s",
        "whole: CPU s",
        "worst",
        "parts",
        "goal",
        "whole / engine",
        "gap",
        "peers: CPU s, gap",
        "peak: GiB",
    )
    for case in cases:
        sizes = [case.jobs * k // 8 for k in (1, 2, 4, 8)] if given.exponent else [case.jobs]
        points = []
        for jobs in sizes:
            one = replace(case, jobs=jobs)
            told = (measured if given.quick else apart)(one, not given.no_peers)
            points.append((jobs, told["whole"], told["engine"]))
            print(json.dumps({"case": case.name, "jobs": jobs, **told}), file=sys.stderr, flush=True)
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in told["parts"].items())
        peers = "; ".join(f"{name} {seconds:.2f}, {gap:.0e}" for name, (seconds, gap) in told["peers"].items())
        table.add_row(
            case.name,
            f"{case.jobs:,}",
            f"{case.gap:g}",
            f"{told['engine']:.3f}",
            f"{told['whole']:.3f}",
            f"{told['worst']:.3f}",
            parts,
            f"{case.goal}",
            f"{told['whole'] / max(told['engine'], 1e-9):.1f}",
            f"{told['gap']:.0e}",
            peers,
            f"{told['peak']:.2f}",
        )
        if len(points) > 1:
            log = np.log(np.array(points))
            slopes = [float(np.polyfit(log[:, 0], log[:, k], 1)[0]) for k in (1, 2)]
            print(f"{case.name}: exponent of the whole {slopes[0]:.2f}, of the engine {slopes[1]:.2f}")
    show("medians over seeds, gaps and 'worst' the largest; every plan went through the checker", table)


if __name__ == "__main__":
    main()
