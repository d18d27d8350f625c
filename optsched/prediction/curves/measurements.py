"""Measurements: tables of throughputs, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError, shown
from optsched.prediction.curves.configurations import Points

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


def read_table(path: Path | str, needed: Sequence[str]) -> pl.DataFrame:
    """Read a CSV file that must have some columns; raise InputError where it does not."""
    try:
        table = pl.read_csv(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"a readable CSV table ({reason[:200]})", file=str(path)) from None
    _require(table, needed, str(path))
    if table.height == 0:
        raise InputError("at least one row of data", path="line 2", file=str(path))
    return table


def _require(table: pl.DataFrame, needed: Sequence[str], file: str) -> None:
    for name in needed:
        if name not in table.columns:
            there = ", ".join(shown(column, 40) for column in table.columns[:12])
            parted = ": commas part columns, and line ends rows" if table.width == 1 else ""
            expected = f"a column {name!r}; there are {there}{parted}"
            raise InputError(expected, path="line 1", file=file)


def _numbers(table: pl.DataFrame, name: str, file: str, *, whole: bool = False, gaps: bool = False) -> FloatArray:
    """Return a column of positive numbers; raise InputError with the line of the first that is none.

    ``gaps``: nothing may stand there, which becomes nan.
    """
    column = table[name]
    numbers = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(np.float64)
    wrong = ~(np.isfinite(numbers) & (numbers > 0))
    if whole:
        wrong |= numbers != np.rint(numbers)
    if gaps:
        wrong &= ~(column.is_null() | (column.cast(pl.String) == "")).fill_null(True).to_numpy()
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        expected = "a whole number > 0" if whole else "a number > 0"
        raise InputError(expected, path=f"line {line + 2}, column {name}", value=shown(column[line]), file=file)
    return numbers


def _names(table: pl.DataFrame, name: str, file: str) -> list[str]:
    names = table[name].cast(pl.String).to_list()
    for line, value in enumerate(names):
        if not value:
            raise InputError("a name", path=f"line {line + 2}, column {name}", value="nothing", file=file)
    return names


def read_configurations(path: Path | str) -> tuple[pl.DataFrame, Configured]:
    """Read a table of configurations; return it as it stands, and what it says.

    Columns for all-reduce: ``model, gpu_type, nodes, gpus, local_batch``. Optional: ``placement`` (GPUs on
    each node, one digit each) or ``max_per_node``; ``accumulation``; ``gbps`` and ``rdma`` of the network;
    ``arch`` and ``method``, which tell variants of a model apart.

    Columns for parameter servers: ``model, n_ps, n_workers``, and ``global_batch`` (examples a step of all
    workers) or ``local_batch``; 1 where neither stands. Optional: ``gpu_type``; ``mode`` (sync or async).

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    file = str(path)
    table = read_table(path, ["model"])
    if "n_ps" in table.columns:
        _require(table, ["n_ps", "n_workers"], file)
        return table, _with_servers(table, file)
    _require(table, ["gpu_type", "nodes", "gpus", "local_batch"], file)
    nodes, gpus = (_numbers(table, name, file, whole=True) for name in ("nodes", "gpus"))
    if np.any(nodes > gpus):
        line = int(np.flatnonzero(nodes > gpus)[0])
        expected = f"at most as many nodes as GPUs ({gpus[line]:g})"
        raise InputError(expected, path=f"line {line + 2}, column nodes", value=f"{nodes[line]:g}", file=file)
    passes = _numbers(table, "accumulation", file, whole=True) if "accumulation" in table.columns else 1.0
    points = Points.of(
        gpus,
        nodes=nodes,
        local_batch=_numbers(table, "local_batch", file),
        accumulation=passes,
        gbps=_numbers(table, "gbps", file, gaps=True) if "gbps" in table.columns else np.nan,
        max_per_node=_crowding(table, file),
    )
    variant = [""] * len(points)
    for name in ("arch", "method"):
        if name in table.columns:
            variant = [f"{v}/{x}".strip("/") for v, x in zip(variant, _names(table, name, file), strict=True)]
    return table, Configured(
        _names(table, "model", file), _names(table, "gpu_type", file), variant, points, _truths(table, "rdma")
    )


def _with_servers(table: pl.DataFrame, file: str) -> Configured:
    """Return the configurations of a table of parameter servers."""
    servers, workers = (_numbers(table, name, file, whole=True) for name in ("n_ps", "n_workers"))
    batch = np.ones(len(workers))
    if "local_batch" in table.columns:
        batch = _numbers(table, "local_batch", file)
    elif "global_batch" in table.columns:
        batch = _numbers(table, "global_batch", file) / workers
    points = Points.of(workers, nodes=workers, local_batch=batch, servers=servers)
    gpu_types = _names(table, "gpu_type", file) if "gpu_type" in table.columns else ["any"] * len(workers)
    modes = _names(table, "mode", file) if "mode" in table.columns else ["sync"] * len(workers)
    for line, mode in enumerate(modes):
        if not mode.endswith("sync"):
            raise InputError("sync or async", path=f"line {line + 2}, column mode", value=shown(mode), file=file)
    modes = ["async" if mode.endswith("async") else "sync" for mode in modes]
    return Configured(_names(table, "model", file), gpu_types, modes, points, np.zeros(len(workers), dtype=bool))


def _crowding(table: pl.DataFrame, file: str) -> FloatArray | float:
    """Return the most GPUs on one node, nan where the table does not say."""
    if "max_per_node" in table.columns:
        return _numbers(table, "max_per_node", file, whole=True, gaps=True)
    if "placement" not in table.columns:
        return np.nan
    most = []
    for line, text in enumerate(table["placement"].cast(pl.String).fill_null("").to_list()):
        if not (text == "" or text.isdecimal()):
            expected = "the GPUs on each node, one digit each"
            raise InputError(expected, path=f"line {line + 2}, column placement", value=shown(text), file=file)
        most.append(float(max(text)) if text else np.nan)
    return np.array(most)


def _truths(table: pl.DataFrame, name: str) -> NDArray[np.bool_]:
    if name not in table.columns:
        return np.zeros(table.height, dtype=bool)
    return table[name].cast(pl.String).str.to_lowercase().is_in(["true", "1", "yes"]).fill_null(False).to_numpy()


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
    if "throughput_examples_s" in table.columns:
        rates.append(_numbers(table, "throughput_examples_s", file))
    if "step_time_s" in table.columns:
        rates.append(configured.points.examples() / _numbers(table, "step_time_s", file))
    if "throughput_steps_s" in table.columns and not rates:
        # a step of an asynchronous worker trains on its own batch alone
        rates.append(_numbers(table, "throughput_steps_s", file) * configured.points.local_batch)
    if not rates:
        raise InputError("a column 'throughput_examples_s' or 'step_time_s'", path="line 1", file=file)
    if len(rates) == 2 and (ratio := float(np.median(rates[0] / rates[1]))) and not 0.8 < ratio < 1.25:
        expected = f"throughput_examples_s = gpus x local_batch / step_time_s; it is {ratio:.3g} times that (units?)"
        raise InputError(expected, path="column throughput_examples_s", file=file)
    sync = np.full(len(configured.points), np.nan)
    if "sync_time_s" in table.columns:
        sync = table["sync_time_s"].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(np.float64)
    return Measurements(configured, rates[0], sync)
