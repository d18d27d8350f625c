"""Measured throughputs, used as they are."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.base import Count, CurveBase, Positive, PositiveInt
from optsched.prediction.curves.configurations import Points

__all__ = ["Table", "TableRow"]


class TableRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One measured configuration; what is left out (None) holds for every value.

    throughput
        Examples/s.
    gpus, nodes, local_batch, servers
        As in :class:`optsched.prediction.curves.Points`.
    """

    gpus: PositiveInt
    throughput: Positive
    nodes: PositiveInt | None = None
    local_batch: Positive | None = None
    servers: Count | None = None


class Table(CurveBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="table"):
    """A table of measurements: exact where it has a row, unknown elsewhere; the first row that fits counts."""

    needs_batch: ClassVar[bool] = False

    rows: Annotated[tuple[TableRow, ...], msgspec.Meta(min_length=1)]

    def throughput(self, points: Points) -> FloatArray:
        found = np.full(len(points), np.nan)
        for row in self.rows:
            fits = np.isnan(found) & (points.gpus == row.gpus)
            for name in ("nodes", "local_batch", "servers"):
                if (wanted := getattr(row, name)) is not None:
                    fits &= getattr(points, name) == wanted
            found[fits] = row.throughput
        return found
