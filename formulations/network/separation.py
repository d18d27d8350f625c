"""C8apart: the pieces of one job stand on servers of their own, for classes of several equal servers in patterns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray

__all__ = ["Apart", "Spread"]

Bools = NDArray[np.bool_]
_VIOLATED = 1e-3
"""Pieces too many from which on a row is violated."""


@dataclass(frozen=True)
class Spread:
    """A row of C8apart, for any class.

    Pieces of some ``jobs`` that have one of the ``sizes`` (GPUs) and the ``least`` rate, together with pieces of any
    job at a ``fast`` rate that may share a server with them by their GPUs, are in a pattern at most as many as its
    slots for the latter, and of its other slots for the former one for each of the jobs.

    For one size and no fast rate these are the conditions of Gale and Ryser (1957) for dealing out.
    """

    jobs: frozenset[int]
    sizes: frozenset[int]
    least: float
    fast: float


@dataclass(frozen=True, eq=False)
class Apart:
    """The pieces and patterns of a class.

    gpus, network
        Of a server; network 0 where patterns know no rates.
    patterns
        Of (GPUs, rate) slots.
    job, size, rate, several
        Owner, GPUs and rate of each kind of pieces, and whether there may be more than one; shape ``(kinds,)``.
    """

    gpus: int
    network: float
    patterns: Sequence[Sequence[tuple[int, float]]]
    job: IntArray
    size: IntArray
    rate: FloatArray
    several: Bools

    @cached_property
    def _slots(self) -> tuple[IntArray, FloatArray]:
        """GPUs and rate of all slots, shape ``(patterns, slots)`` each; 0 and -1 where there is none."""
        width = max(map(len, self.patterns))
        slots = [[*of, *[(0, -1.0)] * (width - len(of))] for of in self.patterns]
        return np.array([[s for s, _ in of] for of in slots]), np.array([[r for _, r in of] for of in slots])

    def _which(
        self, size: IntArray, rate: FloatArray, sizes: Sequence[int], least: float, fast: float
    ) -> tuple[Bools, Bools]:
        """Tell which pieces or slots count as fast ones, and which others are of the sizes and the least rate."""
        theirs = (size > 0) & (size + min(sizes) <= self.gpus) & (rate >= fast)
        return theirs, np.isin(size, sizes) & (rate >= least) & ~theirs

    def row(self, spread: Spread) -> tuple[Bools, IntArray]:
        """Return which kinds of pieces count, shape ``(kinds,)``, and at most how many in each pattern."""
        sizes = sorted(spread.sizes)
        theirs, ours = self._which(self.size, self.rate, sizes, spread.least, spread.fast)
        jobs = sorted(spread.jobs)
        slots, others = self._which(*self._slots, sizes, spread.least, spread.fast)
        return theirs | (ours & np.isin(self.job, jobs)), slots.sum(axis=1) + np.minimum(len(jobs), others.sum(axis=1))

    def each(self) -> Iterator[Spread]:
        """Yield the rows of each job alone: its pieces of each size, and of all, at each rate at least.

        And those of pieces that a server has the GPUs for in addition to one of them, but not the rate.
        """
        for job in dict.fromkeys(self.job[self.several].tolist()):
            own = self.job == job
            alone = frozenset({job})
            for least in np.unique(self.rate[own & self.several]).tolist():
                counted = own & (self.rate >= least)
                if len(every := frozenset(self.size[counted].tolist())) > 1:
                    yield Spread(alone, every, least, np.inf)
                for size in np.unique(self.size[counted & self.several]).tolist():
                    yield Spread(alone, frozenset({size}), least, np.inf)
                    over = self.network * (1 + 1e-9) - least
                    faster = self.rate[~own & (self.size + size <= self.gpus) & (self.rate > over)]
                    if 0 < 2 * least <= self.network and len(faster):
                        yield Spread(alone, frozenset({size}), least, float(faster.min()))

    def violated(self, pieces: FloatArray, patterns: FloatArray) -> Iterator[Spread]:
        """Yield rows that a point violates: of each size, least and fast rate the one that it violates the most.

        Parameters
        ----------
        pieces, patterns
            Values of z and w, shape ``(kinds,)`` and ``(patterns,)``.
        """
        jobs, owner = np.unique(self.job, return_inverse=True)
        runs = pieces > _VIOLATED / 10
        for size in np.unique(self.size[self.several & runs]).tolist():
            rates = np.unique(self.rate[(self.size + size <= self.gpus) & runs]).tolist()
            for least in np.unique(self.rate[(self.size == size) & self.several & runs]).tolist():
                for fast in [*(rate for rate in rates if rate > least), np.inf]:
                    theirs, ours = self._which(self.size, self.rate, [size], least, fast)
                    slots, others = self._which(*self._slots, [size], least, fast)
                    weight = np.bincount(owner[ours], pieces[ours], minlength=len(jobs))
                    order = np.argsort(-weight, kind="stable")[: np.count_nonzero(weight)]
                    count = np.arange(1, len(order) + 1)
                    room = patterns @ (slots.sum(axis=1)[:, None] + np.minimum(count, others.sum(axis=1)[:, None]))
                    over = pieces[theirs].sum() + np.cumsum(weight[order]) - room
                    if len(over) and over[k := int(np.argmax(over))] > _VIOLATED:
                        yield Spread(frozenset(jobs[order[: k + 1]].tolist()), frozenset({size}), least, fast)
