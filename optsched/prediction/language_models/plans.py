"""Parallelism plans: a table of language-model configurations, read, checked and turned into arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.prediction.language_models.architecture import Architecture
from optsched.prediction.language_models.hardware import GPUS, Gpu, gpu_of, precision_of
from optsched.prediction.language_models.names import architecture_of, canonical, known_architectures

__all__ = ["COLUMNS", "Plans", "is_plan_table", "plans_of", "read_plans"]

COLUMNS = {
    "source": "",
    "model": "",
    "gpu_type": "",
    "gpus": np.nan,
    "gpus_per_node": np.nan,
    "precision": "",
    "params_b": np.nan,
    "layers": np.nan,
    "hidden": np.nan,
    "heads": np.nan,
    "vocabulary": np.nan,
    "experts": np.nan,
    "seq": np.nan,
    "global_batch": np.nan,
    "micro_batch": 1.0,
    "tensor": 1.0,
    "pipeline": 1.0,
    "context": 1.0,
    "expert": 1.0,
    "virtual_pipeline": 1.0,
    "zero": np.nan,
    "checkpointing": "",
    "phase": "pretrain",
}
"""Columns of a table of plans, with the value of a cell that is empty or a column that is absent."""
_NEEDED = ("gpu_type", "gpus", "seq", "global_batch")
_WHOLE = ("gpus", "gpus_per_node", "layers", "hidden", "heads", "vocabulary", "experts", "seq", "global_batch")
_DEGREES = ("micro_batch", "tensor", "pipeline", "context", "expert", "virtual_pipeline")
_TRUE = {"true", "1", "yes", "full"}
_FALSE = {"false", "0", "no", "none"}


@dataclass(frozen=True)
class Plans:
    """``n`` plans as arrays of shape ``(n,)``; sizes of the architecture are those of one layer on average.

    model, gpu, source, release, precision, phase
        Canonical names; ``source`` is the publisher without its ``release``.
    architectures
        The architecture of each plan.
    tflops ... domain
        Data of the GPU type (:class:`~optsched.prediction.language_models.hardware.Gpu`); ``domain`` is at least the
        GPUs of a node.
    speedup
        Peak rate at the plan's precision over that at 16 bits.
    checkpointing
        1 with full recomputation of activations, 0 without or where it is not known.
    zero
        Stage of ZeRO; 1 where it is not known.
    data
        Replicas: GPUs / (tensor x pipeline x context).
    """

    model: NDArray[np.str_]
    gpu: NDArray[np.str_]
    generation: NDArray[np.str_]
    source: NDArray[np.str_]
    release: NDArray[np.str_]
    precision: NDArray[np.str_]
    phase: NDArray[np.str_]
    architectures: tuple[Architecture, ...]
    tflops: FloatArray
    memory_gb: FloatArray
    memory_tb_s: FloatArray
    link_gb_s: FloatArray
    network_gb_s: FloatArray
    domain: FloatArray
    speedup: FloatArray
    gpus: FloatArray
    seq: FloatArray
    global_batch: FloatArray
    micro_batch: FloatArray
    tensor: FloatArray
    pipeline: FloatArray
    context: FloatArray
    expert: FloatArray
    virtual_pipeline: FloatArray
    data: FloatArray
    zero: FloatArray
    checkpointing: FloatArray

    def __len__(self) -> int:
        return len(self.gpus)

    def take(self, rows: Any) -> Plans:
        """Return the named rows only."""
        numbers = np.arange(len(self))[rows]
        taken = {f.name: getattr(self, f.name)[numbers] for f in fields(self) if f.name != "architectures"}
        return Plans(architectures=tuple(self.architectures[n] for n in numbers.tolist()), **taken)

    def of(self, name: str) -> FloatArray:
        """Return a property of each plan's architecture, shape ``(n,)``."""
        return np.array([getattr(a, name) or 0 for a in self.architectures], dtype=np.float64)


def is_plan_table(columns: Sequence[str]) -> bool:
    """Tell whether a table's columns are those of parallelism plans of language models."""
    return {"gpu_type", "gpus", "seq", "global_batch"} <= set(columns)


def read_plans(table: Any, file: str = "") -> tuple[Plans, list[dict[str, Any]]]:
    """Return the plans of a table (a polars data frame), and its cells as records.

    Raises
    ------
    InputError
        With the line and the column of what is wrong or lacks.
    """
    import polars as pl

    for name in _NEEDED:
        if name not in table.columns:
            raise InputError(f"a column {name!r}", path="line 1", value=shown(", ".join(table.columns[:12])), file=file)
    texts = table.select(pl.all().cast(pl.String).fill_null(""))
    cells = [{name: row[name].strip() for name in COLUMNS if name in row} for row in texts.iter_rows(named=True)]
    records = [_record(row, f"line {line}", file) for line, row in enumerate(cells, start=2)]
    return plans_of(records, file), records


def _record(row: Mapping[str, str], where: str, file: str) -> dict[str, Any]:
    """Return the cells of a row that say something, as numbers where they are."""
    record: dict[str, Any] = {}
    for name, default in COLUMNS.items():
        text = row.get(name, "")
        if not text:
            if name in _NEEDED:
                raise InputError("a value", path=f"{where}, column {name}", value="nothing", file=file)
            continue
        record[name] = text if isinstance(default, str) else _number(text, name, where, file)
    return record


