"""Corrections of models by observed progress: shrunken means of what was observed over what the model says.

For a configuration c, which is a number of GPUs of a type: the rate is the model's, times exp(x M + (1 - x) B), M being
the mean logarithm of observed over modelled rates of the application in c, x = N / (N + 1) after N rounds in c, and B
what other sizes on the same type tell: (A/2 + sum q_k M_k) / (1/2 + sum q_k), A the application's mean over all,
q_k = x_k / 2^|log2(g_k / g_c)|. What an application never ran counts a little more than that, so that it is tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves import Curve, Points
from optsched.scheduler.profiles import MEMORY, Cell

__all__ = ["OPTIMISM", "Ratios", "factors", "ratios_of", "ratios_to"]

OPTIMISM = 1.3
"""Factor of configurations that an application never ran."""

Ratios = dict[tuple[str, int], tuple[float, int]]
"""By (GPU type, GPUs): the mean logarithm of observed over modelled rates, and rounds."""


def ratios_of(cells: Sequence[Cell], modelled: Callable[[Cell], float]) -> Ratios:
    """Return how observations compare with a model; cells whose modelled rate is unknown are passed over."""
    sums: defaultdict[tuple[str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for cell in cells:
        rate = modelled(cell)
        if rate > 0 and np.isfinite(rate):
            rounds = min(cell.rounds, MEMORY)
            found = sums[cell.gpu_type, cell.gpus]
            found[0] += rounds * (cell.log_rate - float(np.log(rate)))
            found[1] += rounds
    return {key: (total / rounds, int(rounds)) for key, (total, rounds) in sums.items()}


def ratios_to(curves: dict[str, Curve], cells: Sequence[Cell]) -> Ratios:
    """Return how observations compare with a curve for each GPU type."""

    def modelled(cell: Cell) -> float:
        curve = curves.get(cell.gpu_type)
        if curve is None:
            return float("nan")
        return float(curve.throughput(Points.of(cell.gpus, nodes=cell.nodes, local_batch=cell.local_batch))[0])

    return ratios_of(cells, modelled)


def factors(ratios: Ratios, gpu_type: str, gpus: FloatArray) -> FloatArray:
    """Return the factor of each number of GPUs of a type, shape of ``gpus``; 1 where nothing was observed at all."""
    if not ratios:
        return np.ones(len(gpus))
    rounds = np.array([n for _, n in ratios.values()], dtype=np.float64)
    mean = float(np.array([m for m, _ in ratios.values()]) @ rounds / rounds.sum())
    here = [(g, m, n / (n + 1)) for (kind, g), (m, n) in ratios.items() if kind == gpu_type]
    found = np.empty(len(gpus))
    own = {g: (m, x) for g, m, x in here}
    for k, count in enumerate(gpus.tolist()):
        near = [(x / 2 ** abs(np.log2(g / count)), m) for g, m, x in here if g != count]
        borrowed = (mean / 2 + sum(q * m for q, m in near)) / (0.5 + sum(q for q, _ in near))
        m, x = own.get(count, (0.0, 0.0))
        found[k] = np.exp(x * m + (1 - x) * borrowed) * (1.0 if count in own else OPTIMISM)
    return np.clip(found, 1e-3, 1e3)
