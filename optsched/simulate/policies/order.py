"""What policies share that give jobs the sizes that they ask for, in some order."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.state import State

__all__ = ["kept", "pack", "place", "turn"]


def place(state: State, position: int, left: IntArray, *, move: bool = False) -> int:
    """Return the row of the job's own size on the fastest type that has room, the one it holds first; -1 for none.

    Parameters
    ----------
    move
        Whether a job leaves what it holds for a faster type if it is finished earlier there, restart included.
    """
    tables = state.tables
    held = int(state.held[position])
    rows = state.fixed(position)
    fits = [row for row in rows if left[tables.row_type[row]] >= tables.row_gpus[row]]
    if held not in fits:
        return fits[0] if fits else -1
    if move and fits[0] != held:
        stage = state.stage[position]
        now, then = (state.remaining[position] / state.known[row, stage] for row in (held, fits[0]))
        if then + tables.restart[state.job[position]] < now:
            return fits[0]
    return held


def pack(state: State, order: Iterable[int], *, stop: bool = False) -> IntArray:
    """Return who runs when the whole cluster is dealt out in an order: preemptive, the first first.

    Parameters
    ----------
    stop
        Whether the first job that does not fit ends it; else those behind it are tried.
    """
    tables = state.tables
    chosen = np.full(len(state), -1, dtype=np.int64)
    left = state.capacity.copy()
    spare = int(left.sum())
    for position in order:
        row = place(state, position, left, move=True)
        if row >= 0:
            chosen[position] = row
            left[tables.row_type[row]] -= tables.row_gpus[row]
            spare -= int(tables.row_gpus[row])
            if spare <= 0:
                break
        elif stop:
            break
    return chosen


def kept(state: State) -> IntArray:
    """Return what is held now, less what no longer fits after a failure (the last that came goes first)."""
    chosen = state.held.copy()
    tables, left = state.tables, state.free.copy()
    if (left < 0).any():
        for position in state.running[::-1].tolist():
            t = tables.row_type[chosen[position]]
            if left[t] < 0:
                left[t] += tables.row_gpus[chosen[position]]
                chosen[position] = -1
    return chosen


def turn(state: State, seconds: float) -> bool:
    """Tell whether a policy's own round is over, and begin the next one: for policies whose rounds are longer."""
    if state.now < state.memory.get("until", -np.inf):
        return False
    state.memory["until"] = state.now + seconds - 1e-6
    return True
