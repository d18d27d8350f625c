"""Pollux: the power mean of speed-ups."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.offers import assigned, best_of, restart_factor, within_reach
from optsched.simulate.state import State

__all__ = ["pollux"]

POWER = -1.0


def pollux(state: State) -> IntArray:
    """Maximize the power mean (p = -1) of the jobs' speed-ups over their fair share.

    Qiao et al., OSDI'21 (Pollux), sec. 4.2, eqs. 9-11: the speed-up is the goodput over that of an equal share of the
    GPUs, times the factor of a restart. The paper searches by a genetic algorithm; here it is the same fitness by an
    exact assignment. A job that waits counts as half the speed-up of its worst offer, 0.1 at most. Pollux knows one GPU
    type: here the share is of the job's best type, and other types count by their goodput.
    """
    share = max(1.0, state.capacity.sum() / max(1, len(state)))
    rate, gpus = state.row_rate, state.row_gpus
    fair = np.zeros(len(state))
    fits = gpus <= share
    np.maximum.at(fair, state.row_job[fits], rate[fits])
    least = np.full(len(state), np.inf)
    np.minimum.at(least, state.row_job, rate)
    fair = np.where(fair > 0, fair, least)
    speed = np.maximum(1e-3, restart_factor(state)) * rate / fair[state.row_job]
    offered = within_reach(state)
    loss = speed**POWER
    waiting = np.maximum(10.0, 2.0 * best_of(state, np.where(offered, loss, 0.0)))
    return assigned(state, np.where(offered, waiting[state.row_job] - loss, -1.0))
