"""Encodings of piecewise-linear curves against each other, and against Pyomo's own Piecewise, on one formulation.

Every side poses the formulation *allocation* of the same instance, and is timed from the table of
configurations to a plan with a proven gap: building, handing over and solving. No first plan is
given. Plans go through the checker, and the gap counts from the plan's true value to the model's
bound. "optimal" is a gap of 1e-5, with breakpoints that are exact at every count; at 1 % half of the
gap is the linearization's. A side that does not get there within the limit counts as twice the limit,
and is not tried on further seeds where that is so on the first. Runs below 0.5 s are medians of three.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from common import CURVES, INSTANCES, parser_of
from rich.console import Console
from rich.table import Table

from formulations.allocation import ENCODED
from optsched import Instance, check, load
from optsched.instance import Cluster, GpuType, Job, ObjectiveSpec, ParameterServers, ServerGroup, validate
from optsched.instance.generators.workload import generate
from optsched.prediction.curves import Table as Points
from optsched.prediction.curves import TableRow
from optsched.problem.build import build_problem
from optsched.problem.formulation import ModelOptions, formulation
from optsched.problem.problem import allocate
from optsched.solvers import Limits, RunContext, cpsat, highs, pyomo

RUN = {"linear": highs.solve, "pyomo": pyomo.solve, "cpsat": cpsat.solve}
GAPS = {"1 %": 1e-2, "optimal": 1e-5}
SIDES = {
    **{f"HiGHS: {name}": ("linear", name) for name in ENCODED},
    "Pyomo: auto": ("pyomo", "auto"),
    "Pyomo: Piecewise": ("pyomo", "pyomo"),
    "CP-SAT: tables": ("cpsat", "auto"),
}
"""Each side: the form of model, and the encoding."""


@dataclass(frozen=True)
class Case:
    """An instance to measure, by its seed, and how many seeds."""

    name: str
    make: Callable[[int], Instance]
    seeds: int


def generated(jobs: int, each: float) -> Case:
    """Return a cluster with so many GPUs for each job, of three types."""
    gpus = {"t4": int(jobs * each * 0.5), "v100": int(jobs * each * 0.3), "a100": max(1, int(jobs * each * 0.2))}
    return Case(f"{jobs} jobs, {sum(gpus.values())} GPUs", lambda seed: generate(CURVES, gpus, jobs, seed), 3)


def served(jobs: int, most: int, servers: int) -> Case:
    """Return jobs with parameter servers: up to ``most`` workers and ``servers`` servers, cores for a half of them.

    The speed grows with the workers until the servers' network is full, and falls by a tenth where workers
    stand on a second node of eight.
    """

    def make(seed: int) -> Instance:
        random = np.random.default_rng(seed)
        curves, records = {}, []
        for number in range(jobs):
            single, crowd = np.exp(random.normal(0, 0.5)), random.uniform(0.05, 0.5)
            rows = tuple(
                TableRow(gpus=g, servers=p, throughput=float(single * g / (1 + crowd * g / p) * (0.9 if g > 8 else 1)))
                for g in range(1, most + 1)
                for p in range(1, servers + 1)
            )
            curves[f"c{number}"] = Points(rows=rows)
            wanted = ParameterServers(minimum=1, maximum=servers, cpu_cores=4.0)
            job = Job(
                id=f"j{number}",
                curves={"v": f"c{number}"},
                max_gpus=most,
                scaling="parameter_servers",
                parameter_servers=wanted,
                cpu_cores_per_gpu=1.0,
                weight=float(random.choice([0.5, 1.0, 2.0])),
            )
            records.append(job)
        nodes = max(2, jobs * most // 24)
        group = ServerGroup(id="s", gpu_type="v", gpus=8, count=nodes, cpu_cores=8 + 2.0 * servers)
        return validate(
            Instance(
                format="optsched/1",
                cluster=Cluster(gpu_types=(GpuType(id="v"),), servers=(group,)),
                curves=curves,
                jobs=tuple(records),
                objective=ObjectiveSpec(name="progress"),
            )
        )

    return Case(f"{jobs} jobs, {most} x {servers} workers x servers", make, 3)


def stored(name: str) -> Case:
    """Return an instance of the library."""
    return Case(name, lambda _: load(INSTANCES / f"{name}.json"), 1)


CASES = (
    *(stored(name) for name in ("quickstart", "measured-40", "measured-120", "measured-300")),
    *(generated(jobs, each) for jobs in (5, 10, 20, 40, 80, 160) for each in (1.5, 6)),
    *(served(*size) for size in ((4, 8, 4), (8, 8, 4), (16, 8, 4), (32, 8, 4), (8, 16, 8), (16, 16, 8))),
)
QUICK = (generated(5, 2), served(2, 4, 2))


def measure(instance: Instance, form: str, encoding: str, gap: float, limit: float) -> float:
    """Return the seconds to a checked plan within the gap; twice the limit where there is none in time."""
    problem = build_problem(instance, error=gap / 2 if gap > 1e-4 else 0.0)
    began = time.monotonic()
    built = formulation("allocation").forms[form](problem, ModelOptions(encoding=encoding))
    outcome = RUN[form](built.model, RunContext(Limits(began + limit, gap / 2)))
    seconds = time.monotonic() - began
    if outcome.values is None or outcome.bound is None:
        return 2 * limit
    plan = built.read(outcome.values)
    report = check(instance, allocate(problem, plan), claimed=problem.total(plan))
    if not report.ok:
        sys.exit(f"{form}, {encoding}: {report.violations[:1]}")
    bound = outcome.bound * built.scale
    if bound < report.value * (1 - 1e-6):
        sys.exit(f"{form}, {encoding}: the bound {bound} is below the plan's {report.value}")
    return seconds if bound <= report.value * (1 + gap + 2e-6) else 2 * limit


def median(instances: list[Instance], form: str, encoding: str, gap: float, limit: float) -> float:
    """Return the median of the seconds over instances, each the median of three runs where they are short."""
    found: list[float] = []
    for instance in instances:
        runs = [measure(instance, form, encoding, gap, limit)]
        if runs[0] < 0.5:
            runs += [measure(instance, form, encoding, gap, limit) for _ in range(2)]
        found.append(statistics.median(runs))
        if found[0] >= 2 * limit:
            break  # hopeless on the first seed
    return statistics.median(found)


def main() -> None:
    """Run the comparison and print it."""
    parser = parser_of(__doc__, quick="two small cases, once")
    parser.add_argument("--limit", type=float, default=8.0, help="seconds a run")
    parser.add_argument("--only", default="", help="cases whose name matches this regular expression")
    parser.add_argument("--to", choices=GAPS, help="this gap only")
    arguments = parser.parse_args()
    cases = [case for case in (QUICK if arguments.quick else CASES) if re.search(arguments.only, case.name)]
    for form, encoding in SIDES.values():  # imports, and starts what is kept warm
        measure(QUICK[0].make(0), form, encoding, 1e-2, 60.0)
    for label, gap in GAPS.items():
        if arguments.to not in (None, label):
            continue
        print(f"to {label}: s, medians over seeds", flush=True)
        totals: dict[str, list[float]] = {side: [] for side in SIDES}
        table = Table(
            "instance", *(side.replace(": ", ":\n") for side in SIDES), "default\n/ best", "Piecewise\n/ default"
        )
        for case in cases:
            instances = [case.make(seed) for seed in range(1 if arguments.quick else case.seeds)]
            seconds = {side: median(instances, *how, gap, arguments.limit) for side, how in SIDES.items()}
            if all(job.parameter_servers is None for job in instances[0].jobs):
                seconds["HiGHS: segments"] = seconds["HiGHS: auto"]  # one and the same model
            for side, taken in seconds.items():
                totals[side].append(taken)
            default = seconds["HiGHS: auto"]
            cells = [f">{arguments.limit:g}" if s >= 2 * arguments.limit else f"{s:.3f}" for s in seconds.values()]
            ratios = default / min(seconds.values()), seconds["Pyomo: Piecewise"] / default
            table.add_row(case.name, *cells, *(f"{ratio:.2f}" for ratio in ratios))
            print(case.name, *cells, *(f"{ratio:.2f}" for ratio in ratios), sep=" | ", file=sys.stderr, flush=True)
        table.add_row("sum", *(f"{sum(s):.2f}" for s in totals.values()), "", "")
        Console(width=190).print(table)
        ours, best = totals["HiGHS: auto"], [min(s) for s in zip(*totals.values(), strict=True)]
        worst = [o / b for o, b in zip(ours, best, strict=True)]
        against = [p / o for p, o in zip(totals["Pyomo: Piecewise"], ours, strict=True)]
        print(
            f"default / best: median {statistics.median(worst):.2f}, within 1.5 on "
            f"{sum(ratio <= 1.5 for ratio in worst)} of {len(worst)}, largest {max(worst):.2f}; "
            f"Piecewise / default: median {statistics.median(against):.1f}, of the sums "
            f"{sum(totals['Pyomo: Piecewise']) / sum(ours):.1f}"
        )


if __name__ == "__main__":
    main()
