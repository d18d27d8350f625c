"""Schedules of 40 jobs on 32 GPUs: optional intervals by CP-SAT beside the time-indexed program by HiGHS.

Jobs train the models of ``instances/curves.json``, with arrivals over four hours and deadlines (see
``optsched.schedule.generate``); ``load`` is the work that they ask for over what the GPUs do in that time. Both sides
get the same instance, seconds and two threads, begin from the same list schedule and energy bound, and end at the
same gap. Every schedule is checked once more here, and no side's bound may exceed the other's value. The gap is what
was *proven*, the rounding of times included.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass

from common import CURVES, parser_of, show
from rich.table import Table

from optsched.instance import Instance
from optsched.instance.generators.workload import generate
from optsched.schedule import GOALS, Schedule, check, plan
from optsched.schedule.generate import timed

LIMIT = 60.0
GAP = 1e-3


@dataclass(frozen=True)
class Case:
    """An objective at a load, on so many seeds."""

    objective: str
    load: float
    seeds: int = 3


CASES = (
    Case("on-time", 2.0, seeds=5),
    Case("on-time", 4.0),
    Case("weighted-tardiness", 4.0),
    Case("makespan", 2.0),
    Case("weighted-completion", 1.0),
)
SIDES = ("lists", "intervals", "time-indexed")


def made(seed: int, load: float, jobs: int, gpus: int) -> Instance:
    """Return the instance of a seed."""
    return timed(generate(CURVES, {"v100": gpus}, jobs, seed), 4.0, load, seed)


def run(instance: Instance, case: Case, side: str, limit: float) -> Schedule:
    """Return one side's schedule after checking it."""
    found = plan(instance, objective=case.objective, formulation=side, time_limit=limit, gap=GAP, threads=2)
    report = check(instance, found.horizon, found.runs, found.value)
    if found.value is None or not report.ok:
        sys.exit(f"{side}: {found.status}, {found.reason}, {report.violations[:1]}")
    return found


def contradict(name: str, found: dict[str, Schedule]) -> None:
    """Leave if one side's bound is better than another's schedule."""
    cost = GOALS[name].value
    for side, one in found.items():
        for other, two in found.items():
            if one.bound is not None and cost(one.bound) > cost(two.value or 0.0) + 1e-6 * abs(two.value or 0.0) + 1e-6:
                sys.exit(f"{name}: {side} claims the bound {one.bound}, and {other} has a schedule of {two.value}")


def gap(one: Schedule) -> float:
    """Return the proven gap in percent."""
    return float("inf") if one.gap is None else 100 * one.gap


def main() -> None:
    """Run the comparison and print it."""
    quick = parser_of(__doc__).parse_args().quick
    cases, jobs, gpus, limit = CASES, 40, 32, LIMIT
    if quick:
        cases, jobs, gpus, limit = (Case("on-time", 2.0, seeds=1),), 10, 8, 10.0
    heads = [f"{side}: s, gap % (worst), proven" for side in SIDES]
    table = Table("objective", "load", "seeds", *heads)
    for case in cases:
        runs: dict[str, list[Schedule]] = {side: [] for side in SIDES}
        for seed in range(case.seeds):
            instance = made(seed, case.load, jobs, gpus)
            found = {side: run(instance, case, side, limit) for side in SIDES}
            contradict(case.objective, found)
            for side, one in found.items():
                runs[side].append(one)
        cells = []
        for side in SIDES:
            seconds = statistics.median(one.total_s for one in runs[side])
            gaps = [gap(one) for one in runs[side]]
            proven = sum(one.status == "optimal" for one in runs[side])
            cells.append(f"{seconds:.1f}, {statistics.median(gaps):.2f} ({max(gaps):.2f}), {proven}/{len(gaps)}")
        table.add_row(case.objective, f"{case.load:g}", str(case.seeds), *cells)
        print(case, *cells, file=sys.stderr)
    show(
        f"{jobs} jobs on {gpus} GPUs, medians over seeds, {limit:g} s and two threads for each side; "
        f"proven: within {100 * GAP:g} % (intervals: CP-SAT; time-indexed: HiGHS); schedules checked",
        table,
    )


if __name__ == "__main__":
    main()
