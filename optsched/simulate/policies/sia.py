"""Sia: goodput on heterogeneous, elastic clusters."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.offers import assigned, least_of, restart_factor, within_reach
from optsched.simulate.state import State

__all__ = ["sia"]

FAIRNESS = -0.5
WAITING = 1.1


def sia(state: State) -> IntArray:
    """Minimize the sum of (restart factor x normalized goodput)^p over jobs, plus a penalty for each that waits.

    Subramanya et al., SOSP'23 (Sia), sec. 3.4, eqs. 1-4, with the paper's p = -0.5 and penalty 1.1: the goodput of a
    job in each configuration is divided by its least, times its fewest GPUs; one that is not held counts with the
    restart factor (T - N S) / (T + S). At most twice the GPUs that the job has had are offered (sec. 3.3).
    """
    least = least_of(state, state.row_rate)
    fewest = least_of(state, state.row_gpus.astype(np.float64))
    normal = state.row_rate / least[state.row_job] * fewest[state.row_job]
    factor = np.maximum(1e-3, restart_factor(state))
    value = WAITING - (factor * normal) ** FAIRNESS
    return assigned(state, np.where(within_reach(state), value, -1.0))
