"""The next round from the last one's prices, beside the same round from none.

First the price engine alone, on problems made of arrays (``prices.py``): of the jobs of the last round, a part has
other weights, or has left and others have come. Then all of ``optsched.solve``, on an instance whose jobs hold what
the last round gave them: its time is also that of the fingerprint, the table, first plans and the checker. Both sides
solve the same problem to the same gap, in turns in one process; plans are checked entry by entry, gaps are proven.
``CPU`` is the time of the process, which a busy machine stretches less.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
from common import parser_of, show
from prices import checked, next_round, problem
from rich.table import Table

from optsched import solve
from optsched.instance import Holding, Instance, loads
from optsched.instance.result import Result
from optsched.problem.build import build_problem
from optsched.problem.problem import Problem
from optsched.search.heuristics.pop import subproblem
from optsched.search.prices import price

PART = 0.05
"""Of the jobs, what changes."""


class Spent(NamedTuple):
    """Seconds on the clock and of the process, the gap that was proven, and passes over the table."""

    wall: float
    cpu: float
    gap: float
    passes: int


@dataclass(frozen=True)
class Case:
    """A size to measure."""

    jobs: int
    gap: float
    runs: int
    types: int = 3
    sites: int = 1


CASES = (Case(2_048, 1e-5, 9), Case(8_192, 1e-5, 9), Case(100_000, 1e-4, 3, 10, 3))
QUICK = (Case(500, 1e-4, 1),)


def spent(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what a call returns, its seconds on the clock, and those of the process."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = run()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def replaced(case: Case, seed: int) -> tuple[Problem, Problem]:
    """Return two rounds of as many jobs, the first of which have left in the second, and others have come."""
    more = int(case.jobs * PART)
    everyone = problem(case.jobs + more, case.types, case.sites, seed)
    capacity = everyone.configurations.capacity
    last, _ = subproblem(everyone, np.arange(case.jobs), capacity, None)
    then, _ = subproblem(everyone, np.arange(more, case.jobs + more), capacity, None)
    return last, then


def reweighted(case: Case, seed: int) -> tuple[Problem, Problem]:
    """Return two rounds of the same jobs, some of which weigh something else in the second."""
    last = problem(case.jobs, case.types, case.sites, seed)
    return last, next_round(last, PART)


def engine(last: Problem, then: Problem, case: Case) -> tuple[list[Spent], list[Spent]]:
    """Return runs of the price engine from nothing and from the last round's prices, in turns."""
    known = price(last, deadline=None, gap=case.gap).prices
    cold: list[Spent] = []
    warm: list[Spent] = []
    for _ in range(case.runs):
        for side, start in ((cold, None), (warm, known)):
            found, wall, cpu = spent(lambda start=start: price(then, deadline=None, gap=case.gap, start=start))
            checked(then, found.rows, found.value or 0.0)
            side.append(Spent(wall, cpu, found.gap, found.passes))
    return cold, warm


def median(runs: list[Spent]) -> Spent:
    """Return the medians, one by one."""
    return Spent(*(statistics.median(column) for column in zip(*runs, strict=True)))


def rounds(jobs: int) -> tuple[Instance, Callable[[Instance, Result], Instance]]:
    """Return an instance of jobs of 40 models on three GPU types, and what makes the next round of it.

    In that, jobs hold what they got, with their nodes, a change costs half a minute of the round, and a part of the
    jobs weigh something else.
    """
    random = np.random.default_rng(0)
    types, models = ("t0", "t1", "t2"), 40
    curves = {
        f"m{m}-{t}": {
            "family": "amdahl",
            "single": float(np.exp(random.normal(2, 0.4))) * (k + 1),
            "serial": float(random.uniform(0.02, 0.3)),
        }
        for m in range(models)
        for k, t in enumerate(types)
    }
    listed = [
        {
            "id": f"j{j}",
            "curves": {t: f"m{m}-{t}" for t in types},
            "max_gpus": int(random.choice([8, 12, 16])),
            "weight": float(np.exp(random.normal(0, 0.5))),
        }
        for j, m in enumerate(random.integers(models, size=jobs).tolist())
    ]
    servers = [{"id": f"s{t}", "gpu_type": t, "gpus": 8, "count": max(1, jobs // 32)} for t in types]
    first = {
        "format": "optsched/1",
        "cluster": {"gpu_types": [{"id": t} for t in types], "servers": servers},
        "curves": curves,
        "jobs": listed,
    }

    def after(now: Instance, got: Result) -> Instance:
        holds = {
            a.job: Holding(site=a.site, gpu_type=a.gpu_type, gpus=a.gpus, nodes=a.nodes, servers=a.servers)
            for a in got.allocations
        }
        factor = np.where(random.random(jobs) < PART, np.exp(random.normal(0, 0.5, jobs)), 1.0)
        changed = tuple(
            msgspec.structs.replace(one, holds=holds.get(one.id), weight=one.weight * f, restart_s=30.0)
            for one, f in zip(now.jobs, factor.tolist(), strict=True)
        )
        return msgspec.structs.replace(now, jobs=changed, now_s=now.now_s + now.round_s)

    return loads(json.dumps(first)), after


def whole(jobs: int, gap: float, runs: int) -> Table:
    """Return where the time of ``optsched.solve`` goes, from nothing and from the last round's prices."""
    first, after = rounds(jobs)
    got = solve(first, formulation="prices", gap=gap)
    then = after(first, got)
    columns: dict[str, dict[str, list[float]]] = {"cold": {}, "warm": {}}
    for _ in range(runs):
        for side, known in (("cold", None), ("warm", got.prices)):
            found, wall, cpu = spent(lambda known=known: solve(then, formulation="prices", gap=gap, prices=known))
            if found.gap is None or found.gap > gap:
                sys.exit("a round was not proven")
            _, table, table_cpu = spent(lambda: build_problem(then))
            told = {
                "solve, in all: s": wall,
                "solve, CPU: s": cpu,
                "of it the price engine: s": found.solve_s,
                "table alone: s": table,
                "table alone, CPU: s": table_cpu,
                "gap": found.gap,
            }
            for name, amount in told.items():
                columns[side].setdefault(name, []).append(amount)
    shown = Table(f"{jobs:,} jobs that hold something: optsched.solve", "cold", "warm")
    for name in columns["cold"]:
        shown.add_row(name, *(f"{statistics.median(columns[side][name]):.3g}" for side in ("cold", "warm")))
    return shown


def main() -> None:
    """Run the comparison and print it."""
    quick = parser_of(__doc__).parse_args().quick
    table = Table(
        "next round", "gap asked", *(f"{side}: s, CPU s, gap, passes" for side in ("cold", "warm")), "CPU ratio"
    )
    for case in QUICK if quick else CASES:
        for name, make in (("other weights", reweighted), ("others came", replaced)):
            sides = engine(*make(case, 0), case)
            cells = ["{:.3f}, {:.3f}, {:.1e}, {:.0f}".format(*median(side)) for side in sides]
            ratio = median(sides[0]).cpu / max(1e-9, median(sides[1]).cpu)
            table.add_row(f"{case.jobs:,} jobs, {PART:.0%} {name}", f"{case.gap:g}", *cells, f"{ratio:.1f}")
            print(f"{case.jobs:,} {name}: {cells}", file=sys.stderr, flush=True)
    show("medians, plans checked", table, whole(200 if quick else 8_192, 1e-4, 1 if quick else 3))


if __name__ == "__main__":
    main()
