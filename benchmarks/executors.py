"""The price engine's passes in this process, and in blocks on executors: from which size on that pays.

All sides minimize the same smoothed dual of the same table from the same prices, in turn; their prices must
agree. The first run on an executor sends it the blocks, the later ones find them there. Two workers each.
Dask and Ray are compared where they are installed (``optsched[dask]``, ``optsched[ray]``).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

import numpy as np
from common import CURVES, parser_of, show
from rich.table import Table

from optsched._util.executors import RayExecutor, local_pool
from optsched.instance.generators.workload import generate
from optsched.problem.build import build_problem
from optsched.search.prices.newton import DistributedTable, descend, first_guess
from optsched.search.prices.table import price_table

SIZES = (2_000, 10_000, 40_000)
RUNS = 5
WORKERS = 2


@contextmanager
def dask() -> Iterator[Executor]:
    """Return an executor of a local cluster of dask."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


def executors(stack: ExitStack, quick: bool) -> dict[str, Executor]:
    """Return the executors that there are, each with the seconds that its start took in its name."""
    makers = {"processes": lambda: local_pool(WORKERS)}
    if not quick and find_spec("distributed"):
        makers["dask"] = dask
    if not quick and find_spec("ray"):
        makers["Ray"] = lambda: RayExecutor(num_cpus=WORKERS)
    found = {}
    for name, make in makers.items():
        began = time.monotonic()
        executor = stack.enter_context(make())
        executor.submit(int).result()
        found[f"{name} (start {time.monotonic() - began:.1f} s)"] = executor
    return found


def main() -> None:
    """Run the comparison and print it."""
    quick = parser_of(__doc__, quick="few jobs, once, on processes only").parse_args().quick
    with ExitStack() as stack:
        sides = executors(stack, quick)
        shown = Table("jobs", "rows", "this process, s", *(f"{name}: first, later, ratio" for name in sides))
        for jobs in (200,) if quick else SIZES:
            problem = build_problem(
                generate(CURVES, {"t4": jobs // 20, "v100": jobs // 40, "a100": jobs // 80}, jobs, seed=1)
            )
            table, _ = price_table(problem)
            guess = first_guess(table)
            spreads = {name: DistributedTable(table, executor) for name, executor in sides.items()}
            times: dict[str, list[float]] = {name: [] for name in ("", *sides)}
            for _ in range(2 if quick else RUNS + 1):
                prices = {}
                for name in times:
                    began = time.monotonic()
                    prices[name] = descend(table, guess, 0.01, 4, spreads.get(name)).prices
                    times[name].append(time.monotonic() - began)
                if not all(np.allclose(each, prices[""], rtol=1e-6) for each in prices.values()):
                    sys.exit("the prices differ")
            alone = statistics.median(times[""])
            cells = [
                f"{times[name][0]:.2f}, {(later := statistics.median(times[name][1:])):.3f}, {later / alone:.2f}"
                for name in sides
            ]
            shown.add_row(str(jobs), str(len(table)), f"{alone:.3f}", *cells)
    show("a descent of at most four Newton steps; medians; ratio: later runs over this process; prices agree", shown)


if __name__ == "__main__":
    main()
