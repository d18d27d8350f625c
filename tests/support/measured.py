"""Tables of measurements, made from known curves with noise, for the tests of what reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from optsched.prediction.curves import AllReduce, Points

CURVES = {
    ("bert", "t4"): AllReduce(
        pass_s=0.1,
        example_s=0.08,
        local_sync_s=0.05,
        local_exponent=0.3,
        sync_s=0.8,
        node_exponent=0.1,
        gpu_exponent=0.1,
    ),
    ("bert", "v100"): AllReduce(
        pass_s=0.03,
        example_s=0.02,
        local_sync_s=0.02,
        local_exponent=0.3,
        sync_s=0.15,
        node_exponent=0.1,
        gpu_exponent=0.1,
    ),
    ("ncf", "t4"): AllReduce(
        pass_s=0.01,
        example_s=2e-5,
        local_sync_s=0.02,
        local_exponent=0.3,
        sync_s=0.06,
        node_exponent=0.1,
        gpu_exponent=0.1,
    ),
}
BATCHES = {"bert": (4, 8, 12), "ncf": (512, 2048, 8192)}
HEADER = "model,gpu_type,nodes,gpus,local_batch,throughput_examples_s"


def rows(noise: float = 0.03, seed: int = 0) -> list[str]:
    """Return rows for 1 to 16 GPUs on nodes of 4, three batches each, without the header."""
    random = np.random.default_rng(seed)
    made = []
    for (model, gpu_type), curve in CURVES.items():
        for batch in BATCHES[model]:
            for gpus in (1, 2, 3, 4, 5, 6, 8, 12, 16):
                nodes = -(-gpus // 4)
                rate = curve.throughput(Points.of(gpus, nodes=nodes, local_batch=batch))[0]
                rate *= np.exp(noise * random.standard_normal())
                made.append(f"{model},{gpu_type},{nodes},{gpus},{batch},{rate:.9g}")
    return made


def write(path: Path, lines: list[str] | None = None) -> Path:
    """Write a table of measurements and return its path."""
    path.write_text("\n".join([HEADER, *(rows() if lines is None else lines)]) + "\n")
    return path
