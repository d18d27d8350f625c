"""A problem: an instance with its configurations and what each is worth, computed once for all who read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched.configurations import Configurations, tabulate
from optsched.curves import FloatArray, IntArray
from optsched.instance import Instance, ObjectiveSpec
from optsched.objectives import Objective, Rates, objective
from optsched.solution import Allocation

__all__ = ["Problem", "allocate", "pose", "row_label", "rows_of"]


@dataclass(frozen=True)
class Problem:
    """What formulations, heuristics and prices work on.

    value
        Of each row of the configurations, shape ``(n,)``.
    weight
        Of each job, 0 for one that has not arrived, shape ``(jobs,)``.
    required
        Whether each job must run, shape ``(jobs,)``.
    error
        Largest relative error that a linearization may have.
    """

    instance: Instance
    objective: Objective
    configurations: Configurations
    value: FloatArray
    weight: FloatArray
    required: NDArray[np.bool_]
    error: float

    def total(self, rows: IntArray) -> float:
        """Return the objective of the chosen row of each job, shape ``(jobs,)``, -1 for none."""
        values = np.zeros(len(rows))
        runs = rows >= 0
        values[runs] = self.value[rows[runs]]
        return self.objective.total(values, self.weight)


def pose(instance: Instance, spec: ObjectiveSpec | None = None, error: float = 5e-5) -> Problem:
    """Return the problem of an instance, with another objective than its own where one is given."""
    goal = objective(spec or instance.objective)
    table = tabulate(instance)
    here = [job.arrival_s <= instance.now_s for job in instance.jobs]
    weight = np.array([job.weight * now for job, now in zip(instance.jobs, here, strict=True)], dtype=np.float64)
    rates = Rates(
        weight=weight[table.job],
        reference=table.reference[table.job],
        throughput=table.ways.throughput * table.share,
        goodput=table.ways.goodput * table.share,
    )
    return Problem(
        instance=instance,
        objective=goal,
        configurations=table,
        value=goal.value(rates),
        weight=weight,
        required=np.array([job.required for job in instance.jobs], dtype=bool),
        error=error,
    )


def rows_of(problem: Problem, chosen: IntArray) -> IntArray:
    """Return the row of each job, shape ``(jobs,)`` with -1 for none, from the numbers of the chosen rows."""
    rows = np.full(problem.configurations.jobs, -1, dtype=np.int64)
    rows[problem.configurations.job[chosen]] = chosen
    return rows


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


def row_label(problem: Problem, row: int) -> str:
    """Return the index of a configuration for people, e.g. ``job-3,v100@main,8,0``."""
    table = problem.configurations
    job = problem.instance.jobs[table.job[row]].id
    ways = table.ways
    # what a job holds can repeat the counts of another row with another batch or other nodes
    batch = "" if np.isnan(ways.local_batch[row]) else f",{ways.local_batch[row]:g}x{ways.accumulation[row]}"
    return f"{job},{table.pools[ways.pool[row]]},{ways.gpus[row]}/{ways.nodes[row]},{ways.servers[row]}{batch}"
