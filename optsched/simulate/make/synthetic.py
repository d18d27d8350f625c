"""Workloads by dials: load, size and elasticity."""

from __future__ import annotations

import numpy as np

from optsched.errors import InputError, shown
from optsched.simulate.tables import server_sizes
from optsched.simulate.workload import Application, Pool, Rate, TraceJob, Workload

__all__ = ["synthetic"]

_CLUSTER = (
    Pool(gpu_type="t4", servers=6, gpus_per_server=4),
    Pool(gpu_type="v100", servers=6, gpus_per_server=4),
    Pool(gpu_type="a100", servers=2, gpus_per_server=8),
)
_SPEED = {"t4": 1.0, "v100": 2.5, "a100": 6.0}


def synthetic(
    *,
    jobs: float = 160,
    hours: float = 8.0,
    load: float = 1.0,
    size: float = 4.0,
    elasticity: float = 0.8,
    applications: float = 5,
    restart_s: float = 60.0,
    deadlines: float = 0.0,
    seed: float = 0,
    cluster: tuple[Pool, ...] | None = None,
) -> Workload:
    """Return jobs that arrive by a Poisson process, of applications that scale as a power of their GPUs.

    Parameters
    ----------
    jobs, hours
        How many arrive, over how long.
    load
        GPU time that they need at the sizes that they ask for, on GPUs of the mean speed, over what there is in
        those hours.
    size
        Mean number of GPUs that a job asks for: powers of two, geometric.
    elasticity
        Progress grows as GPUs to this power, on average over applications: 1 is ideal, 0 gains nothing.
    deadlines
        Part of the jobs with a deadline, of 1.5 to 4 times the time at the size that they ask for.
    """
    ranges = {
        "jobs": (jobs, 1, 1e6), "hours": (hours, 1e-3, 1e5), "load": (load, 1e-6, 1e3), "size": (size, 1, 1e4),
        "elasticity": (elasticity, 0, 1), "applications": (applications, 1, 1e3), "restart_s": (restart_s, 0, 1e6),
        "deadlines": (deadlines, 0, 1), "seed": (seed, 0, 2**31),
    }  # fmt: skip
    for name, (number, low, high) in ranges.items():
        whole = name in ("jobs", "applications", "seed")
        if not low <= number <= high or (whole and number != int(number)):
            raise InputError(
                f"{'a whole number' if whole else 'a number'} from {low} to {high:g}", path=name, value=shown(number)
            )
    random = np.random.default_rng([int(seed), 7])
    pools = cluster or _CLUSTER
    speeds = {pool.gpu_type: _SPEED.get(pool.gpu_type, 1.0) for pool in pools}
    count, kinds = int(jobs), int(applications)
    exponent = np.clip(elasticity + 0.1 * random.standard_normal(kinds), 0.02, 1.0)
    liking = np.exp(0.25 * random.standard_normal((kinds, len(pools))))
    apps = tuple(
        Application(
            id=f"app-{k}",
            restart_s=restart_s,
            rates=tuple(
                Rate(
                    gpu_type=pool.gpu_type, gpus=g, rate=float(speeds[pool.gpu_type] * liking[k, t] * g ** exponent[k])
                )
                for t, pool in enumerate(pools)
                for g in server_sizes(pool, 1, 10**9)
            ),
        )
        for k in range(kinds)
    )
    most = max(pool.servers * pool.gpus_per_server for pool in pools)
    asked = np.minimum(2 ** (random.geometric(1 / (1 + np.log2(size)), count) - 1), 2 ** int(np.log2(most)))
    kind = random.integers(kinds, size=count)
    hours_each = random.lognormal(0.0, 1.2, count)  # at the size asked for, on GPUs of the mean speed
    total = sum(pool.servers * pool.gpus_per_server for pool in pools)
    hours_each *= load * total * hours / float((asked * hours_each).sum())
    mean = sum(speeds[p.gpu_type] * p.servers * p.gpus_per_server for p in pools) / total
    arrival = np.sort(random.random(count)) * hours * 3600
    work = hours_each * 3600 * mean * asked ** exponent[kind]
    late = random.random(count) < deadlines
    slack = random.uniform(1.5, 4.0, count)
    made = tuple(
        TraceJob(
            id=f"job-{j}",
            arrival_s=float(arrival[j]),
            work=float(work[j]),
            application=f"app-{kind[j]}",
            gpus=int(asked[j]),
            deadline_s=float(arrival[j] + slack[j] * hours_each[j] * 3600) if late[j] else None,
        )
        for j in range(count)
    )
    name = f"synthetic-{count}-load-{load:g}-elasticity-{elasticity:g}-seed-{int(seed)}"
    return Workload(
        format="optsched-workload/1", cluster=pools, jobs=made, applications=apps, name=name, source="dials"
    )