def _number(text: str, name: str, where: str, file: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    lowest = 0 if name == "zero" else 1 if name in _WHOLE or name in _DEGREES else 1e-6
    whole = name != "params_b"
    if not (np.isfinite(value) and value >= lowest and (not whole or value == round(value))):
        expected = f"a {'whole ' if whole else ''}number >= {lowest:g}"
        raise InputError(expected, path=f"{where}, column {name}", value=shown(text), file=file)
    return value


def plans_of(records: Sequence[Mapping[str, Any]], file: str = "") -> Plans:
    """Return plans from records with the names of :data:`COLUMNS`, as ``read_plans`` returns them."""
    n = len(records)
    column = {name: [record.get(name, default) for record in records] for name, default in COLUMNS.items()}
    number = {
        name: np.array(column[name], dtype=np.float64)
        for name, default in COLUMNS.items()
        if isinstance(default, float)
    }
    known: list[tuple[str, Gpu]] = []
    architectures = []
    for k in range(n):
        where = f"line {k + 2}"
        gpu = gpu_of(str(column["gpu_type"][k]))
        if gpu is None:
            expected = f"a GPU type whose data are known ({', '.join(GPUS)})"
            raise InputError(expected, path=f"{where}, column gpu_type", value=shown(column["gpu_type"][k]), file=file)
        known.append(gpu)
        architecture = architecture_of(
            str(column["model"][k]),
            layers=number["layers"][k],
            hidden=number["hidden"][k],
            heads=number["heads"][k],
            vocabulary=number["vocabulary"][k],
            experts=number["experts"][k],
            parameters=1e9 * number["params_b"][k],
        )
        if architecture is None:
            expected = "a model of a known name, or its layers and hidden size, or params_b"
            raise InputError(expected, path=f"{where}, column model", value=shown(column["model"][k]), file=file)
        architectures.append(architecture)
    degree = number["tensor"] * number["pipeline"] * number["context"]
    data = number["gpus"] / degree
    _divides(data, degree, number["gpus"], "GPUs of a plan that tensor x pipeline x context divides", file)
    passes = number["global_batch"] / (number["micro_batch"] * data)
    if np.any(passes < 1 - 1e-9):
        k = int(np.flatnonzero(passes < 1 - 1e-9)[0])
        expected = f"a global batch of at least micro_batch x replicas ({number['micro_batch'][k] * data[k]:g})"
        value = f"{number['global_batch'][k]:g}"
        raise InputError(expected, path=f"line {k + 2}, column global_batch", value=value, file=file)
    precision = np.array(
        [_precision(str(text), gpu) for text, (_, gpu) in zip(column["precision"], known, strict=True)]
    )
    sources = [_release(str(text)) for text in column["source"]]
    per_node = np.where(np.isnan(number["gpus_per_node"]), 1.0, number["gpus_per_node"])
    checkpointing = [str(text).lower() for text in column["checkpointing"]]
    for k, text in enumerate(checkpointing):
        if text and text not in _TRUE | _FALSE:
            raise InputError("true or false", path=f"line {k + 2}, column checkpointing", value=shown(text), file=file)
    return Plans(
        model=np.array([_model(str(m), a) for m, a in zip(column["model"], architectures, strict=True)]),
        gpu=np.array([name for name, _ in known]),
        generation=np.array([gpu.generation for _, gpu in known]),
        source=np.array([source for source, _ in sources]),
        release=np.array([release for _, release in sources]),
        precision=precision,
        phase=np.array([str(text).lower() for text in column["phase"]]),
        architectures=tuple(architectures),
        tflops=np.array([gpu.tflops for _, gpu in known]),
        memory_gb=np.array([gpu.memory_gb for _, gpu in known]),
        memory_tb_s=np.array([gpu.memory_tb_s for _, gpu in known]),
        link_gb_s=np.array([gpu.link_gb_s for _, gpu in known]),
        network_gb_s=np.array([gpu.network_gb_s for _, gpu in known]),
        domain=np.maximum(np.array([float(gpu.domain) for _, gpu in known]), per_node),
        speedup=np.array(
            [{"16": 1.0, "8": gpu.eight, "4": gpu.four}[p] for p, (_, gpu) in zip(precision, known, strict=True)]
        ),
        gpus=number["gpus"],
        seq=number["seq"],
        global_batch=number["global_batch"],
        micro_batch=number["micro_batch"],
        tensor=number["tensor"],
        pipeline=number["pipeline"],
        context=number["context"],
        expert=number["expert"],
        virtual_pipeline=number["virtual_pipeline"],
        data=data,
        zero=np.where(np.isnan(number["zero"]), 1.0, number["zero"]),
        checkpointing=np.array([float(text in _TRUE) for text in checkpointing]),
    )


def _divides(data: FloatArray, degree: FloatArray, gpus: FloatArray, expected: str, file: str) -> None:
    wrong = np.flatnonzero(np.abs(data - np.rint(data)) > 1e-9)
    if len(wrong):
        k = int(wrong[0])
        value = f"{gpus[k]:g} GPUs, {degree[k]:g} to a replica"
        raise InputError(expected, path=f"line {k + 2}, column gpus", value=value, file=file)


def _precision(text: str, gpu: Gpu) -> str:
    """Return the family of a precision; where none is published, 8 bits on the GPUs that have them."""
    if text:
        return precision_of(text)
    return "8" if gpu.eight > 1 else "16"


def _release(source: str) -> tuple[str, str]:
    """Split ``name-26.06`` into a publisher and its release."""
    name, _, tail = source.rpartition("-")
    return (name, tail) if name and tail[:1].isdigit() else (source, "")


def _model(name: str, architecture: Architecture) -> str:
    """Return a model's canonical name; models that differ in depth alone are one."""
    if canonical(name) in known_architectures():
        return canonical(name)
    return f"h{architecture.hidden} a{architecture.heads} e{architecture.experts}"
