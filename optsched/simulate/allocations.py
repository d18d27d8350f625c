"""What policies return: read, and refused where no cluster can do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from optsched._util.arrays import IntArray
from optsched.errors import InputError, shown
from optsched.simulate.state import State

__all__ = ["as_rows"]


def as_rows(answer: Any, state: State, name: str) -> IntArray:
    """Return the row of each job (-1: none), shape ``(n,)``.

    Parameters
    ----------
    answer
        Such an array, or {job id: (GPU type, GPUs)} with jobs that get nothing left out.

    Raises
    ------
    InputError
        That names the policy: for a job that is not there, a configuration that it does not have, or more GPUs than
        there are.
    """
    tables = state.tables
    if isinstance(answer, Mapping):
        rows = _named(answer, state, name)
    else:
        rows = np.asarray(answer)
        if rows.shape != (len(state),) or (rows.size and rows.dtype.kind not in "iu"):
            raise InputError(f"one whole number for each of {len(state)} jobs", path=name, value=f"shape {rows.shape}")
        rows = rows.astype(np.int64)
        changed = np.flatnonzero((rows != state.held) & (rows >= 0))
        table = tables.table[state.job[changed]]
        outside = (rows[changed] < tables.first[table]) | (rows[changed] >= tables.first[table] + tables.count[table])
        if outside.any():
            job = tables.jobs[int(state.job[changed[np.argmax(outside)]])].id
            raise InputError(
                "a configuration of the job", path=f"{name}: {job}", value=shown(int(rows[changed][outside][0]))
            )
    used = rows[rows >= 0]
    load = np.bincount(tables.row_type[used], weights=tables.row_gpus[used], minlength=len(tables.types))
    if (over := load > state.capacity).any():
        t = int(np.argmax(over))
        raise InputError(
            f"at most {int(state.capacity[t])} GPUs of {tables.types[t]}",
            path=f"{name} at {state.now:g} s",
            value=f"{int(load[t])}",
        )
    return rows


def _named(answer: Mapping[Any, Any], state: State, name: str) -> IntArray:
    tables = state.tables
    position = {tables.jobs[j].id: k for k, j in enumerate(state.job.tolist())}
    rows = np.full(len(state), -1, dtype=np.int64)
    for job, given in answer.items():
        if job not in position:
            raise InputError("a job that waits or runs", path=name, value=shown(job))
        k = position[job]
        table = int(tables.table[state.job[k]])
        mine = range(int(tables.first[table]), int(tables.first[table] + tables.count[table]))
        try:
            gpu_type, gpus = given
        except (TypeError, ValueError):
            raise InputError("a GPU type and a number of GPUs", path=f"{name}: {job}", value=shown(given)) from None
        fits = [r for r in mine if tables.types[tables.row_type[r]] == gpu_type and tables.row_gpus[r] == gpus]
        if not fits:
            raise InputError("a configuration of the job", path=f"{name}: {job}", value=shown(given))
        rows[k] = state.held[k] if state.held[k] in fits else fits[0]
    return rows
