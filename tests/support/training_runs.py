"""Synthetic training runs whose convergence is known."""

from __future__ import annotations

import numpy as np

from optsched.prediction.convergence import Run, efficiency

BASE = 32.0


def run(batch: float, pace: float = 1.0, phi: float = 1000.0, model: str = "m", top: float = 1.0) -> Run:
    """Return a run to ``top - (1 + progress / (200 pace)) ** -0.7`` whose examples follow the gain exactly."""
    progress = np.arange(1.0, 41.0) * 100
    metric = top - (1 + progress / (200 * pace)) ** -0.7
    noise = np.full(40, phi)
    examples = np.cumsum(100 * BASE / efficiency(batch, noise, BASE))
    return Run(model, batch, BASE, np.arange(1.0, 41.0), progress, examples, metric, noise)


def family(model: str = "m", paces: tuple[float, ...] = (0.9, 1.0, 1.1, 1.0)) -> tuple[Run, ...]:
    return tuple(run(b, pace, model=model) for b, pace in zip((32, 64, 128, 256), paces, strict=True))
