"""A workload as arrays: jobs by arrival, and the configurations of each with their progress in every stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, offsets
from optsched.errors import InputError, shown
from optsched.simulate.workload import Application, Pool, TraceJob, Workload

__all__ = ["Tables", "server_sizes", "tabulate"]


@dataclass(frozen=True, eq=False)
class Tables:
    """``n`` jobs by arrival, ``t`` GPU types, and ``r`` configurations (rows), of ``s`` stages of training.

    capacity, servers, per_server
        GPUs, servers and GPUs a server of each type, shape ``(t,)``.
    row_type, row_gpus, row_fixed, row_asked, row_key
        Of each row: GPU type, GPUs, whether it is the requested size and batch, whether it stands for a batch that
        was asked for (others for the best one), and what (application, type, GPUs, batch) it is. Shape ``(r,)``.
    rate
        Progress of each row in each stage by the workload's curves, shape ``(r, s)``.
    first, count
        Rows of each table; ``table`` is that of each job.
    fixed, fixed_size
        Rows of the requested size of each table, the fastest first, and that size.
    """

    workload: Workload
    jobs: tuple[TraceJob, ...]
    types: tuple[str, ...]
    capacity: IntArray
    servers: IntArray
    per_server: IntArray
    row_type: IntArray
    row_gpus: IntArray
    row_fixed: NDArray[np.bool_]
    row_asked: NDArray[np.bool_]
    row_key: IntArray
    rate: FloatArray
    first: IntArray
    count: IntArray
    fixed: tuple[tuple[int, ...], ...]
    fixed_size: IntArray
    table: IntArray
    application: tuple[str, ...]
    arrival: FloatArray
    work: FloatArray
    restart: FloatArray
    checkpoint: FloatArray
    deadline: FloatArray
    priority: IntArray
    queue: IntArray
    queues: tuple[str, ...]

    @property
    def stages(self) -> int:
        """Number of stages that a training is divided into."""
        return int(self.rate.shape[1])

    def __len__(self) -> int:
        return len(self.jobs)


Row = tuple[int, int, bool, tuple[float, ...], tuple[str, int, int, float]]


def server_sizes(pool: Pool, least: int, most: int) -> list[int]:
    """Return powers of two within a server, and whole servers (Sia, sec. 3.3): these always fit when repacked."""
    inside = [2**k for k in range(pool.gpus_per_server.bit_length()) if 2**k <= pool.gpus_per_server]
    whole = [k * pool.gpus_per_server for k in range(1, pool.servers + 1)]
    return sorted({g for g in (*inside, *whole) if least <= g <= most})


def tabulate(workload: Workload) -> Tables:
    """Return the arrays of a workload; raise InputError for a job that fits nowhere even in an empty cluster."""
    jobs = tuple(sorted(workload.jobs, key=lambda job: job.arrival_s))
    position = {job.id: k for k, job in enumerate(workload.jobs)}
    applications = {a.id: a for a in workload.applications}
    types = tuple(pool.gpu_type for pool in workload.cluster)
    known: dict[tuple[object, ...], int] = {}
    made: list[list[Row]] = []
    table = np.empty(len(jobs), dtype=np.int64)
    cache: dict[str, list[tuple[int, int, tuple[float, ...]]]] = {}
    for j, job in enumerate(jobs):
        key = (job.application, job.gpus, job.batch, job.gpu_types, job.min_gpus, job.max_gpus)
        if key not in known:
            application = applications.get(job.application)
            if application is None:
                rows = _rigid(job, workload.cluster)
            else:
                if application.id not in cache:
                    cache[application.id] = _elastic(application, workload)
                rows = _configurations(job, application, workload, cache[application.id])
            if not rows:
                raise InputError(
                    "a job that fits the empty cluster", path=f"$.jobs[{position[job.id]}]", value=shown(job.id)
                )
            known[key] = len(made)
            made.append(rows)
        table[j] = known[key]
    return _arrays(workload, jobs, types, made, table, applications)


def _arrays(
    workload: Workload,
    jobs: tuple[TraceJob, ...],
    types: tuple[str, ...],
    made: list[list[Row]],
    table: IntArray,
    applications: dict[str, Application],
) -> Tables:
    """Lay the rows of all tables one after the other."""
    flat = [row for rows in made for row in rows]
    count = np.array([len(rows) for rows in made], dtype=np.int64)
    first = offsets(count)[:-1]
    stages = max((len(row[3]) for row in flat), default=1)
    rate = np.array([_stretched(row[3], stages) for row in flat], dtype=np.float64).reshape(len(flat), stages)
    keys: dict[tuple[str, int, int, float], int] = {}
    row_key = np.array([keys.setdefault(row[4], len(keys)) for row in flat], dtype=np.int64)
    fixed = tuple(
        tuple(
            int(start) + k for k in sorted((k for k, row in enumerate(rows) if row[2]), key=lambda k: -sum(rows[k][3]))
        )
        for rows, start in zip(made, first, strict=True)
    )
    names = tuple(q.id for q in workload.queues) or tuple(sorted({job.queue for job in jobs}))
    number = {name: k for k, name in enumerate(names)}
    servers = np.array([pool.servers for pool in workload.cluster], dtype=np.int64)
    per_server = np.array([pool.gpus_per_server for pool in workload.cluster], dtype=np.int64)
    row_gpus = np.array([row[1] for row in flat], dtype=np.int64)
    return Tables(
        workload=workload,
        jobs=jobs,
        types=types,
        capacity=servers * per_server,
        servers=servers,
        per_server=per_server,
        row_type=np.array([row[0] for row in flat], dtype=np.int64),
        row_gpus=row_gpus,
        row_fixed=np.array([row[2] for row in flat], dtype=bool),
        row_asked=np.array([row[4][3] > 0 for row in flat], dtype=bool),
        row_key=row_key,
        rate=rate,
        first=first,
        count=count,
        fixed=fixed,
        fixed_size=np.array([row_gpus[rows[0]] if rows else 0 for rows in fixed], dtype=np.int64),
        table=table,
        application=tuple(job.application for job in jobs),
        arrival=np.array([job.arrival_s for job in jobs], dtype=np.float64),
        work=np.array([job.work for job in jobs], dtype=np.float64),
        restart=np.array([_restart(job, applications) for job in jobs], dtype=np.float64),
        checkpoint=np.array([np.nan if j.checkpoint_s is None else j.checkpoint_s for j in jobs], dtype=np.float64),
        deadline=np.array([np.inf if j.deadline_s is None else j.deadline_s for j in jobs], dtype=np.float64),
        priority=np.array([job.priority for job in jobs], dtype=np.int64),
        queue=np.array([number[job.queue] for job in jobs], dtype=np.int64),
        queues=names,
    )


def _restart(job: TraceJob, applications: dict[str, Application]) -> float:
    if job.restart_s is not None:
        return job.restart_s
    return applications[job.application].restart_s if job.application else 0.0


def _stretched(rates: Sequence[float], stages: int) -> FloatArray:
    """Return rates of a few stages as rates of more, each stage standing for equal parts of the work."""
    return np.asarray(rates, dtype=np.float64)[np.arange(stages) * len(rates) // stages]


def _rigid(job: TraceJob, cluster: Sequence[Pool]) -> list[Row]:
    """Return the rows of a job that runs for a given time on the GPUs that it asks for."""
    return [
        (t, job.gpus, True, (1.0,), ("", t, job.gpus, 0.0))
        for t, pool in enumerate(cluster)
        if job.gpus <= pool.servers * pool.gpus_per_server and (job.gpu_types is None or pool.gpu_type in job.gpu_types)
    ]


def _elastic(application: Application, workload: Workload) -> list[tuple[int, int, tuple[float, ...]]]:
    """Return (type, GPUs, rate in each stage) of an application at the best batch of each configuration."""
    numbers = {pool.gpu_type: t for t, pool in enumerate(workload.cluster)}
    found: list[tuple[int, int, tuple[float, ...]]] = []
    for rate in application.rates:
        pool = workload.cluster[numbers[rate.gpu_type]]
        if rate.gpus <= pool.servers * pool.gpus_per_server:
            rates = rate.rate if isinstance(rate.rate, tuple) else (rate.rate,)
            found.append((numbers[rate.gpu_type], rate.gpus, rates))
    for name in application.curves:
        if name in numbers:
            pool = workload.cluster[numbers[name]]
            most = min(pool.servers * pool.gpus_per_server, application.max_gpus or 10**9)
            sizes = server_sizes(pool, application.min_gpus, most)
            for gpus, rates in zip(sizes, _goodputs(application, workload, pool, sizes, None), strict=True):
                if rates:
                    found.append((numbers[name], gpus, rates))
    return found


def _configurations(
    job: TraceJob,
    application: Application,
    workload: Workload,
    elastic: list[tuple[int, int, tuple[float, ...]]],
) -> list[Row]:
    """Return the rows of a job: every size at its best batch, and the requested size at the requested batch."""
    least, most = job.min_gpus or application.min_gpus, job.max_gpus or application.max_gpus or 10**9
    allowed = [t for t, p in enumerate(workload.cluster) if job.gpu_types is None or p.gpu_type in job.gpu_types]
    rows: list[Row] = [
        (t, gpus, job.batch is None and gpus == job.gpus, rates, (application.id, t, gpus, 0.0))
        for t, gpus, rates in elastic
        if t in allowed and least <= gpus <= most
    ]
    for t in allowed:
        pool = workload.cluster[t]
        listed = any(row[0] == t and row[2] for row in rows)
        if pool.gpu_type not in application.curves or listed or job.gpus > pool.servers * pool.gpus_per_server:
            continue
        (rates,) = _goodputs(application, workload, pool, [job.gpus], job.batch)
        if rates:
            rows.append((t, job.gpus, True, rates, (application.id, t, job.gpus, job.batch or 0.0)))
    if application.rates and not any(row[2] for row in rows):  # listed rates at other sizes than the requested one
        nearest = min((abs(row[1] - job.gpus) for row in rows), default=0)
        rows = [(t, g, abs(g - job.gpus) == nearest, rates, key) for t, g, _, rates, key in rows]
    return rows


def _goodputs(
    application: Application, workload: Workload, pool: Pool, sizes: list[int], batch: float | None
) -> list[tuple[float, ...]]:
    """Return the goodput of each size in each stage; empty where the curve does not cover it.

    Goodput is throughput times statistical efficiency (Pollux, OSDI'21, eq. 4 and 7).
    """
    from optsched.prediction.convergence.efficiency import best_batches, efficiency
    from optsched.prediction.curves.configurations import Points

    if not sizes:
        return []
    curve = workload.curves[application.curves[pool.gpu_type]]
    gpus = np.array(sizes, dtype=np.float64)
    nodes = np.ceil(gpus / pool.gpus_per_server)
    base = application.base_batch
    stages = application.noise_scale or (np.inf,)
    columns = []
    for phi in stages:
        noise = min(phi, 1e18)  # without a noise scale, every example counts the same
        if batch is None:
            largest = application.max_batch or base
            best = best_batches(curve, Points.of(gpus, nodes=nodes), noise, base, largest=max(largest, base))
            columns.append(best.goodput)
        else:
            share = batch / gpus
            passes = np.ceil(share / (curve.max_local_batch or np.inf)) if curve.max_local_batch else np.ones(len(gpus))
            points = Points.of(gpus, nodes=nodes, local_batch=share / passes, accumulation=passes)
            columns.append(curve.throughput(points) * efficiency(batch, noise, base))
    table = np.column_stack(columns)
    return [tuple(row.tolist()) if np.isfinite(row).all() and (row > 0).all() else () for row in table]
