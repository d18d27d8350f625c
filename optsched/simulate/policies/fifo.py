"""First in, first out."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.order import kept, place
from optsched.simulate.state import State

__all__ = ["fifo"]


def fifo(state: State) -> IntArray:
    """First in, first out: jobs start in the order of their arrival, run to their end, and none overtakes.

    The size that each asks for, on the fastest type that has room.
    """
    chosen = kept(state)
    left = np.maximum(0, state.free)
    tables = state.tables
    for position in np.flatnonzero(chosen < 0).tolist():
        row = place(state, position, left)
        if row < 0:
            break
        chosen[position] = row
        left[tables.row_type[row]] -= tables.row_gpus[row]
    return chosen
