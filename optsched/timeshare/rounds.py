"""From shares to rounds: who runs on what next, so that the time received follows the shares (Gavel, sec. 5).

Time goes in rounds of equal length. What has received least of its share goes first: the priority of a way
to run (a job on a type, or a pair on a type) is its share over the part of the rounds that it has
received, infinite before its first. Ways are taken by priority; one that needs more GPUs than are left, or
a job that runs already, is passed over (Gavel's Algorithm 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError
from optsched.timeshare.market import Columns, Market, columns
from optsched.timeshare.shares import Shares

__all__ = ["Rounds", "rounds"]


@dataclass(frozen=True)
class Rounds:
    """How far shares have been paid out.

    ways
        Ways to run that have a share.
    share
        Part of the rounds that each should get, shape ``(ways,)``.
    received
        Rounds that each has got, shape ``(ways,)``.
    played
        Rounds so far.
    """

    ways: Columns
    share: FloatArray
    capacity: FloatArray
    received: IntArray
    played: int = 0

    @property
    def priority(self) -> FloatArray:
        """Share over the part of the rounds received; inf for what has received nothing. Shape ``(ways,)``."""
        with np.errstate(divide="ignore"):
            due: FloatArray = self.share * max(1, self.played) / self.received
        return due

    def next(self) -> NDArray[np.bool_]:
        """Return the ways that run in the next round, shape ``(ways,)``."""
        order = np.lexsort((-self.share, -self.priority))
        left = self.capacity.tolist()
        running: set[int] = set()
        taken = np.zeros(len(self.share), dtype=bool)
        spare = sum(left)
        table = (self.ways.first, self.ways.second, self.ways.gpu_type, self.ways.gang)
        for way, one, other, where, gang in zip(order.tolist(), *(a[order].tolist() for a in table), strict=True):
            if gang <= left[where] and one not in running and other not in running:
                taken[way] = True
                running.add(one)
                if other >= 0:
                    running.add(other)
                left[where] -= gang
                spare -= gang
                if spare <= 0:
                    break
        return taken

    def after(self, ran: NDArray[np.bool_]) -> Rounds:
        """Return the state after a round in which these ways ran."""
        return replace(self, received=self.received + ran, played=self.played + 1)

    def play(self, number: int) -> Rounds:
        """Return the state after a number of rounds."""
        state = self
        for _ in range(number):
            state = state.after(state.next())
        return state

    @property
    def behind(self) -> FloatArray:
        """Share less the part of the rounds received, shape ``(ways,)``."""
        missing: FloatArray = self.share - self.received / max(1, self.played)
        return missing


def rounds(market: Market, shares: Shares, least: float = 1e-6) -> Rounds:
    """Return the state before the first round.

    Parameters
    ----------
    least
        Shares below this are nothing.

    Raises
    ------
    InputError
        For kinds of several jobs: rounds are of single ones.
    """
    if (market.many > 1).any():
        raise InputError("single jobs, no kinds of several", path="many", value=f"{market.many.max():g}")
    ways = columns(market)
    alone = ways.second < 0
    share = np.concatenate([shares.fraction[ways.first[alone], ways.gpu_type[alone]], shares.paired])
    kept = share > least
    some = Columns(
        ways.first[kept],
        ways.second[kept],
        ways.gpu_type[kept],
        ways.gang[kept],
        ways.rate_first[kept],
        ways.rate_second[kept],
    )
    return Rounds(some, share[kept], market.capacity, np.zeros(int(kept.sum()), dtype=np.int64))
