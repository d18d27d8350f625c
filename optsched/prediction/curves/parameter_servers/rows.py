"""Measurements of parameter-server training in the form that the fit works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError, shown
from optsched.prediction.curves.configurations import Points

__all__ = ["MOST_ROWS", "Layout", "Rows", "ServerRows", "distance", "merged"]

MOST_ROWS = 200
"""Most distinct configurations that a fit works on and a curve keeps; more are merged."""


@dataclass(frozen=True)
class ServerRows:
    """Measured training of one model on one GPU type with parameter servers.

    points
        The configurations: ``gpus`` workers and ``servers`` parameter servers (at least one).
    throughput
        Examples/s of all workers, shape ``(n,)``.
    """

    points: Points
    throughput: FloatArray


@dataclass(frozen=True)
class Layout:
    """What the forms read of a configuration, shape ``(n,)`` each: workers, servers, examples per
    worker and update, and the network rate relative to the measured one (1: the same)."""

    workers: FloatArray
    servers: FloatArray
    batch: FloatArray
    network: FloatArray

    @staticmethod
    def of(points: Points, reference_gbps: float | None) -> Layout:
        """Read configurations; the network is nan where a rate is assigned and the reference unknown."""
        rate = points.gbps / (np.nan if reference_gbps is None else reference_gbps)
        network = np.where(np.isnan(points.gbps), 1.0, rate)
        return Layout(points.gpus, points.servers, points.local_batch * points.accumulation, network)

    def __len__(self) -> int:
        return len(self.workers)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Layout:
        """Return the named configurations only."""
        return Layout(*(getattr(self, f.name)[rows] for f in fields(self)))

    def columns(self) -> FloatArray:
        """Return the four side by side, shape ``(n, 4)``."""
        return np.stack([getattr(self, f.name) for f in fields(self)], axis=1)


def distance(a: Layout, b: Layout) -> FloatArray:
    """Return the distances of configurations in (ln workers, ln servers), shape ``(len(a), len(b))``."""
    workers = np.log(a.workers)[:, None] - np.log(b.workers)[None, :]
    servers = np.log(a.servers)[:, None] - np.log(b.servers)[None, :]
    return np.asarray(np.hypot(workers, servers))


@dataclass(frozen=True)
class Rows:
    """Distinct configurations of one group, with what was measured there.

    log_rate
        Logarithm of examples/s, the median of the repetitions, shape ``(n,)``.
    count
        Repetitions behind each, shape ``(n,)``.
    unit
        Examples that the fit counts as one in batches and rates, so that hyperpriors hold for small and
        large mini-batches alike.
    """

    model: str
    layout: Layout
    log_rate: FloatArray
    count: FloatArray
    unit: float = 1.0

    def __len__(self) -> int:
        return len(self.log_rate)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Rows:
        """Return the named rows only."""
        return Rows(self.model, self.layout.take(rows), self.log_rate[rows], self.count[rows], self.unit)


def merged(
    model: str, rows: ServerRows, reference_gbps: float | None, name: str = "", *, per_batch: bool = False
) -> Rows:
    """Check measurements and merge repetitions: equal configurations become one row with their median.

    Of more than ``MOST_ROWS`` configurations, near ones are merged, too (means of the logarithms of
    configuration and throughput), in cells as small as will do. With ``per_batch``, the typical batch
    becomes the unit.

    Raises
    ------
    InputError
        Naming ``name`` (the group) and the row, where a value is out of its range.
    """
    _check(rows, name)
    layout = Layout.of(rows.points, reference_gbps)
    columns, log_rate = layout.columns(), np.log(rows.throughput)
    cells = _cells(columns)
    columns = np.array([columns[c[0]] for c in cells])
    count = np.array([float(len(c)) for c in cells])
    log_rate = np.array([float(np.median(log_rate[c])) for c in cells])
    size = 0.02
    while len(cells) > MOST_ROWS:
        cells = _cells(np.rint(np.log(columns) / size))
        size *= 1.5
    if len(cells) < len(columns):
        columns = np.array([np.exp(np.average(np.log(columns[c]), axis=0, weights=count[c])) for c in cells])
        log_rate = np.array([float(np.average(log_rate[c], weights=count[c])) for c in cells])
        count = np.array([float(count[c].sum()) for c in cells])
    unit = float(np.exp(np.median(np.log(columns[:, 2])))) if per_batch else 1.0
    columns[:, 2] /= unit
    return Rows(model, Layout(*columns.T), log_rate - np.log(unit), count, unit)


def _cells(columns: FloatArray) -> Sequence[IntArray]:
    """Return the row numbers of each distinct row, in the order of the rows' values."""
    _, inverse = np.unique(columns, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)


def _check(rows: ServerRows, name: str) -> None:
    """Raise InputError at the first value that cannot be."""
    points, rate = rows.points, rows.throughput
    if rate.shape != (len(points),):
        raise InputError(f"{len(points)} throughputs, one a configuration", path=name, value=shown(rate.shape))
    if len(rate) == 0:
        raise InputError("at least one measurement", path=name)
    ranges = (
        ("throughput", rate, 0.0, "a number > 0"),
        ("gpus", points.gpus, 1.0, "at least one worker"),
        ("servers", points.servers, 1.0, "at least one parameter server"),
        ("local_batch", points.local_batch, 0.0, "a number > 0"),
        ("accumulation", points.accumulation, 1.0, "a number >= 1"),
        ("gbps", np.where(np.isnan(points.gbps), 1.0, points.gbps), 0.0, "a rate > 0, or nan"),
    )
    for field, values, least, expected in ranges:
        wrong = ~(np.isfinite(values) & (values >= least) & (values > 0))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            place = f"{name}, row {row}, {field}" if name else f"row {row}, {field}"
            raise InputError(expected, path=place, value=f"{values[row]:g}")
