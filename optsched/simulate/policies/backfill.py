"""First in, first out, with backfill."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.order import kept, place
from optsched.simulate.state import State

__all__ = ["backfill"]


def backfill(state: State) -> IntArray:
    """EASY backfill: first in, first out, and later jobs overtake where the first one that waits is not delayed.

    Mu'alem and Feitelson, IEEE TPDS 2001, sec. 3.1: the first job that does not fit gets a reservation at the
    earliest time at which enough GPUs are free by the known ends (shadow time); a later one may start if it fits now
    and either ends by then, or uses no more than what is spare then (extra GPUs). The reservation is on the type
    where it is earliest; other types are not reserved.
    """
    chosen = kept(state)
    left = np.maximum(0, state.free)
    tables = state.tables
    queue = np.flatnonzero(chosen < 0)
    head = -1
    for number, position in enumerate(queue.tolist()):
        row = place(state, position, left)
        if row < 0:
            head, queue = position, queue[number + 1 :]
            break
        chosen[position] = row
        left[tables.row_type[row]] -= tables.row_gpus[row]
    if head < 0 or not len(queue) or left.sum() == 0:
        return chosen
    shadow, where, extra = _reservation(state, chosen, head, left)
    if len(tables.types) == 1:  # most traces: one type, where all are tested at once
        size = tables.fixed_size[tables.table[state.job[queue]]]
        queue = queue[size <= left[0]]
        time = _times(state, queue)
        size = tables.fixed_size[tables.table[state.job[queue]]]
        queue = queue[(state.now + time <= shadow) | (size <= extra)]
    for position in queue.tolist():
        row = place(state, position, left)
        if row < 0:
            continue
        t, gpus = int(tables.row_type[row]), int(tables.row_gpus[row])
        if t == where:
            ends = state.now + float(state.time_left(np.array([position]), np.array([row]))[0])
            if ends > shadow:
                if gpus > extra:
                    continue
                extra -= gpus
        chosen[position] = row
        left[t] -= gpus
        if left.sum() == 0:
            break
    return chosen


def _times(state: State, positions: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the seconds that jobs need at their own size on the fastest type."""
    first = np.array([state.fixed(p)[0] for p in positions.tolist()], dtype=np.int64)
    return state.time_left(positions, first)


def _reservation(state: State, chosen: IntArray, head: int, left: IntArray) -> tuple[float, int, int]:
    """Return when and on which type the first job can start at the latest, and the GPUs that are spare then."""
    tables = state.tables
    runs = np.flatnonzero(chosen >= 0)
    rows = chosen[runs]
    ends = state.now + state.time_left(runs, rows)
    best: tuple[float, int, int] = (np.inf, -1, 0)
    for row in state.fixed(head):
        t, gpus = int(tables.row_type[row]), int(tables.row_gpus[row])
        mine = np.flatnonzero(tables.row_type[rows] == t)
        order = mine[np.argsort(ends[mine], kind="stable")]
        room = left[t] + np.cumsum(tables.row_gpus[rows[order]])
        k = int(np.searchsorted(room, gpus))
        if k < len(order) and ends[order[k]] < best[0]:
            same = int(np.searchsorted(ends[order], ends[order[k]], side="right")) - 1
            best = float(ends[order[k]]), t, int(room[same]) - gpus
    return best
