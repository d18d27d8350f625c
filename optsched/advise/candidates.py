"""The configurations to choose from: all that offers hold, or the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.advise.known import Known
from optsched.advise.offers import Offer
from optsched.errors import InputError, shown
from optsched.prediction.curves.columns import same_type
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.measurements import read_configurations

__all__ = ["Candidates", "enumerate_offers", "read_among"]

_BATCHES = 9
"""Local batches that are tried between the smallest and the largest."""
_SMALLER = 8
"""How many times smaller than the largest batch the smallest is, at least."""
_ACCUMULATED = (1, 2, 4, 8)
"""Passes per step that are tried where a larger batch costs efficiency and saves communication."""
_MOST_COUNTS = 512
"""GPUs of an offer beyond which not every count is tried, and most counts that then are."""


@dataclass(frozen=True)
class Candidates:
    """``n`` configurations of one model.

    points
        GPUs, nodes, batches and rates, shape ``(n,)``.
    offer
        Number of the offer of each, shape ``(n,)``; of a table's rows, of the first with its GPU type or -1.
    offers
        What can be had.
    gpu_types
        GPU type of each, shape ``(n,)``.
    variant
        Variant of the model (architecture, method, mode) that each row of a table names; empty elsewhere.
    rdma
        Whether the row's network spares the hosts the copying, shape ``(n,)``.
    measured
        Examples/s where a row says what was measured, nan elsewhere, shape ``(n,)``.
    line, cells
        Line of the table and its cells, where the configurations are rows of one.
    """

    points: Points
    offer: IntArray
    offers: tuple[Offer, ...]
    gpu_types: tuple[str, ...]
    variant: tuple[str, ...]
    rdma: NDArray[np.bool_]
    measured: FloatArray
    line: tuple[int, ...] = ()
    cells: tuple[dict[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: IntArray) -> Candidates:
        """Return the named rows only."""
        numbers = rows.tolist()

        def some(column: Sequence[object]) -> tuple[object, ...]:
            return tuple(column[n] for n in numbers) if column else ()

        return Candidates(
            self.points.take(rows),
            self.offer[rows],
            self.offers,
            some(self.gpu_types),  # type: ignore[arg-type]
            some(self.variant),  # type: ignore[arg-type]
            self.rdma[rows],
            self.measured[rows],
            some(self.line),  # type: ignore[arg-type]
            some(self.cells),  # type: ignore[arg-type]
        )

    @property
    def hourly_price(self) -> FloatArray:
        """Price per hour of all GPUs of each, shape ``(n,)``; nan where none is known."""
        each = [np.nan if offer.hourly_price is None else offer.hourly_price for offer in self.offers]
        return np.asarray(self.points.gpus * np.array([*each, np.nan])[self.offer], dtype=np.float64)


def enumerate_offers(
    offers: tuple[Offer, ...],
    known: dict[str, Known],
    global_batches: Sequence[int] = (),
    max_gpus: int | None = None,
    numbers_of_gpus: Sequence[int] = (),
    accumulate: bool = False,
) -> Candidates:
    """Return every configuration of the offers: GPUs, servers, batch, accumulation, parameter servers.

    Of a count of GPUs every number of servers that holds them evenly is listed. Local batches are a geometric grid over
    those that are known to fit the memory, or follow from the global batches.

    Parameters
    ----------
    known
        The curve and its range on each GPU type; types without one are left out.
    global_batches
        Examples per step to choose from; none: any.
    max_gpus, numbers_of_gpus
        Most GPUs of a configuration, and the numbers to choose from; none: any.
    accumulate
        Whether to try several passes per step.
    """
    parts: list[tuple[int, Points]] = []
    for number, offer in enumerate(offers):
        if offer.gpu_type not in known:
            continue
        of = known[offer.gpu_type]
        gpus, nodes = _shapes(offer, of, max_gpus, numbers_of_gpus)
        for local, passes, servers, shape in _batches(gpus, of, global_batches, accumulate):
            gbps = offer.gbps if of.knows_network and offer.gbps is not None else np.nan
            points = Points.of(
                gpus[shape], nodes=nodes[shape], local_batch=local, accumulation=passes, servers=servers, gbps=gbps
            )
            parts.append((number, points))
    if not any(len(points) for _, points in parts):
        raise InputError(
            "a configuration: at least one GPU of a type with a curve, and a batch that fits", path="advise"
        )
    numbers = np.concatenate([np.full(len(points), k) for k, points in parts])
    columns = [np.concatenate([getattr(p, name) for _, p in parts]) for name in Points.__dataclass_fields__]
    n = len(numbers)
    types = tuple(offers[k].gpu_type for k in numbers.tolist())
    return Candidates(Points(*columns), numbers, offers, types, ("",) * n, np.zeros(n, dtype=bool), np.full(n, np.nan))


def _shapes(offer: Offer, of: Known, max_gpus: int | None, wanted: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """Return GPUs and servers of every shape that the offer holds."""
    from optsched.instance.pools import Pool

    most = min(offer.capacity, max_gpus or offer.capacity)
    pool = Pool("", offer.gpu_type, offer.sizes, 0.0)
    counts = np.arange(1, most + 1)
    if most > _MOST_COUNTS:
        counts = np.unique(
            np.rint(np.concatenate([np.arange(1, 65), np.geomspace(64, most, _MOST_COUNTS - 64)]))
        ).astype(np.int64)
    if wanted:
        counts = np.array(sorted({count for count in wanted if count <= most}), dtype=np.int64)
    if of.served:  # a worker a server: parameter servers and workers are placed apart
        return counts.astype(np.float64), counts.astype(np.float64)
    shapes = [(gpus, nodes) for gpus in counts.tolist() for nodes in _thin(pool.even_nodes(gpus))]
    gpus, nodes = np.array(shapes, dtype=np.float64).reshape(-1, 2).T
    return gpus, nodes


def _thin(nodes: IntArray) -> list[int]:
    """Return at most 24 numbers of servers, the fewest and the most among them."""
    if len(nodes) <= 24:
        return [int(n) for n in nodes]
    at = np.unique(np.rint(np.geomspace(1, len(nodes), 24)).astype(np.int64)) - 1
    return [int(n) for n in nodes[at]]


def _batches(
    gpus: FloatArray, of: Known, global_batches: Sequence[int], accumulate: bool
) -> list[tuple[FloatArray | float, FloatArray | float, float, NDArray[np.bool_]]]:
    """Return (local batch, passes, parameter servers, shapes) of each block of configurations."""
    everything = np.ones(len(gpus), dtype=bool)
    high = of.local_batches[1]
    low = min(of.local_batches[0], high / _SMALLER)  # a smaller batch fits, too
    blocks: list[tuple[FloatArray | float, FloatArray | float, NDArray[np.bool_]]] = []
    for batch in global_batches:
        passes = np.ceil(batch / (gpus * high))
        local = batch / (gpus * passes)
        fits = local >= 1
        blocks.append((local[fits], passes[fits], fits))
    if not global_batches:
        grid = np.unique(np.rint(np.geomspace(max(low, 1.0), max(high, 1.0), _BATCHES))).tolist()
        more = _ACCUMULATED[1:] if accumulate else ()
        blocks = [(local, 1.0, everything) for local in grid] + [(grid[-1], float(k), everything) for k in more]
    servers = range(1, of.most_servers + 1) if of.served else range(1)
    return [(local, passes, float(count), shapes) for count in servers for local, passes, shapes in blocks]


def read_among(path: Path | str, model: str, offers: tuple[Offer, ...], gpu_types: Sequence[str] = ()) -> Candidates:
    """Return the rows of a table as candidates: its columns are those of ``read_configurations``.

    Without a column ``model`` every row is of the model asked for; with it, rows of other models are left out. A column
    ``throughput_examples_s`` says what was measured, where it says something.

    Raises
    ------
    InputError
        With the line and the column of what is wrong, or if no row is of the model.
    """
    table, configured = read_configurations(path, model=model)
    wanted = {same_type(name) for name in gpu_types}
    mine = np.array(
        [
            name == model and (not wanted or same_type(gpu_type) in wanted)
            for name, gpu_type in zip(configured.model, configured.gpu_type, strict=True)
        ]
    )
    if not mine.any():
        others = ", ".join(sorted(set(configured.model))[:8])
        raise InputError(f"rows of model {model!r}", path="column model", value=shown(others), file=str(path))
    rows = np.flatnonzero(mine)
    numbers = rows.tolist()
    own = configured.take(rows)
    measured = np.full(len(table), np.nan)
    if "throughput_examples_s" in table:
        measured = table.numbers("throughput_examples_s", gaps=True)
    first = {same_type(offer.gpu_type): number for number, offer in reversed(list(enumerate(offers)))}
    return Candidates(
        own.points,
        np.array([first.get(same_type(gpu_type), -1) for gpu_type in own.gpu_type], dtype=np.int64),
        offers,
        tuple(own.gpu_type),
        tuple(own.variant),
        own.rdma,
        measured[rows],
        tuple(table.lines[n] for n in numbers),
        tuple({name: cells[n] for name, cells in table.columns.items()} for n in numbers),
    )
