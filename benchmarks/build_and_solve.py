"""Building and solving apart: arrays handed to HiGHS against native Pyomo models solved by the same HiGHS.

Both sides solve the same mathematics to the same gap in one process, alternately; every plan goes
through the checker. "build" is the time to a model, with the arrays handed over to HiGHS; Pyomo
translates its model inside ``solve``, so that this part of its time is counted there.
"""

from __future__ import annotations

import statistics
import sys

from common import CURVES, INSTANCES, parser_of, show
from rich.table import Table

from optsched import Instance, check, load, solve
from optsched.instance.generators.workload import generate

SIZES = ((40, {"t4": 64, "v100": 32, "a100": 16}), (200, {"t4": 256, "v100": 128, "a100": 64}))
RUNS = 5
GAP = 1e-3


def measure(instance: Instance, formulation: str, backend: str) -> tuple[float, float, float]:
    """Return the seconds of building and of solving, and the value, after checking the plan and its proof."""
    result = solve(instance, formulation=formulation, backend=backend, gap=GAP)
    report = check(instance, result.allocations, result.objective, result.value)
    if not report.ok or result.status != "optimal":
        sys.exit(f"{formulation} on {backend}: {result.status}, {report.violations[:1]}")
    return result.build_s, result.solve_s, report.value


def main() -> None:
    """Run the comparison and print it."""
    quick = parser_of(__doc__, quick="the smallest case, once").parse_args().quick
    cases = [("quickstart", load(INSTANCES / "quickstart.json"))]
    if not quick:
        cases += [(f"{jobs} jobs", generate(CURVES, gpus, jobs, seed=1)) for jobs, gpus in SIZES]
    table = Table("instance", "formulation", "arrays: build s", "solve s", "Pyomo: build s", "solve s", "in all, ratio")
    for name, instance in cases:
        for formulation in ("configuration", "allocation"):
            measure(instance, formulation, "pyomo")  # imports and warms up both
            runs = [
                (measure(instance, formulation, "highs"), measure(instance, formulation, "pyomo"))
                for _ in range(1 if quick else RUNS)
            ]
            arrays, pyomo = ([statistics.median(run[side][k] for run in runs) for k in (0, 1)] for side in (0, 1))
            ratio = statistics.median(sum(p[:2]) / sum(a[:2]) for a, p in runs)
            seconds = [f"{x:.4f}" for x in (*arrays, *pyomo)]
            table.add_row(name, formulation, *seconds, f"{ratio:.1f}")
    show(f"medians of {1 if quick else RUNS} runs, gap {GAP:g} proven, plans checked; ratio: Pyomo over arrays", table)


if __name__ == "__main__":
    main()
