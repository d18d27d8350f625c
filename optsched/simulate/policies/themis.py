"""Themis: finish-time fairness by partial allocation."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.offers import assigned, best_of
from optsched.simulate.state import State

__all__ = ["themis"]

FILTER = 0.8
LEASE_S = 1200.0


def themis(state: State) -> IntArray:
    """Offer the GPUs to the jobs that are furthest from a fair finish; among those, maximize the product of values.

    Mahajan et al., NSDI'20 (Themis), sec. 3-4: rho is the time since arrival plus the time left over the time alone
    on an equal share; the 1 - f (f = 0.8) of the jobs with the largest rho bid, and get the allocation of largest
    product of 1 / rho (the proportionally fair step of the partial allocation auction, without hidden payments, since
    bids are true here); what is left goes to the others in the same way. A GPU is leased for 20 minutes.
    """
    count = max(1, len(state))
    share = np.maximum(1.0, state.capacity / count)[state.row_type]
    fair = best_of(state, np.where(state.row_gpus <= share, state.row_rate, 0.0))
    slowest = best_of(state, -state.row_rate)
    fair = np.where(fair > 0, fair, -slowest)
    alone = state.tables.work[state.job] / fair
    spent = state.now - state.arrival
    now = np.where(state.held >= 0, state.known[state.held, state.stage], fair)
    rho = (spent + state.remaining / np.maximum(1e-12, now)) / alone
    bidders = np.zeros(len(state), dtype=bool)
    bidders[np.argsort(-rho, kind="stable")[: max(1, int(np.ceil((1 - FILTER) * count)))]] = True
    restart = np.where(state.row_held, 0.0, state.tables.restart[state.job][state.row_job])
    ratio = (spent[state.row_job] + restart + state.row_time) / alone[state.row_job]
    worst = best_of(state, ratio)
    gain = np.log(np.maximum(1.0, 10.0 * worst[state.row_job] / ratio))
    value = np.where(bidders[state.row_job], 100.0 + gain, gain)
    leased = (state.held >= 0) & (state.now - state.running_since < LEASE_S)
    return assigned(state, np.where(leased[state.row_job], np.where(state.row_held, 1000.0, -1.0), value))
