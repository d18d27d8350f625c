"""Shockwave: Nash welfare over a window of rounds."""

from __future__ import annotations

import heapq

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.simulate.policies.order import kept, pack, turn
from optsched.simulate.state import State

__all__ = ["shockwave"]

WINDOW = 20
ROUND_S = 120.0
POWER = 5.0


def shockwave(state: State) -> IntArray:
    """Deal out the rounds of a window by Nash welfare, weighted by the finish-time fairness that is foreseen.

    Zheng et al., NSDI'23 (Shockwave), sec. 5-6 and eq. 10: maximize sum rho_j^k log(progress by the window's end),
    k = 5, over how many of its T = 20 rounds (of two minutes) each job runs at the size that it asks for, in all no
    more GPU rounds than there are. Concave and separable: rounds are dealt one by one to the largest gain for each GPU
    (exact but for the last round). The jobs with most rounds still due run; the plan is made anew when jobs come or go,
    or it is done. The paper's regularizer for the makespan breaks ties: the longest first.
    """
    if not turn(state, ROUND_S):
        return kept(state)
    memory = state.memory
    key = tuple(state.job.tolist())
    left = state.fixed_time()
    if memory.get("of") != key or memory["turns"] <= 0:
        memory["of"], memory["turns"], memory["due"] = key, WINDOW, _plan(state, left)
    due: FloatArray = memory["due"]
    goes_on = (state.held >= 0) & (due > 0)  # the rounds of a job follow each other, so that it restarts less
    chosen = pack(state, np.lexsort((-left, -due, ~goes_on, due <= 0)).tolist())
    due[chosen >= 0] -= 1.0
    memory["turns"] -= 1
    return chosen


def _plan(state: State, left: FloatArray) -> FloatArray:
    """Return the rounds of the window for each job, shape ``(n,)``."""
    length = max(state.round_s, ROUND_S)
    gpus = state.tables.fixed_size[state.tables.table[state.job]]
    whole = left / np.maximum(1e-9, 1.0 - state.done)
    crowd = max(1.0, float(gpus.sum()) / max(1.0, float(state.capacity.sum())))
    spent = state.now - state.arrival
    rho = (spent + left * crowd) / np.maximum(1e-9, whole * crowd)
    weight = rho**POWER
    step = length / np.maximum(whole, 1e-9)
    due = np.zeros(len(state))
    budget = float(state.capacity.sum()) * WINDOW
    heap: list[tuple[float, int]] = []

    def gain(job: int) -> float:
        have = state.done[job] + due[job] * step[job] + 1e-3
        return float(weight[job] * np.log1p(step[job] / have) / gpus[job])

    for job in range(len(state)):
        heapq.heappush(heap, (-gain(job), job))
    while heap and budget > 0:
        _, job = heapq.heappop(heap)
        if gpus[job] > budget or due[job] >= min(WINDOW, np.ceil(left[job] / length)):
            continue
        due[job] += 1
        budget -= float(gpus[job])
        heapq.heappush(heap, (-gain(job), job))
    return due
