"""Policies judged by simulation: completion times, Kueue's workload, packing of fractional GPUs, and what it costs.

    python benchmarks/simulation.py arrivals DATA [--load 2] [--policies sia,gavel,flow-time] [--seeds 1-2]
    python benchmarks/simulation.py synthetic [--policies ...] [--seeds 1-3]
    python benchmarks/simulation.py kueue
    python benchmarks/simulation.py packing DATA [--orders 10]
    python benchmarks/simulation.py philly DATA [--gpus gpu=1000/8]

DATA is a folder with the measured tables: ``arrivals_philly_a.csv`` and ``_b``, ``throughput.csv``, ``curves.csv``,
``philly.csv``, ``openb_nodes.csv``, ``openb_pods.csv``.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import msgspec
import numpy as np

from optsched.simulate import Options, Workload, metrics, run, sweep, tabulate
from optsched.simulate.make import arrivals, kueue_benchmark, pools, rigid_trace, synthetic
from optsched.simulate.make.kueue import PUBLISHED
from optsched.simulate.packing import PACKERS, pack, read_nodes, read_pods
from optsched.simulate.packing import arrivals as pod_arrivals
from optsched.simulate.policies import policy
from optsched.simulate.summary import paired, summary

POLICIES = (
    "flow-time,sia,pollux,themis,afs,speed-up-shortest,elasticflow,optimus,shortest-remaining,tiresias,static,gavel,"
    "shockwave,fifo,backfill"
)


def denser(workload: Workload, load: float) -> Workload:
    """Return a workload whose jobs arrive ``load`` times as fast."""
    jobs = tuple(msgspec.structs.replace(job, arrival_s=job.arrival_s / load) for job in workload.jobs)
    return msgspec.structs.replace(workload, jobs=jobs)


def compared(workloads: dict[str, Workload], policies: list[str], seeds: list[int], options: Options) -> None:
    """Print the table of policies, and each one's ratios to the first over all workloads and seeds."""
    rows = list(sweep(workloads, policies, seeds, options))
    header, lines = summary(rows)
    for line in [header, *lines]:
        print(" | ".join(line), flush=True)
    print(f"\nover {policies[0]}: average, p99, makespan, worst finish-time fairness")
    for name in policies:
        names = ("average_completion_s", "p99_completion_s", "makespan_s", "worst_finish_time_fairness")
        ratios = [paired(rows, name, policies[0], metric) for metric in names]
        print(name, *(f"{mean:.3f} +- {error:.3f}" for mean, error in ratios), sep=" | ")


def run_kueue() -> None:
    """Print makespan, use and mean waits of Kueue's workload, with the published ones."""
    tables = tabulate(kueue_benchmark())
    kinds = np.array([job.id.split("-")[4] for job in tables.jobs])
    print("published", PUBLISHED)
    for name, options in (
        ("kueue", Options()),
        ("kueue", Options(round_s=0.58, restart_s=0.6)),
        ("fifo", Options()),
        ("backfill", Options()),
        ("flow-time", Options()),
    ):
        began = time.time()
        outcome = run(tables, policy(name), options, name=name)
        found, waits = metrics(outcome), outcome.first_start - tables.arrival
        means = {kind: round(float(waits[kinds == kind].mean()), 1) for kind in ("small", "medium", "large")}
        text = f"makespan {found['makespan_s']:.0f} s, use {found['utilization']:.2f}, mean waits {means}"
        setting = f"cycle {options.round_s} s, start {options.restart_s or 0} s"
        print(f"{name} ({setting}): {text}, restarts {found['restarts']}, wall {time.time() - began:.1f} s", flush=True)


def run_packing(data: Path, orders: int) -> None:
    """Print the share of GPUs that each packer allocates."""
    nodes, pods = read_nodes(data / "openb_nodes.csv"), read_pods(data / "openb_pods.csv")
    for name, packer in PACKERS.items():
        began = time.time()
        found = [pack(nodes, pods, pod_arrivals(nodes, pods, seed), packer, seed).share for seed in range(orders)]
        error = np.std(found, ddof=1) / np.sqrt(orders) if orders > 1 else 0.0
        seconds = (time.time() - began) / orders
        print(f"{name}: {100 * np.mean(found):.2f} +- {100 * error:.2f} %, {seconds:.1f} s an order", flush=True)


def run_philly(data: Path, gpus: str) -> None:
    """Print what the whole trace costs, by policies of queues."""
    tables = tabulate(rigid_trace(data / "philly.csv", cluster=pools(gpus)))
    for name in ("fifo", "backfill"):
        began = time.time()
        found = metrics(run(tables, policy(name), name=name))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        text = f"average {found['average_completion_s']:.0f} s, queueing {found['average_queueing_s']:.0f} s"
        text += f", use {found['utilization']:.2f}, {found['decisions']} decisions"
        print(f"{name}, {len(tables)} jobs: {text}, wall {time.time() - began:.1f} s, peak {memory:.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", nargs="?", default="synthetic", choices=("arrivals", "synthetic", "kueue", "packing", "philly")
    )
    parser.add_argument("data", nargs="?", type=Path, default=Path())
    parser.add_argument("--policies", default=POLICIES)
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--load", type=float, default=1.0)
    parser.add_argument("--orders", type=int, default=10)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--gpus", default="gpu=1000/8")
    parser.add_argument("--quick", action="store_true", help="ten jobs")
    given = parser.parse_args()
    policies, seeds = given.policies.split(","), list(range(1, given.seeds + 1))
    options = Options(round_s=60, noise=given.noise)
    if given.what == "arrivals":
        tables = {
            kind: arrivals(
                given.data / f"arrivals_philly_{kind}.csv",
                given.data / "throughput.csv",
                convergence=given.data / "curves.csv",
            )
            for kind in "ab"
        }
        compared({name: denser(one, given.load) for name, one in tables.items()}, policies, seeds, options)
    elif given.what == "synthetic":
        dials = [(load, elasticity) for load in (0.5, 1.5) for elasticity in (0.5, 0.9)]
        jobs, hours = (10, 0.5) if given.quick else (100, 5)
        policies = ["fifo", "sia"] if given.quick else policies
        made = [synthetic(load=load, elasticity=e, jobs=jobs, hours=hours, seed=1) for load, e in dials]
        compared({one.name: one for one in made}, policies, seeds, options)
    elif given.what == "kueue":
        run_kueue()
    elif given.what == "packing":
        run_packing(given.data, given.orders)
    else:
        run_philly(given.data, given.gpus)


if __name__ == "__main__":
    main()
