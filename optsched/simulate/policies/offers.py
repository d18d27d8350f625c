"""What policies share that choose one configuration a job by a sum of values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.simulate.assign import best_rows
from optsched.simulate.state import State

__all__ = ["assigned", "best_of", "least_of", "restart_factor", "within_reach"]


def assigned(state: State, value: FloatArray) -> IntArray:
    """Return the rows with the largest sum of values within the GPUs; what is held wins ties."""
    key = "prices"
    elastic = np.bincount(state.row_job, weights=~state.tables.row_asked[state.rows], minlength=len(state)) > 0
    asked = state.tables.row_asked[state.rows] & elastic[state.row_job]
    value = np.where(asked, -1.0, value)  # these policies choose batches themselves
    value = value + np.where(state.row_held, 1e-9 * np.abs(value).max(initial=0.0), 0.0)
    found = best_rows(
        state.row_job, state.row_type, state.row_gpus, value, state.capacity, len(state), prices=state.memory.get(key)
    )
    state.memory[key] = found.prices
    return np.where(found.row >= 0, state.rows[found.row], -1)


def least_of(state: State, value: FloatArray) -> FloatArray:
    """Return the least value of each job's rows, shape ``(n,)``."""
    least = np.full(len(state), np.inf)
    np.minimum.at(least, state.row_job, value)
    return least


def best_of(state: State, value: FloatArray) -> FloatArray:
    """Return the largest value of each job's rows, shape ``(n,)``."""
    best = np.full(len(state), -np.inf)
    np.maximum.at(best, state.row_job, value)
    return best


def restart_factor(state: State) -> FloatArray:
    """Return (age - N S) / (age + S) of each row that is not held, 1 for what is held; shape ``(m,)``.

    S restart seconds, N restarts so far: Pollux, OSDI'21, sec. 4.2.1; Sia, SOSP'23, sec. 3.4, eq. 2.
    """
    restart = state.tables.restart[state.job]
    age = np.maximum(0.0, state.now - state.arrival)
    part = np.maximum(0.0, age - state.restarts * restart) / np.maximum(1e-9, age + restart)
    part = np.where((state.restarts == 0) | (restart == 0), 1.0, part)  # the first start is no loss by the choice
    return np.asarray(np.where(state.row_held, 1.0, part[state.row_job]))


def within_reach(state: State, factor: float = 2.0, *, shared: bool = False) -> NDArray[np.bool_]:
    """Tell which rows have at most ``factor`` times the most GPUs that the job has held; new jobs get the fewest.

    Sia, SOSP'23, sec. 3.3: jobs scale up by at most 2x a round, and start with their minimum.

    Parameters
    ----------
    shared
        By what any job of its application has held, instead of the job alone. Rigid jobs may have what they need.
    """
    tables = state.tables
    most: dict[int | str, int] = state.memory.setdefault("most", {})

    def whose(job: int) -> int | str:
        return tables.application[job] if shared and tables.application[job] else job

    for job, row in zip(state.job[state.running].tolist(), state.held[state.running].tolist(), strict=True):
        most[whose(job)] = max(most.get(whose(job), 0), int(tables.row_gpus[row]))
    smallest = least_of(state, state.row_gpus.astype(np.float64))
    had = np.array([most.get(whose(job), 0) for job in state.job.tolist()], dtype=np.float64)
    return np.asarray(state.row_gpus <= np.maximum(smallest, factor * had)[state.row_job])
