"""What deciding GPUs, places and network rates together gains over deciding one after the other.

Clusters of 16 servers with 4 GPUs each in 4 racks, and jobs that train by all-reduce on measured curves; NICs and
uplinks of several rates. Jobs are *small* (as generated: any may run on one GPU, which is where most progress is), or
every other one is *wide*: it needs 6, 8 or 12 GPUs, and weighs as much more. All sides plan the same instance, and
every plan counts what the checker says it is worth.

- *in sequence*: the GPUs of each job as the optimum of the same cluster without racks (each network at its NIC's
  rate, proven to 0.01 %), then places, then rates by a linear program. Of two packings the better one
  counts: the optimum of the formulation *placement* over the fewest servers for each count, which knows no racks, and
  the heuristic that puts each job into the smallest part of the network that has room. Jobs without room
  are asked anew, with all their counts, while the others keep theirs; that counts if it is better.
- *GPUs first*: the same GPUs, then places and rates by the formulation *network*: the best that any packing can do.
- *together*: the formulation *network* over everything, and the gap that it proves.

Then what is proven in a minute, and of sizes up to a thousand jobs. ``joint_least.py`` asks the same of a least value.

The curves' tables do not say on which network they were measured: this script takes 25 Gb/s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from common import CURVES, parser_of, show
from rich.table import Table

from optsched import Instance, check, solve
from optsched._util.files import write_bytes
from optsched.instance import Configuration, Job, Reference, validate
from optsched.instance.generators.network import on_network
from optsched.instance.generators.workload import generate
from optsched.instance.result import Result
from optsched.instance.solution import Allocation
from optsched.prediction.curves import AllReduce, Curve
from optsched.problem.build import build_problem
from optsched.problem.placement.rate_allocation import best_rates
from optsched.problem.placement.servers import ServerInventory
from optsched.problem.problem import Places, Problem, allocate
from optsched.search.placement.sequential import sequential_plan
from optsched.solvers import Limits, RunContext

MEASURED_GBPS = 25.0
GPUS = {"t4": 32, "v100": 32}
NICS = (10.0, 25.0)
OVERSUBSCRIPTIONS = (1, 2, 4, 8, 16)


WIDTHS = (6, 8, 12)


def widened(instance: Instance, seed: int) -> Instance:
    """Return the instance with every other job wide."""
    random = np.random.default_rng(seed)
    jobs = [
        msgspec.structs.replace(
            job,
            min_gpus=(least := int(random.choice(WIDTHS))),
            max_gpus=max(least, job.max_gpus),
            weight=job.weight * least,
        )
        if number % 2 == 0 and job.global_batches and job.global_batches[0] >= max(WIDTHS)
        else job
        for number, job in enumerate(instance.jobs)
    ]
    return validate(msgspec.structs.replace(instance, jobs=tuple(jobs)))


def made(
    gpus: dict[str, int], jobs: int, seed: int, racks: int, gbps: float, oversubscription: float, *, wide: bool = False
) -> Instance:
    """Return servers of 4 GPUs in racks, and jobs whose progress 1.0 is named, so that parts of it mean the same."""
    generated = generate(CURVES, gpus, jobs, seed)
    instance = on_network(
        widened(generated, seed) if wide else generated,
        racks,
        gbps=gbps,
        oversubscription=oversubscription,
        server_gpus=4,
        measured_gbps=MEASURED_GBPS,
    )
    unit = build_problem(instance).configurations.reference.tolist()
    named = (
        msgspec.structs.replace(job, reference=Reference(goodput=g)) for job, g in zip(instance.jobs, unit, strict=True)
    )
    return validate(msgspec.structs.replace(instance, jobs=tuple(named)))


def at_nic(curve: Curve, gbps: float) -> Curve:
    """Return a curve as it is on a network of another rate, for plans that decide on none."""
    if not isinstance(curve, AllReduce):
        return curve
    faster = float(curve.relative_rate(np.array([gbps]))[0])
    changed: Curve = msgspec.structs.replace(curve, sync_s=curve.sync_s / faster, reference_gbps=gbps)
    return changed


def without_rates(instance: Instance, gbps: float) -> Instance:
    """Return the instance as counts of GPUs, each network at its NIC's rate."""
    curves = {name: at_nic(curve, gbps) for name, curve in instance.curves.items()}
    return validate(msgspec.structs.replace(instance, decides="counts", curves=curves))


