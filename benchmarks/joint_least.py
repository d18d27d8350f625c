"""What is proven of the least progress of any job, where GPUs, places and network rates are decided together.

Both sides solve the same instances of 100 jobs of equal weight: with the sums that are tried before the models of a
least value (``optsched.search.strategies.max_min_placement``), and with these models alone. The checker recomputes the
value of each plan.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

import msgspec
import numpy as np
from common import parser_of, show
from joint import NICS, made
from rich.table import Table

from optsched import check, solve
from optsched.instance import ObjectiveSpec
from optsched.instance.result import Result
from optsched.search.strategies.max_min_placement import by_fair_sums


def main() -> None:
    """Print what is proven of the least progress of any job, with sums before the models and without."""
    parser = parser_of(__doc__, "one small case")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds of a search")
    parser.add_argument("--seeds", type=int, default=4)
    arguments = parser.parse_args()
    quick = arguments.quick
    gpus, jobs = ({"t4": 16}, 5) if quick else ({"t4": 64, "v100": 32, "rtx2080ti": 32}, 100)
    table = Table(
        "seed", "NIC", "by sums: progress", "bound", "gap", "s", "models alone: progress", "bound", "gap", "s"
    )
    for seed in range(1 if quick else arguments.seeds):
        nic = NICS[seed % 2]
        instance = made(gpus, jobs, seed, 2 if quick else 4, nic, 4.0)
        jobs_alike = tuple(msgspec.structs.replace(job, weight=1.0) for job in instance.jobs)
        instance = msgspec.structs.replace(instance, jobs=jobs_alike)
        cells = [str(seed), f"{nic:g}"]
        for stage in (by_fair_sums, lambda search, **_: search):
            with patch("optsched.search.strategies.placement.by_fair_sums", stage):
                limit = 3.0 if quick else arguments.limit
                result: Result = solve(instance, objective="max-min", gap=1e-3, time_limit=limit)
            found = check(instance, result.allocations, ObjectiveSpec(name="max-min")).value
            proven = float(result.bound or np.inf) / max(found, 1e-300) - 1
            cells += [f"{found:.4f}", f"{result.bound or np.inf:.4f}", f"{100 * proven:.3g} %", f"{result.total_s:.1f}"]
        table.add_row(*cells)
        print(*cells, sep=" | ", file=sys.stderr, flush=True)
    show("128 GPUs on 32 servers, 100 jobs, uplinks 4:1; values as the checker finds them", table)


if __name__ == "__main__":
    main()
