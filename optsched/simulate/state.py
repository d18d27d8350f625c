"""What a policy sees when it decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, stretches
from optsched.simulate.tables import Tables

__all__ = ["State"]


@dataclass(eq=False)
class State:
    """The cluster and its ``n`` jobs that have arrived and not finished, by arrival.

    now
        Seconds on the clock of arrivals.
    round_s
        Seconds until the next decision; 0: after the next event.
    capacity
        GPUs of each type that are up, shape ``(t,)``.
    job
        Number of each job in the workload, shape ``(n,)``.
    held
        Row that each job holds, -1 for none, shape ``(n,)``. A policy returns such an array.
    done
        Part of each job's work that is done, shape ``(n,)``.
    attained
        GPU seconds that each job has had, shape ``(n,)``.
    restarts
        Times that each job was started, shape ``(n,)``.
    running_since
        When each job got what it holds, shape ``(n,)``; meaningless where it holds nothing.
    known
        Progress of all rows of the workload in each stage, as far as the policy knows, shape ``(r, s)``.
    seen
        Rounds in which each key (``Tables.row_key``) has been observed.
    memory
        For the policy: whatever it keeps between decisions.
    """

    tables: Tables
    now: float
    round_s: float
    capacity: IntArray
    job: IntArray
    held: IntArray
    done: FloatArray
    attained: FloatArray
    restarts: IntArray
    running_since: FloatArray
    known: FloatArray
    memory: dict[str, Any] = field(default_factory=dict)
    seen: IntArray | None = None

    def __len__(self) -> int:
        return len(self.job)

    @cached_property
    def waiting(self) -> IntArray:
        """Positions of the jobs that hold nothing, by arrival."""
        return np.flatnonzero(self.held < 0)

    @cached_property
    def running(self) -> IntArray:
        """Positions of the jobs that hold something, by arrival."""
        return np.flatnonzero(self.held >= 0)

    @cached_property
    def free(self) -> IntArray:
        """GPUs of each type that are up and held by no job, shape ``(t,)``."""
        rows = self.held[self.held >= 0]
        used = np.bincount(self.tables.row_type[rows], weights=self.tables.row_gpus[rows], minlength=len(self.capacity))
        return self.capacity - used.astype(np.int64)

    @cached_property
    def arrival(self) -> FloatArray:
        """Arrival of each job, shape ``(n,)``."""
        return self.tables.arrival[self.job]

    @cached_property
    def stage(self) -> IntArray:
        """Stage of training of each job, shape ``(n,)``."""
        stages = self.tables.stages
        return np.minimum((self.done * stages + 1e-9).astype(np.int64), stages - 1)

    @cached_property
    def remaining(self) -> FloatArray:
        """Work left of each job, in its unit, shape ``(n,)``."""
        return (1.0 - self.done) * self.tables.work[self.job]

    @cached_property
    def rows(self) -> IntArray:
        """All rows of the jobs, one job after the other, shape ``(m,)``."""
        table = self.tables.table[self.job]
        return stretches(self.tables.first[table], self.tables.count[table])

    @cached_property
    def row_job(self) -> IntArray:
        """Position of the job of each of ``rows``, shape ``(m,)``."""
        return np.repeat(np.arange(len(self.job)), self.tables.count[self.tables.table[self.job]])

    @cached_property
    def row_type(self) -> IntArray:
        """GPU type of each of ``rows``."""
        return self.tables.row_type[self.rows]

    @cached_property
    def row_gpus(self) -> IntArray:
        """GPUs of each of ``rows``."""
        return self.tables.row_gpus[self.rows]

    @cached_property
    def row_rate(self) -> FloatArray:
        """Progress per second of each of ``rows`` in the job's present stage."""
        return np.asarray(self.known[self.rows, self.stage[self.row_job]])

    @cached_property
    def row_time(self) -> FloatArray:
        """Seconds in which each of ``rows`` would finish the job, through all its later stages, without a restart."""
        if self.tables.stages == 1:
            return np.asarray(self.remaining[self.row_job] / self.row_rate)
        return self._time(self.rows, self.row_job)

    def time_left(self, positions: IntArray, rows: IntArray) -> FloatArray:
        """Return the seconds in which jobs would finish in the rows, shape as both have."""
        return self._time(rows, positions)

    def _time(self, rows: IntArray, positions: IntArray) -> FloatArray:
        stages = self.tables.stages
        part = np.clip((np.arange(stages) + 1.0) / stages - self.done[positions, None], 0.0, 1.0 / stages)
        return np.asarray((part / self.known[rows]).sum(axis=1) * self.tables.work[self.job[positions]])

    @cached_property
    def row_held(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether the job holds the row now, for each of ``rows``."""
        return np.asarray(self.rows == self.held[self.row_job])

    def fixed(self, position: int) -> tuple[int, ...]:
        """Return the rows of the size that the job asks for, the fastest type first."""
        return self.tables.fixed[int(self.tables.table[self.job[position]])]

    def fixed_time(self) -> FloatArray:
        """Return the seconds left of each job at the size that it asks for on its fastest type, shape ``(n,)``."""
        best = np.array([rows[0] if rows else -1 for rows in self.tables.fixed], dtype=np.int64)
        row = best[self.tables.table[self.job]]
        return self._time(row, np.arange(len(self.job)))
