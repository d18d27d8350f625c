"""Make the tables of the examples: what published curves say, times noise. They are not measurements.

Each row is the throughput that a curve of ``instances/curves.json`` gives, times log-normal noise of 3 %. Run from the
project's root, and the same files come out again::

    python examples/make.py [FOLDER]
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from optsched.prediction.curves import Points
from optsched.prediction.curves.fitted import load_curves

ROOT = Path(__file__).resolve().parents[1]
PAIRS = ("bert/t4", "bert/v100", "cifar10/t4", "cifar10/v100", "imagenet/t4", "yolov3/t4", "yolov3/v100")
GPUS = (1, 2, 3, 4, 6, 8, 12, 16)
NOISE, SEED = 0.03, 1
CONFIGURATION = ("model", "gpu_type", "nodes", "gpus", "local_batch")
QUERIES = (
    ("bert", "v100", 2, 10, 8),
    ("bert", "t4", 5, 20, 8),
    ("cifar10", "v100", 1, 5, 256),
    ("yolov3", "t4", 3, 9, 6),
)


def measurements() -> Iterator[tuple[str | int | float, ...]]:
    """Yield the rows of ``measurements.csv``: three batches, 1 to 16 GPUs on as few nodes as hold them."""
    random = np.random.default_rng(SEED)
    curves = {fitted.name: fitted for fitted in load_curves(ROOT / "instances" / "curves.json").curves}
    for pair in PAIRS:
        fitted = curves[pair]
        least, most = (int(batch) for batch in fitted.local_batches)
        for batch in sorted({least, round((least * most) ** 0.5), most}):
            for gpus in GPUS:
                nodes = -(-gpus // fitted.gpus_per_node)
                rate = fitted.curve.throughput(Points.of(gpus, nodes=nodes, local_batch=batch))[0]
                noisy = rate * np.exp(NOISE * random.standard_normal())
                yield fitted.model, fitted.gpu_type, nodes, gpus, batch, float(f"{noisy:.4g}")


def write(folder: Path) -> None:
    """Write all tables to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "measurements.csv": ((*CONFIGURATION, "throughput_examples_s"), measurements()),
        "queries.csv": (CONFIGURATION, QUERIES),
    }
    for name, (header, rows) in tables.items():
        with (folder / name).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "examples")
