"""Measurements: tables of throughputs, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError
from optsched.prediction.curves.configurations import Points
from optsched.prediction.tables import TextTable, read_table, read_text_table

__all__ = ["Configured", "Measurements", "read_configurations", "read_measurements", "read_table"]


@dataclass(frozen=True)
class Configured:
    """``n`` configurations of a table, and whose they are.

    model, gpu_type, variant
        What is trained on what, and how (architecture, method, mode; empty where the table does not say),
        shape ``(n,)`` of str.
    points
        The configurations; ``gbps`` is the nominal rate of the row's network.
    rdma
        Whether the row's network spares the hosts the copying, shape ``(n,)``.
    """

    model: Sequence[str]
    gpu_type: Sequence[str]
    variant: Sequence[str]
    points: Points
    rdma: NDArray[np.bool_]

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Configured:
        """Return the named rows only."""
        numbers = np.arange(len(self.points))[rows].tolist()
        model, gpu_type, variant = ([c[n] for n in numbers] for c in (self.model, self.gpu_type, self.variant))
        return Configured(model, gpu_type, variant, self.points.take(rows), self.rdma[rows])

    def groups(self) -> dict[tuple[str, str, str], IntArray]:
        """Return the rows of each (model, GPU type, variant), in the order of their names."""
        rows: dict[tuple[str, str, str], list[int]] = {}
        for row, key in enumerate(zip(self.model, self.gpu_type, self.variant, strict=True)):
            rows.setdefault(key, []).append(row)
        return {key: np.array(rows[key]) for key in sorted(rows)}


@dataclass(frozen=True)
class Measurements:
    """``n`` measured configurations.

    throughput
        Examples/s, shape ``(n,)``.
    sync_s
        Seconds of a step that were spent synchronizing, nan where not known, shape ``(n,)``.
    """

    configured: Configured
    throughput: FloatArray
    sync_s: FloatArray

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Measurements:
        """Return the named rows only."""
        return Measurements(self.configured.take(rows), self.throughput[rows], self.sync_s[rows])


def read_configurations(path: Path | str, model: str | None = None) -> tuple[TextTable, Configured]:
    """Read a table of configurations; return it as it stands, and what it says.

    ``model`` is the model of all rows where the table has no such column; None: the column must be there.

    Names are text: ``1.10`` is not ``1.1``.

    Columns for all-reduce: ``model, gpu_type, nodes, gpus, local_batch``. Optional: ``placement`` (GPUs on
    each node, one digit each, or all of them for one node) or ``max_per_node``; ``accumulation``; ``gbps`` and
    ``rdma`` of the network; ``arch`` and ``method``, which tell variants of a model apart.

    Columns for parameter servers: ``model, n_ps, n_workers``, and ``global_batch`` (examples a step of all
    workers) or ``local_batch``; 1 where neither stands. Optional: ``gpu_type``; ``mode`` (sync or async).

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    table = read_text_table(path, ["model"] if model is None else [])
    if model is not None and "model" not in table:
        table.columns["model"] = [model] * len(table)
    if "n_ps" in table:
        table.require(["n_ps", "n_workers"])
        return table, _with_servers(table)
    table.require(["gpu_type", "nodes", "gpus", "local_batch"])
    nodes, gpus = table.whole("nodes"), table.whole("gpus")
    for row in np.flatnonzero(nodes > gpus)[:1].tolist():
        raise table.wrong(row, "nodes", f"at most as many nodes as GPUs ({gpus[row]:g})")
    points = Points.of(
        gpus,
        nodes=nodes,
        local_batch=table.numbers("local_batch"),
        accumulation=table.whole("accumulation") if "accumulation" in table else 1.0,
        gbps=table.numbers("gbps", gaps=True) if "gbps" in table else np.nan,
        max_per_node=_crowding(table, gpus, nodes),
    )
    variant = [""] * len(points)
    for name in ("arch", "method"):
        if name in table:
            variant = [f"{v}/{x}".strip("/") for v, x in zip(variant, table.names(name), strict=True)]
    return table, Configured(table.names("model"), table.names("gpu_type"), variant, points, _truths(table, "rdma"))


