"""Places for many jobs: the plan of prices packed on servers, beside HiGHS and CP-SAT on the formulation of all places.

Jobs as generated, on servers of one site, objective progress. ``lost`` is what the plan of prices of pools loses by
being packed: jobs that find no room take other configurations. All sides get the same instance and time limit, from
the instance on; gaps are proven, plans are checked.
"""

from __future__ import annotations

import statistics
import time

import msgspec
from common import CURVES, parser_of, show
from rich.table import Table

from optsched import check, solve
from optsched.instance import Instance
from optsched.instance.generators.workload import generate
from optsched.problem.build import build_problem
from optsched.problem.problem import Plan
from optsched.search.placement.prices import price_pools
from optsched.search.placement.sequential import sequential_plan
from optsched.solvers import Limits, RunContext


def case(jobs: int, seed: int) -> Instance:
    """Return jobs and seven eighths as many GPUs, of three types."""
    made = generate(CURVES, {"t4": jobs // 2, "v100": jobs // 4, "a100": jobs // 8}, jobs, seed=seed)
    return msgspec.structs.replace(made, decides="placement")


def packed(made: Instance) -> tuple[float, float, float]:
    """Return the seconds of pricing and of packing, and the part of the plan's value that packing loses."""
    problem = build_problem(made)
    began = time.perf_counter()
    worth = price_pools(problem, None, 1e-5)
    priced = time.perf_counter()
    plan = sequential_plan(problem, RunContext(Limits()), worth)
    assert plan is not None
    assert worth.rows is not None
    spent = time.perf_counter() - priced
    return priced - began, spent, 1 - problem.total(plan) / problem.total(Plan(worth.rows))


def solved(made: Instance, limit: float, **columns: str) -> tuple[float, float]:
    """Return the seconds of ``solve``, and the gap that it proves; nan without a bound."""
    began = time.perf_counter()
    found = solve(made, time_limit=limit, gap=1e-4, **columns)  # type: ignore[arg-type]
    spent = time.perf_counter() - began
    assert check(made, found.allocations, found.objective, found.value).ok
    return spent, float("nan") if found.gap is None else found.gap


def main() -> None:
    """Run the comparison and print it."""
    quick = parser_of(__doc__).parse_args().quick
    table = Table(
        "jobs", "servers", "priced: s", "packed: s", "lost", "solve: s, gap", "HiGHS: s, gap", "CP-SAT: s, gap"
    )
    limit, seeds = (5.0, (1,)) if quick else (60.0, (1, 2, 3))
    for jobs in (40,) if quick else (100, 300, 1000, 2048):
        made = [case(jobs, seed) for seed in seeds]
        parts = [packed(each) for each in made]
        sides = [{}, {"formulation": "placement", "backend": "highs"}, {"formulation": "placement", "backend": "cpsat"}]
        cells = []
        for side in sides if jobs <= 300 else sides[:1]:  # the others have no plan of more than some hundred jobs
            runs = [solved(each, limit, **side) for each in made]
            cells.append(f"{statistics.median(s for s, _ in runs):.2f}, {statistics.median(g for _, g in runs):.1e}")
        servers = sum(group.count for group in made[0].cluster.servers)
        middle = [statistics.median(column) for column in zip(*parts, strict=True)]
        told = (f"{middle[0]:.2f}", f"{middle[1]:.2f}", f"{middle[2]:.1e}")
        table.add_row(f"{jobs:,}", str(servers), *told, *cells)
        print(f"{jobs}: {told} {cells}", flush=True)
    show(f"medians of {len(seeds)} seeds, {limit:g} s, plans checked", table)


if __name__ == "__main__":
    main()
