"""Measurements: tables of throughputs, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from optsched.curves.points import FloatArray, Points
from optsched.errors import InputError, shown

__all__ = ["Measurements", "points_of", "read_measurements", "read_table"]

_COUNTS = ("nodes", "gpus", "local_batch")


@dataclass(frozen=True)
class Measurements:
    """``n`` measured configurations.

    model, gpu_type
        What was trained on what, shape ``(n,)`` of str.
    points
        The configurations.
    throughput
        Examples/s, shape ``(n,)``.
    """

    model: Sequence[str]
    gpu_type: Sequence[str]
    points: Points
    throughput: FloatArray


def read_table(path: Path | str, needed: Sequence[str]) -> pl.DataFrame:
    """Read a CSV file that must have some columns; raise InputError where it does not."""
    try:
        table = pl.read_csv(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"a readable CSV table ({reason[:200]})", file=str(path)) from None
    for name in needed:
        if name not in table.columns:
            expected = f"a column {name!r}; there are {', '.join(table.columns[:12])}"
            raise InputError(expected, path="line 1", file=str(path))
    if table.height == 0:
        raise InputError("at least one row of data", path="line 2", file=str(path))
    return table


def _numbers(table: pl.DataFrame, name: str, file: str, *, whole: bool = False) -> FloatArray:
    """Return a column of positive numbers; raise InputError with the line of the first that is none."""
    column = table[name]
    numbers = column.cast(pl.Float64, strict=False).to_numpy()
    wrong = ~(np.isfinite(numbers) & (numbers > 0))
    if whole:
        wrong |= numbers != np.rint(numbers)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        expected = "a whole number > 0" if whole else "a number > 0"
        raise InputError(expected, path=f"line {line + 2}, column {name}", value=shown(column[line]), file=file)
    return numbers.astype(np.float64)


def _names(table: pl.DataFrame, name: str, file: str) -> list[str]:
    names = table[name].cast(pl.String).to_list()
    for line, value in enumerate(names):
        if not value:
            raise InputError("a name", path=f"line {line + 2}, column {name}", value="nothing", file=file)
    return names


def points_of(table: pl.DataFrame, file: str) -> Points:
    """Return the configurations of a table with the columns nodes, gpus and local_batch."""
    nodes, gpus, batch = (_numbers(table, name, file, whole=name != "local_batch") for name in _COUNTS)
    if np.any(nodes > gpus):
        line = int(np.flatnonzero(nodes > gpus)[0])
        expected = f"at most as many nodes as GPUs ({gpus[line]:g})"
        raise InputError(expected, path=f"line {line + 2}, column nodes", value=f"{nodes[line]:g}", file=file)
    passes = _numbers(table, "accumulation", file, whole=True) if "accumulation" in table.columns else 1.0
    return Points.of(gpus, nodes=nodes, local_batch=batch, accumulation=passes)


def read_measurements(path: Path | str) -> Measurements:
    """Read measured throughputs.

    Columns: ``model, gpu_type, nodes, gpus, local_batch`` and ``throughput_examples_s`` or
    ``step_time_s`` (where both stand, they must agree); ``accumulation`` if there is any.

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    file = str(path)
    table = read_table(path, ["model", "gpu_type", *_COUNTS])
    points = points_of(table, file)
    rates = []
    if "throughput_examples_s" in table.columns:
        rates.append(_numbers(table, "throughput_examples_s", file))
    if "step_time_s" in table.columns:
        rates.append(points.examples() / _numbers(table, "step_time_s", file))
    if not rates:
        raise InputError("a column 'throughput_examples_s' or 'step_time_s'", path="line 1", file=file)
    if len(rates) == 2 and (ratio := float(np.median(rates[0] / rates[1]))) and not 0.8 < ratio < 1.25:
        expected = f"throughput_examples_s = gpus x local_batch / step_time_s; it is {ratio:.3g} times that (units?)"
        raise InputError(expected, path="column throughput_examples_s", file=file)
    return Measurements(_names(table, "model", file), _names(table, "gpu_type", file), points, rates[0])
