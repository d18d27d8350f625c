"""The price engine's cost against the number of jobs, and against the physical floor: one pass over the values.

Problems as in ``prices.py``, of 10 GPU types in 3 sites, about 29 rows a job; each size in a process of its own, whose
peak memory is then that size's. The floor is what any method that looks at every value must take: one maximum over the
rows of every job, and one subtraction of their cost, from memory, by numpy. ``CPU`` is the time of the process and of
HiGHS's. Warm is the next round, with other weights for 5 % of the jobs, from the prices of the first. The exponent is
the slope of the least-squares line through the logarithms.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from common import parser_of, show
from prices import checked, next_round, problem
from rich.table import Table

from optsched.problem.problem import Problem
from optsched.search.prices import price

SIZES = (100, 316, 1_000, 3_162, 10_000, 31_623, 100_000)
GAP = 1e-4


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children, in which HiGHS runs (those by ticks of 0.01 s)."""
    spent = time.process_time()
    for listed in Path("/proc/self/task").glob("*/children"):
        for child in listed.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def floor(now: Problem) -> float:
    """Return the median CPU seconds of one pass: value less cost of every row, and the best of every job."""
    row, pool, amount = now.configurations.used
    prices, spent = np.ones(len(now.configurations.capacity)), []
    first = now.configurations.first[:-1]
    for _ in range(5):
        began = time.process_time()
        reduced = now.value - prices[pool] * amount
        np.maximum.reduceat(reduced, first).sum()
        spent.append(time.process_time() - began)
    assert len(row) == len(reduced)  # one resource a row
    return statistics.median(spent)


def measured(jobs: int) -> dict[str, float]:
    """Return what one size costs: seconds, CPU seconds, the floor, gaps and peak memory, cold and warm."""
    now = problem(jobs, 10, 3, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    runs = max(1, min(7, 60_000 // jobs))
    price(problem(500, 10, 3, 1), deadline=None, gap=0.0)  # the first kernel pays for the import of HiGHS
    then, told = next_round(now), {"jobs": float(jobs), "rows": float(len(now.configurations)), "before": before}
    known = None
    for side, posed in (("cold", now), ("warm", then)):
        walls, cpus, start = [], [], known
        for _ in range(runs):
            wall, cpu = time.perf_counter(), cpu_seconds()
            found = price(posed, deadline=None, gap=GAP, start=start)
            walls.append(time.perf_counter() - wall)
            cpus.append(cpu_seconds() - cpu)
            checked(posed, found.rows, found.value or 0.0)
        known = found.prices
        told[side], told[f"{side} CPU"], told[f"{side} gap"] = (*map(statistics.median, (walls, cpus)), found.gap)
    told["floor"] = floor(now)
    told["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return told


def exponent(points: list[dict[str, float]], side: str, least: float = 0.0) -> float:
    """Return the slope of the line through the logarithms of jobs and of CPU seconds, from so many jobs on."""
    some = [(p["jobs"], p[side]) for p in points if p["jobs"] >= least]
    return float(np.polyfit(*np.log(np.array(some)).T, 1)[0])


def drawn(points: list[dict[str, float]], path: Path) -> None:
    """Draw the CPU seconds against the jobs, both as logarithms."""
    import altair as alt

    names = {"cold CPU": "from no prices", "warm CPU": "from the last round's", "floor": "one pass over the values"}
    rows = [{"jobs": p["jobs"], "seconds": p[key], "side": name} for key, name in names.items() for p in points]
    lines = (
        alt.Chart(alt.Data(values=rows), width=420, height=280)
        .mark_line(point=True)
        .encode(
            x=alt.X(
                "jobs:Q",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format="~s", values=[10**k for k in range(2, 7)]),
                title="jobs",
            ),
            y=alt.Y(
                "seconds:Q",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format="~g", values=[10.0**k for k in range(-5, 3)]),
                title="CPU seconds",
            ),
            color=alt.Color("side:N", sort=list(names.values()), title=None),
        )
    )
    lines.save(str(path))


def main() -> None:
    """Run the sizes, each in a process of its own, and print what they cost."""
    parser = parser_of(__doc__, quick="two sizes of which a run takes a tenth of a second")
    parser.add_argument("--full", action="store_true", help="up to a million jobs: some 10 GB and minutes")
    parser.add_argument("--svg", type=Path, help="where to draw the picture")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one)))
        return
    points = []
    for jobs in (3_000, 5_000) if given.quick else (*SIZES, *((316_228, 1_000_000) if given.full else ())):
        command = [sys.executable, __file__, "--one", str(jobs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{jobs:,} jobs: {done.stderr[-500:]}")
        points.append(json.loads(done.stdout))
        print(points[-1], file=sys.stderr, flush=True)
    sides = ("cold", "warm")
    table = Table(
        "jobs",
        "rows",
        *(f"{s}: s, CPU s, gap, passes' worth" for s in sides),
        "one pass: CPU s",
        "peak, problem alone: GiB",
    )
    for p in points:
        cells = [
            f"{p[s]:.3f}, {p[f'{s} CPU']:.3f}, {p[f'{s} gap']:.0e}, {p[f'{s} CPU'] / p['floor']:.0f}" for s in sides
        ]
        row = f"{p['jobs']:,.0f}", f"{p['rows']:,.0f}"
        table.add_row(*row, *cells, f"{p['floor']:.5f}", f"{p['peak']:.2f}, {p['before']:.2f}")
    told = ", ".join(
        f"{s} {exponent(points, f'{s} CPU'):.2f} (from 10,000 jobs {exponent(points, f'{s} CPU', 9_999):.2f})"
        if not given.quick
        else f"{s} {exponent(points, f'{s} CPU'):.2f}"
        for s in sides
    )
    show(f"medians, plans checked, gap {GAP:g} asked", table)
    print(f"exponent of CPU seconds in jobs: {told}; of one pass {exponent(points, 'floor'):.2f}")
    if given.svg:
        drawn(points, given.svg)


if __name__ == "__main__":
    main()
