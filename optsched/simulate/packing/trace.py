"""Nodes and pods of a cluster with fractional GPUs, from the tables of a trace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError, shown
from optsched.prediction.curves.measurements import read_table

__all__ = ["Nodes", "Pods", "arrivals", "read_nodes", "read_pods"]


@dataclass(frozen=True, eq=False)
class Nodes:
    """``n`` nodes: CPU (thousandths of a core), memory (MiB), number of GPUs, and their model, shape ``(n,)`` each."""

    cpu: IntArray
    memory: IntArray
    gpus: IntArray
    model: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pods:
    """``k`` kinds of pods, and the kind of each pod.

    cpu, memory
        As of nodes, shape ``(k,)``.
    gpus, milli
        Number of GPUs, and thousandths of each: less than 1000 only of one GPU. Shape ``(k,)``.
    models
        GPU models that a kind may use; empty: any.
    kind
        Of each pod, shape ``(pods,)``.
    """

    cpu: IntArray
    memory: IntArray
    gpus: IntArray
    milli: IntArray
    models: tuple[frozenset[str], ...]
    kind: IntArray

    @property
    def asked(self) -> IntArray:
        """Thousandths of GPUs that each kind asks for in all, shape ``(k,)``."""
        return self.gpus * self.milli

    @property
    def popularity(self) -> FloatArray:
        """Part of the pods of each kind, shape ``(k,)``."""
        return np.bincount(self.kind, minlength=len(self.cpu)) / max(1, len(self.kind))


def read_nodes(path: Path | str) -> Nodes:
    """Read a table with columns ``cpu_milli, memory_mib, gpu, model``."""
    table = read_table(path, ("cpu_milli", "memory_mib", "gpu", "model"))
    cpu, memory, gpus = (_whole(table, name, str(path)) for name in ("cpu_milli", "memory_mib", "gpu"))
    return Nodes(cpu, memory, gpus, tuple(str(name) for name in table["model"].to_list()))


def read_pods(path: Path | str) -> Pods:
    """Read a table with columns ``cpu_milli, memory_mib, num_gpu, gpu_milli``, and ``gpu_spec`` (models, by ``|``)."""
    table = read_table(path, ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli"))
    columns = np.column_stack(
        [_whole(table, name, str(path)) for name in ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli")]
    )
    wrong = (columns[:, 2] > 0) & ((columns[:, 3] < 1) | (columns[:, 3] > 1000))
    wrong |= (columns[:, 2] > 1) & (columns[:, 3] != 1000)
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = "1 to 1000, and 1000 where there are several GPUs"
        raise InputError(
            expected, path=f"line {row + 2}, column gpu_milli", value=shown(int(columns[row, 3])), file=str(path)
        )
    if "gpu_spec" in table.columns:
        spec = [text or "" for text in table["gpu_spec"].cast(pl.String).to_list()]
    else:
        spec = [""] * len(columns)
    kinds: dict[tuple[int, int, int, int, str], int] = {}
    kind = np.array(
        [kinds.setdefault((*row, text), len(kinds)) for row, text in zip(columns.tolist(), spec, strict=True)],
        dtype=np.int64,
    )
    parts = list(zip(*kinds, strict=True))
    numbers = [np.array(part, dtype=np.int64) for part in parts[:4]]
    models = tuple(frozenset(name for name in text.split("|") if name) for text in parts[4])
    return Pods(numbers[0], numbers[1], numbers[2], numbers[3], models, kind)


def _whole(table: pl.DataFrame, name: str, file: str) -> IntArray:
    values = table[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
    wrong = ~np.isfinite(values) | (values < 0) | (values != np.floor(values))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            "a whole number >= 0", path=f"line {row + 2}, column {name}", value=shown(table[name][row]), file=file
        )
    return values.astype(np.int64)


def arrivals(nodes: Nodes, pods: Pods, seed: int, ratio: float = 1.3) -> IntArray:
    """Return kinds of pods in a random order, until their GPUs come to ``ratio`` times what the nodes have.

    The pods of the trace in a random order, and then more of them drawn at random (Weng et al., ATC'23, sec. 6.1).
    """
    random = np.random.default_rng(seed)
    asked, limit = pods.asked, ratio * 1000 * int(nodes.gpus.sum())
    order = random.permutation(pods.kind)
    while asked[order].sum() < limit:
        order = np.concatenate([order, random.choice(pods.kind, len(pods.kind))])
    return order[: int(np.searchsorted(np.cumsum(asked[order]), limit)) + 1]
