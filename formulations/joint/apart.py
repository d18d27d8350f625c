"""C8apart: the pieces of one job stand on servers of their own, for classes of several equal servers in patterns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched.curves import FloatArray, IntArray

__all__ = ["Apart"]

Bools = NDArray[np.bool_]
Row = tuple[Bools, IntArray]
_VIOLATED = 1e-3
"""Pieces too many from which on a row is added."""


@dataclass(frozen=True)
class Apart:
    """The pieces and patterns of a class, and rows of C8apart for them.

    A row says which kinds of pieces count, shape ``(kinds,)`` of bool, and how many of these each pattern has room for
    at most, shape ``(patterns,)``.

    Parameters
    ----------
    gpus
        Of a server.
    patterns
        Of (GPUs, rate) slots.
    job, size, rate, several
        Owner, GPUs and rate of each kind of pieces, and whether there may be more than one; shape ``(kinds,)``.
    """

    gpus: int
    patterns: Sequence[Sequence[tuple[int, float]]]
    job: IntArray
    size: IntArray
    rate: FloatArray
    several: Bools

    def _slots(self) -> tuple[FloatArray, FloatArray]:
        """Return GPUs and rate of all slots, shape ``(patterns, slots)`` each; 0 and -1 where there is none."""
        width = max(map(len, self.patterns))
        slots = np.array([[*of, *[(0, -1.0)] * (width - len(of))] for of in self.patterns], dtype=np.float64)
        return slots[:, :, 0], slots[:, :, 1]

    def each(self) -> Iterator[Row]:
        """Yield the rows of each job alone: at most one piece where there is a slot for any, and none elsewhere.

        They are those of one size, or all, and of some rate at least.
        """
        size, rate = self._slots()
        for job in dict.fromkeys(self.job[self.several].tolist()):
            own = self.job == job
            for least in np.unique(self.rate[own & self.several]).tolist():
                counted = own & (self.rate >= least)
                sizes = [[number] for number in np.unique(self.size[counted & self.several]).tolist()]
                if len(every := np.unique(self.size[counted]).tolist()) > 1:
                    sizes.append(every)
                for some in sizes:
                    room = (np.isin(size, some) & (rate >= least)).any(axis=1)
                    yield counted & np.isin(self.size, some), room.astype(np.int64)

    def violated(self, pieces: FloatArray, patterns: FloatArray) -> Iterator[Row]:
        """Yield rows of several jobs that a point violates, by the most violated of each size and rates.

        Of ``k`` jobs, pieces of one size and some rate at least, together with pieces of a greater rate of all jobs
        (which may share a server with them, by their sizes), are in a pattern no more than its slots of the greater
        rate, and of the others no more than ``k``. (With one job or more and no greater rate, these are the conditions
        of Gale and Ryser, 1957, for dealing out.)

        Parameters
        ----------
        pieces, patterns
            Values of z and w, shape ``(kinds,)`` and ``(patterns,)``.
        """
        slot_size, slot_rate = self._slots()
        jobs, owner = np.unique(self.job, return_inverse=True)
        runs = pieces > _VIOLATED / 10
        for size in np.unique(self.size[self.several & runs]).tolist():
            mine, beside = self.size == size, self.size + size <= self.gpus
            of_size, fits = slot_size == size, slot_size + size <= self.gpus
            rates = np.unique(self.rate[beside & runs]).tolist()
            for least in np.unique(self.rate[mine & self.several & runs]).tolist():
                for fast in [*(rate for rate in rates if rate > least), np.inf]:
                    faster = beside & (self.rate >= fast)
                    slower = mine & (self.rate >= least) & ~faster
                    weight = np.bincount(owner[slower], pieces[slower], minlength=len(jobs))
                    order = np.argsort(-weight, kind="stable")[: np.count_nonzero(weight)]
                    of_faster = fits & (slot_rate >= fast)
                    theirs = of_faster.sum(axis=1)
                    ours = (of_size & (slot_rate >= least) & ~of_faster).sum(axis=1)
                    count = np.arange(1, len(order) + 1)
                    room = patterns @ (theirs[:, None] + np.minimum(count, ours[:, None]))
                    over = pieces[faster].sum() + np.cumsum(weight[order]) - room
                    if len(over) and over[k := int(np.argmax(over))] > _VIOLATED:
                        chosen = np.isin(owner, order[: k + 1])
                        yield faster | (mine & chosen & (self.rate >= least)), theirs + np.minimum(k + 1, ours)
