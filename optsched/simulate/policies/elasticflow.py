"""ElasticFlow: deadlines."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.greedy import Ladders
from optsched.simulate.state import State

__all__ = ["elasticflow"]


def elasticflow(state: State) -> IntArray:
    """Each job gets the smallest share that meets its deadline, the rest goes where it saves most GPU time.

    Gu et al., ASPLOS'23 (ElasticFlow), sec. 4.1 (minimum satisfactory share, by deadline) and 4.2 (allocation by
    marginal return). The share is constant to the deadline here, where the paper plans it slot by slot; jobs whose
    deadline can't be met, and those without one, come last (the paper drops the first).
    """
    made = Ladders(state)
    deadline = state.tables.deadline[state.job]
    restart = np.where(state.held >= 0, 0.0, state.tables.restart[state.job])
    late = []
    for job in np.lexsort((state.arrival, deadline)).tolist():
        rows = [
            (made.gpus[row], -made.rate[job, row], row, t)
            for t, ladder in made.steps[job].items()
            for row in ladder
            if state.now + restart[job] + made.time[job, row] <= deadline[job] and made.gpus[row] <= made.left[t]
        ]
        if not np.isfinite(deadline[job]) or not rows:
            late.append(job)
            continue
        gpus, _, row, t = min(rows)
        made.chosen[job] = row
        made.left[t] -= gpus
    for job in late:
        made.start(job)

    def gain(job: int, row: int, larger: int, more: int) -> float:
        return (made.rate[job, larger] - made.rate[job, row]) / made.rate[job, row] / more

    return made.grow(gain)
