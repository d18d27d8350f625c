"""Optimus: marginal gains of time left."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.greedy import ladders
from optsched.simulate.policies.order import kept, turn
from optsched.simulate.state import State

__all__ = ["optimus"]

INTERVAL_S = 600.0


def optimus(state: State) -> IntArray:
    """Every job starts with its fewest GPUs; the next go where they save most time left for each GPU.

    Peng et al., EuroSys'18 (Optimus), sec. 4.1. Parameter servers and workers are one resource here, and jobs start in
    the order of their time left. Decisions are ten minutes apart, as there (sec. 4).
    """
    if not turn(state, INTERVAL_S):
        return kept(state)
    made = ladders(state, np.argsort(state.fixed_time(), kind="stable"))

    def gain(job: int, row: int, larger: int, more: int) -> float:
        return (made.time[job, row] - made.time[job, larger]) / more

    return made.grow(gain)
