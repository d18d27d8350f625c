"""The shortest, or the largest, first."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.order import pack
from optsched.simulate.state import State

__all__ = ["largest_remaining", "shortest_remaining"]


def shortest_remaining(state: State) -> IntArray:
    """Shortest remaining time first, preemptive: the size that each job asks for, by the time that it has left.

    Schrage, Operations Research 1968, proves it for one server; with gangs it is a rule of thumb.
    """
    return pack(state, np.argsort(state.fixed_time(), kind="stable").tolist())


def largest_remaining(state: State) -> IntArray:
    """Largest remaining time first, preemptive: it ends all jobs early together (makespan) and short ones late.

    Graham, SIAM J. Appl. Math. 1969, with preemption.
    """
    return pack(state, np.argsort(-state.fixed_time(), kind="stable").tolist())