def on_fewest(counted: Problem, held: dict[str, Allocation], free: frozenset[str] = frozenset()) -> Instance:
    """Return the places to be decided of jobs that hold GPUs, and of free jobs, each count on the fewest servers."""
    table, columns = counted.configurations, counted.configurations.columns
    jobs = []
    for number, job in enumerate(counted.instance.jobs):
        if job.id not in held and job.id not in free:
            continue
        rows = range(table.first[number], table.first[number + 1])
        listed = [
            Configuration(
                site=table.pools[columns.pool[r]].site,
                gpu_type=table.pools[columns.pool[r]].gpu_type,
                gpus=int(columns.gpus[r]),
                nodes=int(columns.nodes[r]),
                throughput=float(columns.throughput[r]),
            )
            for r in rows
        ]
        mine = held.get(job.id)
        if mine is not None:
            listed = [c for c in listed if (c.site, c.gpu_type, c.gpus) == (mine.site, mine.gpu_type, mine.gpus)]
        jobs.append(Job(id=job.id, weight=job.weight, reference=job.reference, configurations=tuple(listed)))
    return validate(msgspec.structs.replace(counted.instance, decides="placement", jobs=tuple(jobs)))


def pinned(instance: Instance, held: dict[str, Allocation], free: frozenset[str] = frozenset()) -> Instance:
    """Return the instance of the jobs that hold GPUs, each with these GPUs only, and of the jobs that are free."""
    jobs = [
        msgspec.structs.replace(
            job,
            min_gpus=held[job.id].gpus,
            max_gpus=held[job.id].gpus,
            sites=(held[job.id].site,),
            curves={held[job.id].gpu_type: job.curves[held[job.id].gpu_type]},
        )
        if job.id in held
        else job
        for job in instance.jobs
        if job.id in held or job.id in free
    ]
    return validate(msgspec.structs.replace(instance, jobs=tuple(jobs)))


def rated(problem: Problem, plan: dict[str, Allocation]) -> tuple[Allocation, ...]:
    """Return the plan at its best rates; while not even the slowest fit, the job with the least progress goes."""
    table, columns, inventory = problem.configurations, problem.configurations.columns, ServerInventory.of(problem)
    while True:
        rows = np.full(table.jobs, -1, dtype=np.int64)
        places: list[Places | None] = [None] * table.jobs
        for number, job in enumerate(problem.instance.jobs):
            if (a := plan.get(job.id)) is None:
                continue
            for row in range(table.first[number], table.first[number + 1]):
                pool = table.pools[columns.pool[row]]
                if (pool.site, pool.gpu_type, columns.gpus[row], columns.nodes[row]) == (
                    a.site,
                    a.gpu_type,
                    a.gpus,
                    a.nodes,
                ):
                    rows[number], places[number] = row, Places(dict(a.placement or {}), {})
        found = best_rates(problem, inventory, rows, tuple(places), RunContext(Limits(time.monotonic() + 30)))
        if found is not None:
            return allocate(problem, found)
        worst = min((a for a in plan.values() if a.nodes > 1), key=lambda a: a.progress)
        plan = {name: a for name, a in plan.items() if name != worst.job}


def worth(instance: Instance, plan: tuple[Allocation, ...]) -> float:
    """Return what a plan is worth by the checker, which must find nothing."""
    report = check(instance, plan)
    if not report.ok:
        sys.exit(f"{instance.name}: {report.violations[:2]}")
    return report.value


def packings(instance: Instance, counted: Problem, first: dict[str, Allocation]) -> Iterator[tuple[Allocation, ...]]:
    """Yield plans of given GPUs in several places, at their best rates."""
    problem, everybody = build_problem(instance), frozenset(job.id for job in instance.jobs)
    stand, missed = first, frozenset[str]()
    for _ in range(2):
        placed = solve(on_fewest(counted, stand, missed), formulation="placement", gap=1e-4, time_limit=15)
        stand = {a.job: a for a in placed.allocations}
        yield rated(problem, stand)
        missed = everybody - set(stand)
    stand, missed = first, frozenset[str]()
    for _ in range(2):
        part = build_problem(pinned(instance, stand, missed))
        packed = sequential_plan(part, RunContext(Limits(time.monotonic() + 30)))
        if packed is None:
            return
        plan = allocate(part, packed)
        yield plan
        stand = {a.job: a for a in plan}
        missed = everybody - set(stand)


def in_sequence(instance: Instance, gbps: float) -> tuple[float, dict[str, Allocation]]:
    """Return what deciding one after the other is worth, and its best plan."""
    blind = without_rates(instance, gbps)
    first = {a.job: a for a in solve(blind, gap=1e-4, time_limit=30).allocations}
    plans = [(worth(instance, plan), plan) for plan in packings(instance, build_problem(blind), first)]
    value, best = max(plans, key=lambda one: one[0])
    return value, {a.job: a for a in best}


@dataclass(frozen=True)
class Row:
    """One instance: progress by each way, and what is proven of the plan that decides together."""

    wide: bool
    nic: float
    oversubscription: float
    seed: int
    sequence: float
    gpus_first: float
    together: float
    bound: float
    seconds: float
    load: float

    @property
    def gap(self) -> float:
        return self.bound / self.together - 1


