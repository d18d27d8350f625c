"""Small workloads, and what a policy decides first."""

from __future__ import annotations

import contextlib

from optsched.simulate.engine import run
from optsched.simulate.policies import policy
from optsched.simulate.tables import tabulate
from optsched.simulate.workload import Application, Pool, Rate, TraceJob, Workload
from optsched.simulate.world import Options


def rigid(*jobs, gpus=4, **more):
    """Return jobs (arrival, GPUs, seconds) on one server."""
    made = tuple(
        TraceJob(id=f"j{k}", arrival_s=arrival, gpus=size, work=work, **(extra[0] if extra else {}))
        for k, (arrival, size, work, *extra) in enumerate(jobs)
    )
    pool = Pool(gpu_type="gpu", servers=1, gpus_per_server=gpus)
    return Workload(format="optsched-workload/1", cluster=(pool,), jobs=made, **more)


def elastic(*jobs, gpus=4, restart_s=0.0, types=("gpu",)):
    """Return jobs (rates by GPUs, work, more fields) that arrive at once, each of an application of its own."""
    apps, made = [], []
    for k, (rates, work, *extra) in enumerate(jobs):
        listed = tuple(Rate(gpu_type=t, gpus=g, rate=r) for t in types for g, r in (rates.get(t, rates)).items())
        apps.append(Application(id=f"a{k}", rates=listed, restart_s=restart_s))
        made.append(TraceJob(id=f"j{k}", arrival_s=0.0, work=work, application=f"a{k}", **(extra[0] if extra else {})))
    pools = tuple(Pool(gpu_type=t, servers=1, gpus_per_server=gpus) for t in types)
    return Workload(format="optsched-workload/1", cluster=pools, jobs=tuple(made), applications=tuple(apps))


def play(workload, name, **options):
    """Return the outcome of a policy."""
    return run(tabulate(workload), policy(name), Options(**options), name=name)


class EnoughError(Exception):
    """Raised by a policy that is to decide no further."""


def decisions(workload, name, number=1, round_s=60.0):
    """Return the GPUs of each job after each of the first decisions, while all jobs are there."""
    found = []
    decide = policy(name)
    tables = tabulate(workload)

    def watched(state):
        rows = decide(state)
        found.append([int(tables.row_gpus[row]) if row >= 0 else 0 for row in rows])
        if len(found) == number:
            raise EnoughError
        return rows

    with contextlib.suppress(EnoughError):
        run(tables, watched, Options(round_s=round_s))
    return found
