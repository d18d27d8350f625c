"""Which pieces share a server: patterns of the pieces of rings, by job, and of others, by size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np

from formulations.network.patterns import multisets
from optsched._util.arrays import FloatArray
from optsched.solvers.disjunctions import Small

__all__ = ["OVER", "SOME", "TOO_MANY", "Item", "Patterns", "patterns_of"]

SOME = 1e-6
"""Pieces or servers from which on there are some."""
OVER = 1e-6
"""Part of a server's rate by which what is sent must exceed it to count."""
TOO_MANY = 1e-4
"""Servers too few from which on there are too few."""
_MOST = 5_000
"""Most patterns of what a class holds."""

Item = tuple[int, int, float]
"""A piece: its job (-1: of any job, as it is of no ring), GPUs, and the least rate that it sends."""
Pattern = tuple[tuple[int, ...], frozenset[int]]
"""Numbers of items, and the jobs of rings among them."""


@dataclass(frozen=True, eq=False)
class Patterns:
    """Patterns of pieces on a server: how many of each item, ``(items, patterns)``, and the jobs of rings in each."""

    counts: FloatArray
    jobs: tuple[frozenset[int], ...]

    def dealt(
        self, wanted: FloatArray, servers: int, over: FloatArray, small: Small, *, whole: bool
    ) -> FloatArray | None:
        """Return how often each is used so that all is held, and the least is sent too much; None where it is not."""
        matrix = np.vstack([self.counts, np.ones(len(self.jobs))])
        low = np.append(np.rint(wanted) if whole else wanted, -np.inf)
        high = np.append(np.full(len(wanted), np.inf), servers if whole else servers + TOO_MANY)
        return small(-over, matrix, low, high, integer=whole)

    def prices(self, wanted: FloatArray, small: Small) -> FloatArray | None:
        """Return prices of items at which no pattern costs more than 1, and what is wanted the most."""
        patterns = len(self.jobs)
        return small(wanted, self.counts.T, np.full(patterns, -np.inf), np.ones(patterns), integer=False)


@lru_cache(maxsize=4096)
def patterns_of(
    items: tuple[Item, ...], gpus: int, network: float, apart: frozenset[frozenset[int]]
) -> Patterns | None:
    """Return the patterns of items: sets of pieces of rings, without jobs that never meet, each filled up in any way.

    None where they are too many: what such servers hold is then left to what else the model knows.
    """
    rings = [(k, *item) for k, item in enumerate(items) if item[0] >= 0]
    number = {size: k for k, (job, size, _) in enumerate(items) if job < 0}
    others = tuple((size, 0.0) for size in sorted(number, reverse=True))

    def grown(n: int, left: int, rate: float, own: tuple[int, ...], jobs: frozenset[int]) -> Iterator[Pattern]:
        for more in multisets(left, network, others):  # where the smallest finds no room, none does
            yield own + tuple(number[size] for size, _ in more), jobs
        for m in range(n, len(rings)):
            k, job, size, sends = rings[m]
            fits = job not in jobs and size <= left and rate + sends <= network * (1 + OVER)
            if fits and not any(never <= jobs | {job} for never in apart):
                yield from grown(m + 1, left - size, rate + sends, (*own, k), jobs | {job})

    found = list(islice(grown(0, gpus, 0.0, (), frozenset()), _MOST + 1))
    if len(found) > _MOST:
        return None
    counts = np.zeros((len(items), len(found)))
    for q, (own, _) in enumerate(found):
        np.add.at(counts[:, q], np.array(own, dtype=np.int64), 1)
    return Patterns(counts, tuple(jobs for _, jobs in found))
