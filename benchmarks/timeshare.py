"""Time shares beside Gavel's programs in CVXPY, beside HiGHS on the whole program, and beside POP.

All sides get the same arrays. Every answer is recomputed from its shares by code of this script: its
objective, and by how much it exceeds a limit. Gavel's side runs in another interpreter (``--peer``), which
needs cvxpy, and ECOS or CLARABEL; without one it is left out. POP (Narayanan et al., SOSP'21) deals jobs
and GPUs out to k parts at random and solves each part by *our* exact solver, so that only the partition is
compared; its seconds are the sum over the parts, and those of the longest part.

Jobs are of 26 kinds of models, and each has throughputs of its own about its kind's (a tenth), so that no two are
equal; with pairs, exactly its kind's. ``--data DIR`` takes the kinds from measurements
(gavel.csv, one GPU). How pairs slow each other down is made up.
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highspy  # noqa: F401  (its import, 0.3 s, is counted for nobody)
import numpy as np
from common import parser_of, show
from rich.table import Table

from optsched.timeshare import Market, Pairs, Shares, finish_time, makespan, market, max_min
from optsched.timeshare import simplex as vertex
from optsched.timeshare.linear_program import linear_needs, linear_program

TYPES = ("v100", "p100", "k80")


def kinds(data: Path | None) -> np.ndarray:
    """Return throughputs of 26 kinds on three GPU types, shape ``(26, 3)``."""
    if data is None:
        rng = np.random.default_rng(7)
        return np.exp(rng.normal(1.0, 1.2, (26, 1))) * np.array([4.0, 2.0, 1.0]) * np.exp(rng.normal(0, 0.4, (26, 3)))
    found: dict[tuple[str, str], dict[str, float]] = {}
    with (data / "gavel.csv").open() as stream:
        for row in csv.DictReader(stream):
            if row["gpus"] == "1" and row["consolidated"] == "True":
                key = row["model"], row["local_batch"]
                found.setdefault(key, {})[row["gpu_type"]] = float(row["throughput_steps_s"])
    return np.array([[of.get(k, 0.0) for k in TYPES] for of in found.values()])


def unequal(jobs: int, of: np.ndarray, seed: int) -> tuple[Market, np.ndarray, np.ndarray]:
    """Return single-GPU jobs of which no two are equal, a GPU for six of them, their work and their age."""
    rng = np.random.default_rng(seed)
    rates = of[rng.integers(len(of), size=jobs)] * np.exp(rng.normal(0, 0.1, (jobs, 3)))
    made = market(rates, np.full(3, max(1, jobs // 18)), weight=rng.choice([1.0, 2.0], jobs))
    work = rates.max(axis=1) * np.exp(rng.normal(8, 1, jobs))
    return made, work, rng.uniform(0, 4000, jobs)


def paired(jobs: int, of: np.ndarray, seed: int) -> Market:
    """Return jobs of the kinds, any two of which may share a GPU if both together gain."""
    rng = np.random.default_rng(seed)
    load = rng.uniform(0.2, 1.0, of.shape)
    job, where, both = [], [], []
    many = np.bincount(rng.integers(len(of), size=jobs - 2 * len(of)), minlength=len(of)) + 2
    for a in range(len(of)):
        for b in range(a, len(of)):
            for k in range(3):
                slow = 1.05 * max(1.0, load[a, k] + load[b, k])
                if slow < 2.0:
                    job.append((a, b))
                    where.append(k)
                    both.append((of[a, k] / slow, of[b, k] / slow))
    pairs = Pairs(np.array(job), np.array(where), np.array(both))
    return market(of, np.full(3, jobs // 18), many=many, pairs=pairs)


def excess(of: Market, share: np.ndarray) -> float:
    """Return by which part shares exceed a limit."""
    use = of.gang @ share / of.capacity
    return max(0.0, float(share.sum(axis=1).max()) - 1.0, float(use.max()) - 1.0, -float(share.min()))


def least_level(of: Market, share: np.ndarray) -> float:
    """Return the least level of shares that are first shrunk to fit."""
    return float(((of.throughput * share).sum(axis=1) / (of.weight * of.equal_share)).min()) / (1 + excess(of, share))


def levels(of: Market, share: np.ndarray) -> np.ndarray:
    """Return all levels, least first, of shares shrunk to fit."""
    return np.sort((of.throughput * share).sum(axis=1) / (of.weight * of.equal_share) / (1 + excess(of, share)))


def last_end(of: Market, share: np.ndarray, work: np.ndarray) -> float:
    """Return the makespan of shares shrunk to fit."""
    return float((work / (of.throughput * share).sum(axis=1)).max()) * (1 + excess(of, share))


def largest_ratio(of: Market, share: np.ndarray, work: np.ndarray, past: np.ndarray) -> float:
    """Return the largest finish-time ratio of shares shrunk to fit."""
    rate = (of.throughput * share).sum(axis=1) / (1 + excess(of, share))
    return float(((past + work / rate) / (past + work / of.equal_share)).max())


class Peer:
    """Gavel's programs in an interpreter that has CVXPY."""

    def __init__(self, python: Path) -> None:
        script = Path(__file__).with_name("timeshare_peers.py")
        self.process = subprocess.Popen(
            [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        solvers = self._answer().get("solvers", [])
        self.solver = next((s for s in ("ECOS", "CLARABEL") if s in solvers), "")
        self.folder = tempfile.TemporaryDirectory()

    def _answer(self) -> dict:
        line = self.process.stdout.readline() if self.process.stdout else ""
        return json.loads(line) if line else {"error": "the peer's interpreter ended (no cvxpy?)"}

    def ask(self, policy: str, of: Market, work: np.ndarray, past: np.ndarray) -> tuple[float, np.ndarray] | None:
        """Return seconds and shares of a policy; None where its solver fails."""
        file = Path(self.folder.name) / "problem.npz"
        np.savez(
            file,
            throughput=of.throughput,
            capacity=of.capacity,
            gang=of.gang,
            work=work,
            past=past,
            equal=of.equal_share,
            unit=of.weight * of.equal_share,
        )
        if self.process.stdin is None:
            return None
        self.process.stdin.write(f"{policy}\t{self.solver}\t{file}\n")
        self.process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            print(f"{policy}: {answer['error']}", file=sys.stderr)
            return None
        return answer["seconds"], np.load(answer["shares"])


def timed(call: Callable[[], Shares], runs: int) -> tuple[float, Shares]:
    """Return the median seconds of some runs, and the last answer; leave if it is not proven optimal."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        found = call()
        seconds.append(time.perf_counter() - began)
    if found.status != "optimal":
        sys.exit(f"{found.policy}: {found.status}, gap {found.gap:.1e}")
    return statistics.median(seconds), found


def whole(of: Market) -> float:
    """Return the seconds that HiGHS takes for max-min as one program."""
    began = time.perf_counter()
    vertex.solve(linear_program(of, linear_needs(np.zeros(of.jobs), of.weight * of.equal_share), gain=1.0))
    return time.perf_counter() - began


def pop(of: Market, parts: int, seed: int) -> tuple[np.ndarray, float, float]:
    """Return the shares of POP for max-min, the seconds of all its parts, and of the longest."""
    order = np.random.default_rng(seed).permutation(of.jobs)
    share, seconds = np.zeros((of.jobs, of.types)), []
    for part in range(parts):
        rows = np.sort(order[part::parts])
        # levels are relative to the equal share of the whole, as POP has them: weights make up for the part's own
        mine = replace(
            of,
            throughput=of.throughput[rows],
            capacity=of.capacity / parts,
            gang=of.gang[rows],
            many=of.many[rows],
            weight=of.weight[rows],
        )
        mine = replace(mine, weight=mine.weight * of.equal_share[rows] / mine.equal_share)
        began = time.perf_counter()
        found = max_min(mine)
        seconds.append(time.perf_counter() - began)
        share[rows] = found.fraction
    return share, sum(seconds), max(seconds)


def run(quick: bool, peer: Peer | None, of: np.ndarray) -> None:
    """Run all comparisons and print them."""
    runs = 1 if quick else 5
    table = Table(
        "problem", "jobs", "ours: s", "value", "gap proven", "Gavel: s", "value", "exceeds by", "Gavel / ours"
    )

    def line(
        name: str,
        jobs: int,
        ours: tuple[float, Shares],
        theirs: tuple[float, np.ndarray] | None,
        value: Callable[[np.ndarray], float],
        mine: Market,
    ) -> None:
        seconds, found = ours
        cells = ["", "", "", ""]
        if theirs is not None:
            cells = [
                f"{theirs[0]:.3g}",
                f"{value(theirs[1]):.7g}",
                f"{excess(mine, theirs[1]):.0e}",
                f"{theirs[0] / seconds:.0f}",
            ]
        row = (name, f"{jobs:,}", f"{seconds:.3f}", f"{value(found.fraction):.7g}", f"{found.gap:.0e}", *cells)
        table.add_row(*row)
        print(*row, file=sys.stderr, flush=True)

    def plain(name: str, jobs: int, seconds: float, found: Shares) -> None:
        row = (name, f"{jobs:,}", f"{seconds:.3f}", f"{found.value:.7g}", f"{found.gap:.0e}")
        table.add_row(*row)
        print(*row, file=sys.stderr, flush=True)

    sizes = (64,) if quick else (2_048, 8_192)
    first = unequal(64, of, 0)[0]
    timed(lambda: max_min(first), 1)  # the first runs pay for imports
    whole(first)
    for jobs in sizes:
        mine, work, past = unequal(jobs, of, jobs)
        big = jobs > 2_048
        asks = (
            {} if peer is None else {p: peer.ask(p, mine, work, past) for p in ("max-min", "makespan", "finish-time")}
        )
        line(
            "max-min",
            jobs,
            timed(lambda m=mine: max_min(m), runs),
            asks.get("max-min"),
            lambda x, m=mine: least_level(m, x),
            mine,
        )
        line(
            "makespan",
            jobs,
            timed(lambda m=mine, w=work: makespan(m, w), runs),
            asks.get("makespan"),
            lambda x, m=mine, w=work: last_end(m, x, w),
            mine,
        )
        line(
            "finish-time",
            jobs,
            timed(lambda m=mine, w=work, p=past: finish_time(m, w, p), runs),
            asks.get("finish-time"),
            lambda x, m=mine, w=work, p=past: largest_ratio(m, x, w, p),
            mine,
        )
        if not big:
            # a third of the GPUs more than jobs: many stop at their own limit, each at a level of its own
            for name, gpus in (("water filling", jobs // 18), ("water filling, GPUs to spare", jobs // 2)):
                wide = replace(mine, capacity=np.array([gpus / 2, gpus / 2, gpus]).round() + 1)
                theirs = None if peer is None else peer.ask("water filling", wide, work, past)
                ours = timed(lambda m=wide: max_min(m, lexicographic=True), runs)
                line(name, jobs, ours, theirs, lambda x, m=wide: least_level(m, x), wide)
                if theirs is not None:
                    best, got = levels(wide, ours[1].fraction), levels(wide, theirs[1])
                    apart = np.abs(best - got) > 1e-4 * best
                    first = f"from job {int(np.argmax(apart)):,} on" if apart.any() else "nowhere"
                    print(f"{name}: levels of Gavel's below ours by > 1e-4 {first}", file=sys.stderr)
    for jobs in (64,) if quick else (512, 2_048):
        mine = paired(jobs, of, jobs)
        plain("max-min, pairs", jobs, *timed(lambda m=mine: max_min(m), runs))
        plain("water filling, pairs", jobs, *timed(lambda m=mine: max_min(m, lexicographic=True), runs))
    parts = Table("max-min by", "jobs", "seconds", "the longest part", "least level", "of the best")
    for jobs in sizes:
        mine, _, _ = unequal(jobs, of, jobs)
        seconds, found = timed(lambda m=mine: max_min(m), runs)
        parts.add_row("all at once", f"{jobs:,}", f"{seconds:.3f}", "", f"{found.value:.5f}", "1")
        for k in (2,) if quick else (4, 8, 16):
            made = [pop(mine, k, seed) for seed in range(runs)]
            level = statistics.median(least_level(mine, share) for share, _, _ in made)
            times = [statistics.median(m[n] for m in made) for n in (1, 2)]
            parts.add_row(
                f"POP-{k}", f"{jobs:,}", *(f"{t:.3f}" for t in times), f"{level:.5f}", f"{level / found.value:.4f}"
            )
        parts.add_row("HiGHS, whole", f"{jobs:,}", f"{whole(mine):.3f}")
    told = "medians; shares checked; Gavel's side: " + (peer.solver if peer else "left out, no --peer with cvxpy")
    show(told, table, parts)


def main() -> None:
    """Read the options and run."""
    parser = parser_of(__doc__, quick="small cases, once")
    parser.add_argument("--peer", type=Path, help="a Python that has cvxpy")
    parser.add_argument("--data", type=Path, help="a folder with gavel.csv")
    options = parser.parse_args()
    peer = Peer(options.peer) if options.peer else None
    run(options.quick, peer if peer and peer.solver else None, kinds(options.data))


if __name__ == "__main__":
    main()
