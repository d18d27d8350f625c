"""Convergence tables: training runs, read and checked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.prediction.convergence.efficiency import efficiency, noise_scale
from optsched.prediction.convergence.runs import Run
from optsched.prediction.tables import TextTable, read_text_table

__all__ = ["read_runs"]

_COLUMNS = ("model", "global_batch", "epoch", "progress", "metric", "grad_sqr", "grad_var")


def read_runs(path: Path | str, smaller_is_better: Collection[str] = ()) -> dict[str, tuple[Run, ...]]:
    """Read training runs by model, in the order of their batch sizes.

    Each row is an evaluation of the run of one model at one batch size. Columns: ``model, global_batch,
    epoch``; ``progress`` (steps at the model's smallest batch in the table that the training so far is
    worth); ``metric``; ``grad_sqr, grad_var`` (squared norm and variance of the gradient, scaled to the
    smallest batch); and, if there, ``examples`` or ``iteration`` (steps), both since the start. Without
    these two, the examples are computed from the gain.

    Parameters
    ----------
    smaller_is_better
        Models whose metric is a loss.

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    file = str(path)
    text = read_text_table(path, _COLUMNS)
    found = {name: _numbers(text, name) for name in (*_COLUMNS[1:], "examples", "iteration") if name in text}
    table = pl.DataFrame({"line": text.lines, "model": text.names("model"), **found})
    models = table["model"].unique().sort().to_list()
    for name in smaller_is_better:
        if name not in models:
            expected = f"one of the models {', '.join(models[:12])}"
            raise InputError(expected, path="smaller_is_better", value=shown(name), file=file)
    runs: dict[str, tuple[Run, ...]] = {}
    for model in models:
        rows = table.filter(pl.col("model") == model).sort("global_batch", "epoch")
        base, sign = float(rows["global_batch"].item(0)), -1.0 if model in smaller_is_better else 1.0
        runs[model] = tuple(_run(part, base, sign, file) for part in rows.partition_by("global_batch"))
        _check_direction(model, runs[model], file)
    return runs


def _numbers(table: TextTable, name: str) -> FloatArray:
    """Return a column as numbers: any finite ones for the metric, >= 0 for a variance, else > 0."""
    return table.numbers(name, least=-np.inf if name == "metric" else 0.0, equal=name == "grad_var")


def _run(rows: pl.DataFrame, base: float, sign: float, file: str) -> Run:
    def column(name: str) -> FloatArray:
        return rows[name].to_numpy().astype(np.float64)

    def growing(name: str, values: FloatArray) -> FloatArray:
        wrong: NDArray[np.bool_] = np.diff(values) <= 0
        if wrong.any():
            row = int(np.argmax(wrong)) + 1
            expected = f"more than the {values[row - 1]:g} of the run's evaluation before"
            place = f"line {rows['line'][row]}, column {name}"
            raise InputError(expected, path=place, value=f"{values[row]:g}", file=file)
        return values

    batch, model = float(rows["global_batch"].item(0)), str(rows["model"].item(0))
    phi = noise_scale(column("grad_sqr"), column("grad_var"), base)
    epochs, progress = growing("epoch", column("epoch")), growing("progress", column("progress"))
    if "examples" in rows.columns:
        examples = growing("examples", column("examples"))
    elif "iteration" in rows.columns:
        examples = growing("iteration", column("iteration")) * batch
    else:
        examples = np.cumsum(np.diff(progress, prepend=0.0) * base / efficiency(batch, phi, base))
    return Run(model, batch, base, epochs, progress, examples, sign * column("metric"), phi, sign)


def _check_direction(model: str, runs: tuple[Run, ...], file: str) -> None:
    """Refuse a model whose metric gets worse in most of its runs: its direction was not told."""
    worse = sum(bool(run.metric[-1] < run.metric[0]) for run in runs)
    if 2 * worse > len(runs):
        how = "rises" if runs[0].sign < 0 else "falls"
        hint = "a loss? then name the model: --loss, or smaller_is_better"
        expected = f"one that gets better; it {how} in {worse} of {len(runs)} runs ({hint})"
        raise InputError(expected, path=f"metric of model {model!r}", file=file)
