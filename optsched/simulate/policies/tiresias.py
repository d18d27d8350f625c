"""Tiresias: least attained service."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.order import pack
from optsched.simulate.state import State

__all__ = ["tiresias"]

THRESHOLDS = (3600.0, 10 * 3600.0)
"""GPU seconds at which a job falls to the next queue."""


def tiresias(state: State) -> IntArray:
    """Discretized two-dimensional least attained service: queues by GPU time had, first in first out in each.

    Gu et al., NSDI'19 (Tiresias), sec. 3.2: a job's service is its GPUs times its time; it falls to a lower queue at
    each threshold (here 1 and 10 GPU hours), and queues are served one after the other by the order of first starts.
    """
    queue = np.searchsorted(THRESHOLDS, state.attained, side="right")
    begun = np.where(state.restarts > 0, 0, 1)  # those that ran before go before those that did not
    return pack(state, np.lexsort((state.arrival, begun, queue)).tolist())
