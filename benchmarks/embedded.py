"""A round of ``optsched.Scheduler``, split into pose, solve and read, beside HiGHS called directly on the same round.

Jobs run and wait on three GPU types; each round some have ended and as many have come, and all have trained on. HiGHS
gets the configuration form of the very question of the round, from its table of configurations, in the same process:
its time is that of handing the arrays over and of its run, without any of what else a round takes.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import parser_of, show
from rich.table import Table

import optsched
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.scheduler import Plan, Scheduler
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.subprocess.client import inline

PART = 0.05
"""Of the jobs, what changes in a round."""
TYPES = {"t4": 1.0, "rtx": 2.2, "a100": 5.0}


@dataclass(frozen=True)
class Case:
    """A size to measure: jobs at a time, rounds, applications, and every how many rounds HiGHS is asked, too."""

    jobs: int
    rounds: int
    applications: int = 20
    every: int = 20


CASES = (Case(100, 100), Case(1000, 100))
QUICK = (Case(60, 3, 5, 2),)


class Workload:
    """Jobs that come, train and go."""

    def __init__(self, case: Case, seed: int) -> None:
        self.random, self.case, self.number = np.random.default_rng(seed), case, 0
        gpus = max(1, case.jobs // 3 // 8)
        self.cluster = {
            "gpu_types": [{"id": name} for name in TYPES],
            "servers": [{"id": name, "count": gpus, "gpu_type": name, "gpus": 8} for name in TYPES],
        }
        self.curves = {
            f"app{a}/{name}": {"family": "amdahl", "single": speed * self.random.uniform(5, 50), "serial": serial}
            for a in range(case.applications)
            for serial in [self.random.uniform(0.01, 0.2)]
            for name, speed in TYPES.items()
        }
        self.jobs = [self.one(0.0) for _ in range(case.jobs)]

    def one(self, now: float) -> dict[str, Any]:
        """Return a new job."""
        self.number += 1
        application = int(self.random.integers(self.case.applications))
        return {
            "id": f"job{self.number}",
            "application": f"app{application}",
            "curves": {name: f"app{application}/{name}" for name in TYPES},
            "max_gpus": int(self.random.choice([4, 8, 16])),
            "remaining_examples": float(self.random.lognormal(13, 1)),
            "restart_s": 30.0,
            "arrival_s": now,
        }

    def turn(self, now: float, plan: Plan) -> None:
        """Let all jobs train for a round, and replace some."""
        rate = {a.job: a.throughput for a in plan.allocations}
        for job in self.jobs:
            job["remaining_examples"] = max(1.0, job["remaining_examples"] - 60 * rate.get(job["id"], 0.0))
        for place in self.random.choice(len(self.jobs), max(1, int(PART * len(self.jobs))), replace=False):
            self.jobs[place] = self.one(now)


def measured(case: Case, seed: int = 0) -> dict[str, Any]:
    """Return medians over the rounds of a case."""
    work = Workload(case, seed)
    scheduler = Scheduler(work.cluster, curves=work.curves)
    times: list[tuple[float, ...]] = []
    direct: list[float] = []
    moves, gaps = [], []
    for number in range(case.rounds + 1):
        began, used = time.perf_counter(), time.process_time()
        plan = scheduler.step(now=60.0 * number, jobs=work.jobs)
        whole, used = time.perf_counter() - began, time.process_time() - used
        assert plan.instance is not None
        if number > 0:  # in the first one all are new, and modules are loaded
            times.append((whole, used, plan.build_s, plan.solve_s, plan.read_s))
            moves.append(len(plan.changes))
            gaps.append(plan.gap or 0.0)
        if number % case.every == 1:
            assert optsched.check(plan.instance, plan.allocations, claimed=plan.value).ok
            direct.append(by_highs(plan))
        work.turn(60.0 * number, plan)
    whole, used, build, solve, read = (statistics.median(column) for column in zip(*times, strict=True))
    return {
        "jobs": case.jobs,
        "rounds": case.rounds,
        "round_s": whole,
        "cpu_s": used,
        "p95_s": sorted(t[0] for t in times)[int(0.95 * len(times))],
        "build_s": build,
        "solve_s": solve,
        "read_s": read,
        "actions": statistics.median(moves),
        "gap": max(gaps),
        "highs_s": statistics.median(direct),
    }


def by_highs(plan: Plan) -> float:
    """Return the seconds that HiGHS takes for the configuration form of a round, to the gap of 1e-4."""
    assert plan.instance is not None
    built = formulation("configuration").forms["linear"](build_problem(plan.instance), DEFAULT)
    began = time.perf_counter()
    with inline(10**9):
        highs.solve(built.model, RunContext(Limits(time.monotonic() + 60, 1e-4)))
    return time.perf_counter() - began


def main() -> int:
    options = parser_of(__doc__).parse_args()
    found = [measured(case) for case in (QUICK if options.quick else CASES)]
    table = Table(
        "jobs", "round, ms", "CPU", "95 %", "build", "solve", "read", "actions", "worst gap", "HiGHS alone, ms"
    )
    for row in found:
        cells = [f"{1e3 * row[name]:.1f}" for name in ("round_s", "cpu_s", "p95_s", "build_s", "solve_s", "read_s")]
        table.add_row(
            str(row["jobs"]), *cells, f"{row['actions']:.0f}", f"{row['gap']:.1e}", f"{1e3 * row['highs_s']:.1f}"
        )
    show(f"{100 * PART:.0f} % of the jobs replaced each round; medians; plans checked", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
