"""What came of a simulation, and the numbers that policies are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, stretches
from optsched.simulate.tables import Tables

__all__ = ["METRICS", "Outcome", "Segment", "finish_time_fairness", "isolated_time", "metrics"]


class Segment(NamedTuple):
    """A time in which a job held a row without a change; ``first`` is the number of its first GPU."""

    job: int
    row: int
    begin: float
    end: float
    first: int
    gpus: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """Arrays over the ``n`` jobs by arrival; nan for what did not happen.

    finish, first_start
        Seconds on the clock of arrivals.
    starts
        How often each job was started: once is no restart.
    attained, lost
        GPU seconds had, and the part of them that went into starts and work that was lost.
    contention
        Mean number of jobs in the system while each was there.
    available
        GPU seconds that were up while there were jobs.
    latency
        Seconds that each decision took.
    """

    tables: Tables
    policy: str
    seed: int
    truth: FloatArray
    finish: FloatArray
    first_start: FloatArray
    starts: IntArray
    attained: FloatArray
    lost: FloatArray
    contention: FloatArray
    available: float
    latency: FloatArray
    segments: tuple[Segment, ...]
    restart: FloatArray

    @property
    def completion(self) -> FloatArray:
        """Seconds from arrival to finish of each job."""
        return np.asarray(self.finish - self.tables.arrival)


def isolated_time(outcome: Outcome) -> FloatArray:
    """Return the seconds that each job would take with its equal share of the cluster, shape ``(n,)``.

    Among N jobs (the mean number while it was there) a job may use N_k / N GPUs of type k, that is g GPUs for a part
    N_k / (N g) of the time, in all no more than the whole time (Gavel, OSDI'20, sec. 4.1); it takes the best size g.
    Jobs whose size is fixed take that size.
    """
    tables = outcome.tables
    n = len(tables)
    table = tables.table
    rows = stretches(tables.first[table], tables.count[table])
    job = np.repeat(np.arange(n), tables.count[table])
    pace = 1.0 / (1.0 / outcome.truth[rows]).mean(axis=1)
    crowd = np.maximum(1.0, outcome.contention[job])
    gpus = tables.row_gpus[rows]
    part = tables.capacity[tables.row_type[rows]] / crowd / gpus
    order = np.lexsort((gpus, job))
    new = np.flatnonzero((np.diff(job[order], prepend=-1) != 0) | (np.diff(gpus[order], prepend=-1) != 0))
    if not len(new):
        return np.zeros(n)
    share = np.maximum(1.0, np.add.reduceat(part[order], new))
    rate = np.add.reduceat((part * pace)[order], new) / share
    best = np.zeros(n)
    np.maximum.at(best, job[order][new], rate)
    return np.asarray(tables.work / best + outcome.restart)


def finish_time_fairness(outcome: Outcome) -> FloatArray:
    """Return the completion time over the isolated time of each job (Themis, NSDI'20, sec. 3.1): above 1 is unfair."""
    return np.asarray(outcome.completion / np.maximum(1e-9, isolated_time(outcome)))


METRICS = (
    "average_completion_s", "p50_completion_s", "p99_completion_s", "makespan_s", "average_queueing_s",
    "worst_finish_time_fairness", "mean_finish_time_fairness", "unfair_fraction", "gpu_hours", "gpu_hours_lost",
    "restarts", "utilization", "deadline_misses", "decisions", "decision_ms", "p99_decision_ms", "finished",
)  # fmt: skip
"""The numbers of a simulation, in the order in which they are written."""


def metrics(outcome: Outcome) -> dict[str, float]:
    """Return the numbers that a policy is judged by, over the jobs that finished."""
    ended = np.isfinite(outcome.finish)
    completion = outcome.completion[ended]
    nothing = not len(completion)
    rho = finish_time_fairness(outcome)[ended] if not nothing else np.zeros(0)
    queueing = (outcome.first_start - outcome.tables.arrival)[ended]
    late = np.isfinite(outcome.tables.deadline) & ~(outcome.finish <= outcome.tables.deadline)
    latency = 1000 * outcome.latency
    values = (
        np.nan if nothing else completion.mean(),
        np.nan if nothing else np.percentile(completion, 50),
        np.nan if nothing else np.percentile(completion, 99),
        np.nan if nothing else outcome.finish[ended].max() - outcome.tables.arrival.min(),
        np.nan if nothing else queueing.mean(),
        np.nan if nothing else rho.max(),
        np.nan if nothing else rho.mean(),
        np.nan if nothing else (rho > 1).mean(),
        outcome.attained.sum() / 3600,
        outcome.lost.sum() / 3600,
        np.maximum(0, outcome.starts - 1).sum(),
        outcome.attained.sum() / outcome.available if outcome.available > 0 else 0.0,
        late.sum(),
        len(latency),
        latency.mean() if len(latency) else 0.0,
        np.percentile(latency, 99) if len(latency) else 0.0,
        ended.sum(),
    )
    whole = {"restarts", "deadline_misses", "decisions", "finished"}
    return {name: int(value) if name in whole else float(value) for name, value in zip(METRICS, values, strict=True)}