def compared(
    wide: bool, nic: float, oversubscription: float, seed: int, limit: float, gpus: dict[str, int], jobs: int
) -> Row:
    """Return one row of the comparison."""
    instance = made(gpus, jobs, seed, 4, nic, oversubscription, wide=wide)
    sequence, held = in_sequence(instance, nic)
    second = solve(pinned(instance, held), formulation="network", gap=1e-2, time_limit=limit / 6)
    gpus_first = max(sequence, worth(instance, second.allocations))
    began = time.monotonic()
    result = solve(instance, formulation="network", gap=1e-2, time_limit=limit)
    seconds = time.monotonic() - began
    together, bound = worth(instance, result.allocations), float(result.bound or np.inf)
    if bound < max(gpus_first, together) * (1 - 1e-6):
        sys.exit(f"{instance.name}: the bound {bound} lies below a plan of {max(gpus_first, together)}")
    return Row(wide, nic, oversubscription, seed, sequence, gpus_first, together, bound, seconds, os.getloadavg()[0])


def value(arguments: argparse.Namespace) -> None:
    """Print what deciding together gains."""
    quick = arguments.quick
    gpus = {"t4": 16} if quick else GPUS
    grid = [(True, NICS[0], over) for over in OVERSUBSCRIPTIONS]
    grid += [(wide, nic, over) for wide, nic in ((True, NICS[1]), (False, NICS[0])) for over in OVERSUBSCRIPTIONS[::2]]
    rows = []
    if arguments.rows is not None and arguments.rows.exists():
        rows = [msgspec.json.decode(line, type=Row) for line in arguments.rows.read_text().splitlines()]
    known = {(r.wide, r.nic, r.oversubscription, r.seed) for r in rows}
    for wide, nic, over in [(True, NICS[0], 8)] if quick else grid:
        for seed in range(1 if quick else arguments.seeds):
            if (wide, nic, over, seed) in known:
                continue
            jobs = 6 if quick else (24, 27, 30)[seed % 3]
            rows.append(compared(wide, nic, over, seed, 3.0 if quick else arguments.limit, gpus, jobs))
            told = msgspec.json.encode(rows[-1]).decode()
            print(told, file=sys.stderr, flush=True)
            if arguments.rows is not None:
                with arguments.rows.open("a") as file:
                    file.write(told + "\n")
    table = Table(
        "jobs",
        "NIC",
        "uplinks",
        "in sequence",
        "GPUs first",
        "together",
        "gain of\nplaces + rates",
        "gain of all",
        "proven gap",
        "at most",
        "s",
        "load",
    )
    for wide, nic, over, of in grouped(rows):
        places = [100 * (r.gpus_first / r.sequence - 1) for r in of]
        gains = [100 * (r.together / r.sequence - 1) for r in of]
        table.add_row(
            "wide" if wide else "small",
            f"{nic:g}",
            f"{over:g}:1",
            *(f"{mean([getattr(r, side) for r in of]):.2f}" for side in SIDES),
            f"{statistics.mean(places):.1f}",
            f"{statistics.mean(gains):.1f} ({min(gains):.1f} to {max(gains):.1f})",
            f"{100 * statistics.median(r.gap for r in of):.2g}",
            f"{100 * max(r.gap for r in of):.2g}",
            f"{statistics.median(r.seconds for r in of):.0f}",
            f"{statistics.median(r.load for r in of):.1f}",
        )
    show("progress, geometric means over seeds; gains in % (least to greatest)", table)
    if arguments.picture is not None:
        write_bytes(arguments.picture, picture(rows).encode())


SIDES = ("sequence", "gpus_first", "together")
WAYS = {"all together": "together", "GPUs first, then places and rates together": "gpus_first"}


def mean(values: list[float]) -> float:
    """Return the geometric mean."""
    return statistics.geometric_mean(values)


def grouped(rows: list[Row]) -> Iterator[tuple[bool, float, float, list[Row]]]:
    """Yield the rows of each kind of jobs, NIC and oversubscription."""
    for key in dict.fromkeys((r.wide, r.nic, r.oversubscription) for r in rows):
        yield *key, [r for r in rows if (r.wide, r.nic, r.oversubscription) == key]


