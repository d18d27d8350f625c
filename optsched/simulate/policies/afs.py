"""AFS: elastic sharing."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.greedy import Ladders, ladders
from optsched.simulate.state import State

__all__ = ["afs"]


def afs(state: State) -> IntArray:
    """Between two jobs, the next GPU goes to the longer one only if its relative gain exceeds the shorter one's.

    Hwang et al., NSDI'21 (AFS), sec. 4.2, Algorithm 1 (AFS-L): with rates p now and p' with more, of a shorter job a
    and a longer b, b wins if (p'_b - p_b) / p'_b > (p'_a - p_a) / p_a. Every job begins with its fewest GPUs, the
    shortest first; the winner of all takes a step at a time.
    """
    made = ladders(state, np.argsort(state.fixed_time(), kind="stable"))
    while True:
        steps = {job: step for job in np.flatnonzero(made.chosen >= 0).tolist() if (step := made.next(job)) is not None}
        if not steps:
            return made.chosen
        winner = -1
        for job in steps:
            if winner < 0 or _wins(made, steps, job, winner):
                winner = job
        row, more = steps[winner]
        made.left[state.tables.row_type[row]] -= more
        made.chosen[winner] = row


def _wins(made: Ladders, steps: dict[int, tuple[int, int]], one: int, other: int) -> bool:
    """Tell whether ``one`` has priority over ``other`` for the next GPUs."""
    shorter, longer = sorted((one, other), key=lambda job: made.time[job, int(made.chosen[job])])
    now = [made.rate[job, int(made.chosen[job])] for job in (shorter, longer)]
    more = [made.rate[job, steps[job][0]] for job in (shorter, longer)]
    per_gpu = [steps[job][1] for job in (shorter, longer)]
    wins = (more[1] - now[1]) / more[1] / per_gpu[1] > (more[0] - now[0]) / now[0] / per_gpu[0]
    return (longer if wins else shorter) == one
