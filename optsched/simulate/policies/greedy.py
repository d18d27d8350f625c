"""Growing allocations step by step: what Optimus, AFS, speed-up and ElasticFlow share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.simulate.state import State

__all__ = ["Ladders", "ladders"]


class Ladders:
    """For each job and type its rows by GPUs, each faster than those below it; and what is left of each type."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.left = state.capacity.copy()
        self.chosen = np.full(len(state), -1, dtype=np.int64)
        self.steps: list[dict[int, list[int]]] = [{} for _ in range(len(state))]
        self.rate: dict[tuple[int, int], float] = {}
        self.time: dict[tuple[int, int], float] = {}
        asked = state.tables.row_asked[state.rows]
        elastic = np.bincount(state.row_job, weights=~asked, minlength=len(state)) > 0
        order = np.lexsort((-state.row_rate, state.row_gpus, state.row_type, state.row_job))
        order = order[~(asked & elastic[state.row_job])[order]]  # these policies choose the best batch
        table = (state.rows, state.row_job, state.row_type, state.row_rate, state.row_time)
        for row, job, t, rate, left in zip(*(a[order].tolist() for a in table), strict=True):
            ladder = self.steps[job].setdefault(t, [])
            if ladder and rate <= self.rate[job, ladder[-1]]:
                continue
            ladder.append(row)
            self.rate[job, row], self.time[job, row] = rate, left
        self.gpus = state.tables.row_gpus.tolist()

    def start(self, job: int) -> bool:
        """Give a job its smallest row on the type where that is fastest, and say whether there was room."""
        best = [
            (self.rate[job, ladder[0]], ladder[0], t)
            for t, ladder in self.steps[job].items()
            if self.gpus[ladder[0]] <= self.left[t]
        ]
        if not best:
            return False
        held = int(self.state.held[job])
        types = {t for _, _, t in best}
        here = int(self.state.tables.row_type[held]) if held >= 0 else -1
        if here in types:  # a job stays on its type: growing it there costs no more than a restart that it has anyway
            best = [b for b in best if b[2] == here]
        _, row, t = max(best)
        self.chosen[job] = row
        self.left[t] -= self.gpus[row]
        return True

    def next(self, job: int) -> tuple[int, int] | None:
        """Return the next larger row of what a job has, and the GPUs that it takes more; None if there is no room."""
        row = int(self.chosen[job])
        t = int(self.state.tables.row_type[row])
        ladder = self.steps[job][t]
        k = ladder.index(row) + 1
        if k >= len(ladder):
            return None
        more = self.gpus[ladder[k]] - self.gpus[row]
        return (ladder[k], more) if more <= self.left[t] else None

    def grow(self, gain: Callable[[int, int, int, int], float]) -> IntArray:
        """Take the step with the largest positive gain(job, row, larger row, GPUs more) as long as there is one."""
        import heapq

        heap: list[tuple[float, int, int, int]] = []

        def offer(job: int) -> None:
            if self.chosen[job] >= 0 and (step := self.next(job)) is not None:
                worth = gain(job, int(self.chosen[job]), *step)
                if worth > 0:
                    heapq.heappush(heap, (-worth, job, step[0], step[1]))

        for job in np.flatnonzero(self.chosen >= 0).tolist():
            offer(job)
        while heap:
            _, job, row, more = heapq.heappop(heap)
            t = int(self.state.tables.row_type[row])
            if more > self.left[t]:
                continue
            self.chosen[job] = row
            self.left[t] -= more
            offer(job)
        return self.chosen


def ladders(state: State, order: IntArray | FloatArray) -> Ladders:
    """Return ladders on which jobs have been started in an order, as many as there is room for."""
    made = Ladders(state)
    for job in np.asarray(order).tolist():
        made.start(int(job))
    return made