def picture(rows: list[Row]) -> str:
    """Return the gains as SVG."""
    import altair as alt
    import vl_convert

    data = []
    for wide, nic, over, of in grouped(rows):
        for name, side in WAYS.items():
            gains = [100 * (getattr(r, side) / r.sequence - 1) for r in of]
            data.append(
                {
                    "network": f"{'wide' if wide else 'small'} jobs, NIC {nic:g} Gb/s",
                    "uplinks": f"{over:g}:1",
                    "way": name,
                    "gain": statistics.mean(gains),
                    "low": min(gains),
                    "high": max(gains),
                }
            )
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("uplinks:N", sort=[f"{o:g}:1" for o in OVERSUBSCRIPTIONS], title="oversubscription of the uplinks"),
        color=alt.Color(
            "way:N",
            title=None,
            legend=alt.Legend(orient="bottom", labelLimit=400),
            scale=alt.Scale(domain=list(WAYS), range=["#1f77b4", "#999999"]),
        ),
    )
    line = base.mark_line(point=True).encode(y=alt.Y("gain:Q", title="progress gained over deciding in sequence, %"))
    span = base.mark_rule(opacity=0.5).encode(y="low:Q", y2="high:Q")
    chart = alt.layer(line, span).properties(width=280, height=240).facet(alt.Facet("network:N", title=""))
    svg: str = vl_convert.vegalite_to_svg(chart.to_json())
    return svg


def goals(arguments: argparse.Namespace) -> None:
    """Print the gaps that are proven in a minute."""
    quick = arguments.quick
    sizes = [
        ("64 servers, 3 types, 100 jobs", {"t4": 96, "v100": 96, "a100": 64}, 100, 8, 1e-2),
        ("16 servers, 30 jobs", GPUS, 30, 4, 1e-4),
    ]
    if quick:
        sizes = [("4 servers, 5 jobs", {"t4": 16}, 5, 2, 1e-2)]
    table = Table(
        "cluster", "seed", "NIC", "uplinks", "progress", "bound", "proven gap", "goal", "stopped", "s", "load"
    )
    for name, gpus, jobs, racks, gap in sizes:
        for seed in range(1 if quick else arguments.seeds):
            nic, over = NICS[seed % 2], 4.0
            instance = made(gpus, jobs, seed, racks, nic, over)
            result: Result = solve(instance, gap=gap, time_limit=3.0 if quick else arguments.limit)
            found = worth(instance, result.allocations)
            proven = float(result.bound or np.inf) / max(found, 1e-300) - 1
            cells = (
                name,
                str(seed),
                f"{nic:g}",
                f"{over:g}:1",
                f"{found:.3f}",
                f"{result.bound or np.inf:.3f}",
                f"{100 * proven:.3g} %",
                f"{100 * gap:g} %",
                result.stopped,
                f"{result.total_s:.1f}",
                f"{os.getloadavg()[0]:.1f}",
            )
            table.add_row(*cells)
            print(*cells, sep=" | ", file=sys.stderr, flush=True)
    show("plans and their worth as the checker finds them", table)


def sizes(arguments: argparse.Namespace) -> None:
    """Print what is proven of proportionate clusters of 100 jobs to 1,000, to a gap of 1 %, and when."""
    quick = arguments.quick
    table = Table("jobs", "servers", "racks", "seed", "NIC", "rows", "run", "progress", "bound", "gap", "s", "load")
    for times in (1,) if quick else (1, 3, 10):
        gpus = {"t4": 16} if quick else {"t4": 96 * times, "v100": 96 * times, "a100": 64 * times}
        for seed in range(1 if quick else arguments.seeds):
            nic, jobs, racks = NICS[seed % 2], 5 if quick else 100 * times, 2 if quick else 8 * times
            instance = made(gpus, jobs, seed, racks, nic, 4.0)
            began = time.monotonic()
            result: Result = solve(instance, gap=1e-2, time_limit=3.0 if quick else arguments.limit)
            seconds, found = time.monotonic() - began, worth(instance, result.allocations)
            proven = float(result.bound or np.inf) / max(found, 1e-300) - 1
            cells = (
                f"{jobs:,}",
                f"{sum(group.count for group in instance.cluster.servers)}",
                f"{racks}",
                f"{seed}",
                f"{nic:g}",
                f"{len(build_problem(instance).configurations):,}",
                f"{len(result.allocations)}",
                f"{found:.3f}",
                f"{result.bound or np.inf:.3f}",
                f"{100 * proven:.3g} %",
                f"{seconds:.2f}",
                f"{os.getloadavg()[0]:.1f}",
            )
            table.add_row(*cells)
            print(*cells, sep=" | ", file=sys.stderr, flush=True)
    show("plans and their worth as the checker finds them", table)


def main() -> None:
    """Run the comparison, the goals and the sizes, and print them."""
    parser = parser_of(__doc__, "one small case of each")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of a search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=["value", "goals", "sizes"], help="one of the three parts")
    parser.add_argument("--rows", type=Path, help="keep rows here (JSON lines), and take those that are there as known")
    parser.add_argument("--picture", type=Path, help="draw the gains here (SVG)")
    arguments = parser.parse_args()
    for name, part in (("value", value), ("goals", goals), ("sizes", sizes)):
        if arguments.only in (None, name):
            part(arguments)


if __name__ == "__main__":
    main()