def _with_servers(table: TextTable) -> Configured:
    """Return the configurations of a table of parameter servers."""
    servers, workers = table.whole("n_ps"), table.whole("n_workers")
    batch = np.ones(len(workers))
    if "local_batch" in table:
        batch = table.numbers("local_batch")
    elif "global_batch" in table:
        batch = table.numbers("global_batch") / workers
    points = Points.of(workers, nodes=workers, local_batch=batch, servers=servers)
    gpu_types = table.names("gpu_type") if "gpu_type" in table else ["any"] * len(workers)
    modes = table.names("mode") if "mode" in table else ["sync"] * len(workers)
    for row, mode in enumerate(modes):
        if not mode.endswith("sync"):
            raise table.wrong(row, "mode", "sync or async")
    modes = ["async" if mode.endswith("async") else "sync" for mode in modes]
    return Configured(table.names("model"), gpu_types, modes, points, np.zeros(len(workers), dtype=bool))


def _crowding(table: TextTable, gpus: FloatArray, nodes: FloatArray) -> FloatArray | float:
    """Return the most GPUs on one node, nan where the table does not say."""
    if "max_per_node" in table:
        most = table.whole("max_per_node", gaps=True)
        for row in np.flatnonzero((most > gpus) | (most * nodes < gpus))[:1].tolist():
            low, high = np.ceil(gpus[row] / nodes[row]), gpus[row]
            raise table.wrong(
                row, "max_per_node", f"{low:g} to {high:g}, for {gpus[row]:g} GPUs on {nodes[row]:g} nodes"
            )
        return most
    if "placement" not in table:
        return np.nan
    found = np.full(len(table), np.nan)
    for row, text in enumerate(table.columns["placement"]):
        if not text:
            continue
        digits = [int(digit) for digit in text] if text.isascii() and text.isdecimal() else []
        if (len(digits), sum(digits)) == (nodes[row], gpus[row]) and min(digits) > 0:
            found[row] = max(digits)
        elif digits and nodes[row] == 1 and int(text) == gpus[row]:
            found[row] = gpus[row]
        else:
            expected = f"the GPUs on each node, one digit each: {gpus[row]:g} GPUs on {nodes[row]:g} nodes"
            raise table.wrong(row, "placement", expected)
    return found


def _truths(table: TextTable, name: str) -> NDArray[np.bool_]:
    cells = table.columns.get(name, [""] * len(table))
    return np.array([cell.lower() in ("true", "1", "yes") for cell in cells], dtype=bool)


def read_measurements(path: Path | str) -> Measurements:
    """Read measured throughputs.

    Columns: those of ``read_configurations``, and ``throughput_examples_s`` or ``step_time_s`` (where both
    stand, they must agree), or, for parameter servers without a batch, ``throughput_steps_s``. Optional:
    ``sync_time_s``, the part of a step spent communicating.

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    file = str(path)
    table, configured = read_configurations(path)
    rates = []
    if "throughput_examples_s" in table:
        rates.append(table.numbers("throughput_examples_s"))
    if "step_time_s" in table:
        rates.append(configured.points.examples() / table.numbers("step_time_s"))
    if "throughput_steps_s" in table and not rates:
        # a step of an asynchronous worker trains on its own batch alone
        rates.append(table.numbers("throughput_steps_s") * configured.points.local_batch)
    if not rates:
        raise InputError("a column 'throughput_examples_s' or 'step_time_s'", path="line 1", file=file)
    if len(rates) == 2 and (ratio := float(np.median(rates[0] / rates[1]))) and not 0.8 < ratio < 1.25:
        expected = f"throughput_examples_s = gpus x local_batch / step_time_s; it is {ratio:.3g} times that (units?)"
        raise InputError(expected, path="column throughput_examples_s", file=file)
    sync = np.full(len(configured.points), np.nan)
    if "sync_time_s" in table:
        sync = table.numbers("sync_time_s", least=0.0, equal=True, gaps=True)
    return Measurements(configured, rates[0], sync)
