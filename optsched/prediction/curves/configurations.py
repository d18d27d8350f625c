"""Configurations to evaluate, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optsched._util.arrays import FloatArray, IntArray

__all__ = ["FloatArray", "IntArray", "Points"]


@dataclass(frozen=True)
class Points:
    """``n`` configurations of one job's model on one GPU type; every field has shape ``(n,)``.

    gpus
        Workers in total, one GPU each.
    nodes
        Servers that they are spread over.
    local_batch
        Examples per GPU and pass (forward and backward); nan where the curve does not ask for it.
    accumulation
        Passes per step, >= 1, between two synchronizations.
    servers
        Parameter servers; 0 for all-reduce.
    gbps
        Network rate per node that the scheduler assigns; nan for the network that was measured.
    max_per_node
        Most workers on one node; nan for an even split, ``ceil(gpus / nodes)``.
    """

    gpus: FloatArray
    nodes: FloatArray
    local_batch: FloatArray
    accumulation: FloatArray
    servers: FloatArray
    gbps: FloatArray
    max_per_node: FloatArray

    @staticmethod
    def of(
        gpus: ArrayLike,
        *,
        nodes: ArrayLike,
        local_batch: ArrayLike = np.nan,
        accumulation: ArrayLike = 1.0,
        servers: ArrayLike = 0.0,
        gbps: ArrayLike = np.nan,
        max_per_node: ArrayLike = np.nan,
    ) -> Points:
        """Broadcast scalars and arrays to one shape ``(n,)``."""
        columns = (gpus, nodes, local_batch, accumulation, servers, gbps, max_per_node)
        arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, dtype=np.float64)) for c in columns))
        return Points(*arrays)

    def __len__(self) -> int:
        return len(self.gpus)

    def take(self, rows: IntArray | NDArray[np.bool_] | slice) -> Points:
        """Return the named points only."""
        return Points(*(getattr(self, f.name)[rows] for f in fields(self)))

    def crowding(self) -> FloatArray:
        """Return the most workers on one node, shape ``(n,)``."""
        return np.where(np.isnan(self.max_per_node), np.ceil(self.gpus / self.nodes), self.max_per_node)

    def examples(self) -> FloatArray:
        """Return the examples that one step trains on, i.e. the global mini-batch."""
        return self.gpus * self.local_batch * self.accumulation
