"""A solution: who holds what, with the numbers that it claims."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec

from optsched.curves import IntArray
from optsched.curves.family import Name, PositiveInt
from optsched.problem import Problem

__all__ = ["Allocation", "Record", "Waiting", "allocate", "allocations_hash"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all records of the solution file."""


class Allocation(Record, frozen=True, kw_only=True):
    """What one job holds.

    nodes
        Servers that its GPUs are spread over.
    servers
        Parameter servers.
    gbps
        Network rate assigned to each node; None: not decided.
    placement
        GPUs on each named server (``group`` or ``group/number``); None: not decided.
    throughput
        Examples/s while it trains, by the true curve.
    progress
        Goodput, net of what a restart loses of the round, over the job's reference goodput.
    """

    job: Name
    site: Name
    gpu_type: Name
    gpus: PositiveInt
    nodes: PositiveInt
    servers: Annotated[int, msgspec.Meta(ge=0)] = 0
    local_batch: float | None = None
    accumulation: PositiveInt = 1
    gbps: float | None = None
    placement: dict[Name, PositiveInt] | None = None
    throughput: float
    progress: float


class Waiting(Record, frozen=True, kw_only=True):
    """A job that gets nothing, and why, where that is known."""

    job: Name
    reason: str = ""


def allocate(problem: Problem, rows: IntArray) -> tuple[Allocation, ...]:
    """Return the allocations that rows of the configurations mean, in the order of the jobs.

    Parameters
    ----------
    rows
        The chosen row of each job, shape ``(jobs,)``; -1 for a job that gets nothing.
    """
    table = problem.configurations
    chosen = rows[rows >= 0]
    ways, pools = table.ways.take(chosen), table.pools
    progress = ways.goodput * table.share[chosen] / table.reference[table.job[chosen]]
    columns = zip(
        table.job[chosen].tolist(), ways.pool.tolist(), ways.gpus.tolist(), ways.nodes.tolist(),
        ways.servers.tolist(), ways.local_batch.tolist(), ways.accumulation.tolist(),
        ways.throughput.tolist(), progress.tolist(), strict=True,
    )  # fmt: skip
    jobs = problem.instance.jobs
    return tuple(
        Allocation(
            job=jobs[j].id, site=pools[p].site, gpu_type=pools[p].gpu_type, gpus=gpus, nodes=nodes, servers=servers,
            local_batch=None if batch != batch else batch, accumulation=passes, throughput=rate, progress=gain,
        )
        for j, p, gpus, nodes, servers, batch, passes, rate, gain in columns
    )  # fmt: skip


def allocations_hash(allocations: tuple[Allocation, ...]) -> str:
    """Return a hash of who holds what."""
    return hashlib.sha256(msgspec.json.encode(allocations, order="deterministic")).hexdigest()[:16]
