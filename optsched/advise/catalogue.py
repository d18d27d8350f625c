"""A catalogue of models: task, published quality, and training rates that were measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np

from optsched.errors import InputError, shown
from optsched.prediction.tables import TextTable, read_text_table

__all__ = ["Model", "from_timm", "load_catalogue", "shipped", "write_catalogue"]

_COLUMNS = ("name", "task", "quality", "gpu_type", "examples_s", "epochs", "examples_per_epoch")
_IMAGENET = 1_281_167
"""Images of the training set of ImageNet-1k (Russakovsky et al., IJCV 2015)."""
_PRETRAINED = re.compile(
    r"in2[12]k|in12k|ig1b|_ig|laion|wsl|ssl|miil|openai|jft|ns_|dist|gap|clip|dino|mae|mim|augreg|swag|usi|sw_|goog"
)
"""Tags of weights that were trained on more data, or from a teacher: their quality costs more than one training."""
_EPOCHS = {"a1": 600, "a2": 300, "a3": 100, "tv": 90, "tv2": 600}
"""Epochs of recipes (Wightman et al. 2021, table 2; torchvision's references)."""
_USUAL_EPOCHS = 300


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model with weights of a known quality, trained from the beginning.

    quality, metric
        Published quality, and what it is a number of; larger is better.
    epochs, examples_per_epoch
        Of the recipe; ``epochs_known`` tells whether the recipe names them, or whether they are the usual ones.
    gpu_type, examples_s, batch, input
        Measured rate of training on one GPU, with its batch and input.
    source
        Where quality and rate come from.
    """

    name: str
    task: str
    metric: str = ""
    quality: float
    parameters_m: float | None = None
    epochs: float
    epochs_known: bool = True
    examples_per_epoch: float
    gpu_type: str
    examples_s: float
    batch: float | None = None
    input: str = ""
    source: str = ""

    @property
    def examples(self) -> float:
        """Examples that reaching the quality takes."""
        return self.epochs * self.examples_per_epoch


def shipped() -> tuple[Model, ...]:
    """Return the catalogue that comes with optsched: some sixty well-known image models, with their sources."""
    return load_catalogue(Path(str(files("optsched.advise").joinpath("models.csv"))))


def load_catalogue(path: Path | str) -> tuple[Model, ...]:
    """Read a catalogue of one's own.

    Columns: ``name, task, quality, gpu_type, examples_s, epochs, examples_per_epoch``. Optional: ``metric``,
    ``parameters_m``, ``epochs_known`` (yes or no), ``batch``, ``input``, ``source``.

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    table = read_text_table(path, _COLUMNS)
    quality = table.numbers("quality", least=-np.inf)
    rates, epochs, each = (table.numbers(name) for name in ("examples_s", "epochs", "examples_per_epoch"))
    empty = np.full(len(table), np.nan)
    parameters, batch = (
        table.numbers(name, gaps=True) if name in table else empty for name in ("parameters_m", "batch")
    )
    names, tasks, gpu_types = (table.names(name) for name in ("name", "task", "gpu_type"))
    metric, size, source = (table.columns.get(name, [""] * len(table)) for name in ("metric", "input", "source"))
    known = _truths(table, "epochs_known")
    return tuple(
        Model(
            name=names[k],
            task=tasks[k],
            metric=metric[k],
            quality=float(quality[k]),
            parameters_m=float(parameters[k]) if np.isfinite(parameters[k]) else None,
            epochs=float(epochs[k]),
            epochs_known=known[k],
            examples_per_epoch=float(each[k]),
            gpu_type=gpu_types[k],
            examples_s=float(rates[k]),
            batch=float(batch[k]) if np.isfinite(batch[k]) else None,
            input=size[k],
            source=source[k],
        )
        for k in range(len(table))
    )


def _truths(table: TextTable, name: str) -> list[bool]:
    if name not in table:
        return [True] * len(table)
    for row, cell in enumerate(table.columns[name]):
        if cell.lower() not in ("yes", "no", "true", "false", "1", "0", ""):
            raise table.wrong(row, name, "yes or no")
    return [cell.lower() in ("yes", "true", "1", "") for cell in table.columns[name]]


def write_catalogue(models: Sequence[Model], path: Path | str) -> None:
    """Write a catalogue as ``load_catalogue`` reads it."""
    import polars as pl

    from optsched._util.files import write_bytes
    from optsched._util.tables import csv_bytes

    rows = [{name: getattr(model, name) for name in Model.__struct_fields__} for model in models]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    write_bytes(path, csv_bytes(frame.with_columns(pl.col("epochs_known").replace_strict({True: "yes", False: "no"}))))


def from_timm(results: Path | str, rates: Path | str, gpu_type: str = "rtx 3090") -> tuple[Model, ...]:
    """Return the models of timm's public tables: accuracies on ImageNet-1k, and training benchmarks on one GPU.

    Of each model the best weights count that were trained on ImageNet-1k alone, at an input like the benchmark's.

    Parameters
    ----------
    results
        Table ``model, img_size, top1, params_m`` (timm's ``results-imagenet.csv`` has ``param_count`` there).
    rates
        Table ``model, train_samples_per_sec, train_img_size, train_batch_size``.
    gpu_type
        GPU that the rates were measured on.

    Raises
    ------
    InputError
        With what is wrong, or where no model is in both tables.
    """
    told = read_text_table(results, ["model", "img_size", "top1"])
    tops, sizes = told.numbers("top1", gaps=True), told.numbers("img_size")
    parameters = told.columns.get("params_m") or told.columns.get("param_count") or [""] * len(told)
    best: dict[str, list[int]] = {}
    for k, name in enumerate(told.names("model")):
        model, _, tag = name.partition(".")
        if tag and not _PRETRAINED.search(tag) and np.isfinite(tops[k]):
            best.setdefault(model, []).append(k)
    bench = read_text_table(rates, ["model", "train_samples_per_sec", "train_img_size"])
    speed, size = bench.numbers("train_samples_per_sec"), bench.numbers("train_img_size")
    batches = (
        bench.numbers("train_batch_size", gaps=True) if "train_batch_size" in bench else np.full(len(bench), np.nan)
    )
    found = []
    for row, model in enumerate(bench.names("model")):
        alike = [k for k in best.get(model, []) if sizes[k] <= 1.34 * size[row]]
        if not alike:
            continue
        k = max(alike, key=lambda n: float(tops[n]))
        epochs, known = _epochs(told.columns["model"][k].partition(".")[2])
        found.append(
            Model(
                name=told.columns["model"][k],
                task="image classification",
                metric="top-1 % on ImageNet-1k",
                quality=float(tops[k]),
                parameters_m=_millions(parameters[k]),
                epochs=epochs,
                epochs_known=known,
                examples_per_epoch=_IMAGENET,
                gpu_type=gpu_type,
                examples_s=float(speed[row]),
                batch=float(batches[row]) if np.isfinite(batches[row]) else None,
                input=f"{size[row]:g} x {size[row]:g}",
                source="timm results (ImageNet-1k) and training benchmark; Apache-2.0",
            )
        )
    if not found:
        raise InputError(
            "a model that is in both tables", path="column model", value=shown(str(rates)), file=str(results)
        )
    return tuple(found)


def _epochs(tag: str) -> tuple[float, bool]:
    """Return the epochs that the tag of weights names, or else the usual ones, and whether it names them."""
    named = re.search(r"_e(\d+)", tag)
    if named:
        return float(named[1]), True
    recipe = tag.partition("_")[0]
    return float(_EPOCHS.get(recipe, _USUAL_EPOCHS)), recipe in _EPOCHS


def _millions(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
