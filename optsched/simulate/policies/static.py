"""One configuration for good."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.order import kept
from optsched.simulate.state import State

__all__ = ["static"]

EFFICIENT = 0.5


def static(state: State) -> IntArray:
    """Each job gets its fastest configuration that uses GPUs at least half as well as its smallest, and keeps it.

    What a user would choose who knows the curves: Pollux, OSDI'21, sec. 5.1, submits "tuned" jobs whose speed-up is
    between half and all of the ideal. First in first out; those that do not fit are passed over.
    """
    chosen, left, tables = kept(state), np.maximum(0, state.free), state.tables
    for position in np.flatnonzero(chosen < 0).tolist():
        mine = np.flatnonzero(state.row_job == position)
        per_gpu = state.row_rate[mine] / state.row_gpus[mine]
        best = np.zeros(len(tables.types))
        np.maximum.at(best, state.row_type[mine], per_gpu)
        good = (per_gpu >= EFFICIENT * best[state.row_type[mine]]) & (
            state.row_gpus[mine] <= left[state.row_type[mine]]
        )
        if good.any():
            row = int(state.rows[mine[np.argmax(np.where(good, state.row_rate[mine], -1.0))]])
            chosen[position] = row
            left[tables.row_type[row]] -= tables.row_gpus[row]
    return chosen
