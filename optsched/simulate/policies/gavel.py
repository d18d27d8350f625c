"""Gavel: time shares of GPU types, paid out in rounds."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.order import kept, turn
from optsched.simulate.state import State

__all__ = ["gavel", "gavel_throughput"]

ROUND_S = 360.0


def gavel(state: State) -> IntArray:
    """Max-min fair shares of time on each GPU type, at the size that jobs ask for, paid out in rounds.

    Narayanan et al., OSDI'20 (Gavel), sec. 4.1 (the program, "least attained service") and sec. 5 (rounds by
    priority: the share over the part of the rounds received). The program is solved anew when jobs come or go.
    Rounds take six minutes, as there, whatever the simulation's are.
    """
    return _rounds(state, "max-min")


def gavel_throughput(state: State) -> IntArray:
    """As Gavel, with the program of the largest sum of normalized throughputs.

    Narayanan et al., OSDI'20 (Gavel), sec. 4.2 (throughput-maximizing policies).
    """
    return _rounds(state, "throughput")


def _rounds(state: State, program: str) -> IntArray:
    if not turn(state, ROUND_S):
        return kept(state)
    from optsched.timeshare import market, max_min, throughput
    from optsched.timeshare.rounds import rounds

    tables, memory = state.tables, state.memory
    table = tables.table[state.job]
    row_of = np.full((len(state), len(tables.types)), -1, dtype=np.int64)
    for k, t in enumerate(table.tolist()):
        for row in tables.fixed[t]:
            row_of[k, tables.row_type[row]] = row
    rate = np.where(row_of >= 0, state.known[row_of, state.stage[:, None]], 0.0)
    gang = tables.fixed_size[table]
    runs = (np.where(gang[:, None] <= state.capacity, rate, 0.0)).max(axis=1) > 0
    jobs = np.flatnonzero(runs)
    chosen = np.full(len(state), -1, dtype=np.int64)
    if not len(jobs):
        return chosen
    key = (tuple(state.job[jobs].tolist()), tuple(state.capacity.tolist()))
    if memory.get("of") != key:
        normal = rate[jobs] / rate[jobs].max(axis=1, keepdims=True)
        of = market(normal, state.capacity, gang=gang[jobs])
        shares = max_min(of) if program == "max-min" else throughput(of)
        memory["of"], memory["rounds"] = key, rounds(of, shares, least=1e-3)
    played = memory["rounds"]
    taken = played.next()
    memory["rounds"] = played.after(taken)
    for way in np.flatnonzero(taken).tolist():
        job = int(jobs[played.ways.first[way]])
        chosen[job] = row_of[job, played.ways.gpu_type[way]]
    return chosen
