"""Coefficients of the formula: positive, log-normal, with effects of GPU generation, precision and publisher."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.prediction.language_models.plans import Plans

__all__ = ["EFFECTS", "PRIOR", "Design", "coefficients", "design"]

PRIOR = {
    "dense": (1.3, 0.4),
    "thin": (0.35, 1.0),
    "short": (0.1, 1.0),
    "experts": (1.8, 0.7),
    "attention": (3.2, 0.7),
    "activations": (100.0, 0.7),
    "weights": (2.4, 0.5),
    "scores": (8.0, 1.0),
    "tensor": (0.7, 0.7),
    "tensor_latency": (0.2, 1.0),
    "dispatch": (0.5, 1.0),
    "context": (1.0, 1.0),
    "launch_s": (5e-3, 1.0),
    "vocabulary": (1.0, 0.5),
    "stage_traffic": (0.5, 1.0),
    "gather": (0.5, 0.7),
    "reduction": (0.3, 1.0),
    "optimizer": (10.0, 0.7),
    "constant_s": (7e-3, 1.5),
    "eight_bits": (0.7, 0.2),
    "four_bits": (0.65, 0.25),
}
"""Median and standard deviation (of the logarithm) of each coefficient, over terms at peak rates; seconds where the
name says so. ``eight_bits`` and ``four_bits`` are exponents of the peak's speed-up."""

EFFECTS = {
    "dense": ("generation", "precision", "publisher", "generation x precision", "gpu", "generation x publisher"),
    "launch_s": ("publisher", "generation"),
    "activations": ("publisher", "generation"),
    "attention": ("publisher", "generation"),
    "scores": ("unfused",),
    "tensor": ("publisher", "generation", "generation x publisher"),
    "tensor_latency": ("publisher",),
    "reduction": ("publisher",),
    "gather": ("generation",),
    "experts": ("precision", "generation"),
    "dispatch": ("generation",),
    "vocabulary": ("publisher",),
    "constant_s": ("publisher",),
    "optimizer": ("publisher",),
}
"""What shifts a coefficient: each level of a factor has an effect on its logarithm, shrunk to 0."""
_SPREAD = {
    "generation": 0.28,
    "precision": 0.15,
    "publisher": 0.4,
    "generation x precision": 0.08,
    "gpu": 0.25,
    "generation x publisher": 0.2,
    "unfused": 1.5,
}
"""Standard deviation of the effects of each factor."""


@dataclass(frozen=True)
class Design:
    """Which effects act on which rows.

    levels
        Names of the levels of each (coefficient, factor).
    columns
        For each (coefficient, factor) the number of its first effect in the vector of parameters, and for each row
        the level, -1 for one that is not known.
    deviation
        Prior standard deviation of each parameter.
    """

    levels: dict[tuple[str, str], tuple[str, ...]]
    columns: dict[tuple[str, str], tuple[int, IntArray]]
    deviation: FloatArray

    @property
    def center(self) -> FloatArray:
        """Prior mean of each parameter: logarithms of medians, and 0 for effects."""
        medians = [np.log(median) for median, _ in PRIOR.values()]
        return np.concatenate([medians, np.zeros(len(self.deviation) - len(medians))])


def _factors(plans: Plans) -> dict[str, list[str]]:
    """Return the level of each factor on each row."""

    def crossed(*names: list[str]) -> list[str]:
        return ["/".join(parts) for parts in zip(*names, strict=True)]

    generation, precision = plans.generation.tolist(), plans.precision.tolist()
    publisher = plans.source.tolist()
    return {
        "generation": generation,
        "precision": precision,
        "publisher": publisher,
        "generation x precision": crossed(generation, precision),
        "gpu": plans.gpu.tolist(),
        "generation x publisher": crossed(generation, publisher),
        "unfused": [source.partition("-")[0] for source in publisher],
    }


def design(plans: Plans, levels: dict[tuple[str, str], tuple[str, ...]] | None = None) -> Design:
    """Return the design of plans, with new levels, or with those of a fit."""
    rows = _factors(plans)
    known: dict[tuple[str, str], tuple[str, ...]] = {}
    columns: dict[tuple[str, str], tuple[int, IntArray]] = {}
    deviation = [spread for _, spread in PRIOR.values()]
    for name, factors in EFFECTS.items():
        for factor in factors:
            key = (name, factor)
            found = tuple(sorted(set(rows[factor]))) if levels is None else levels[key]
            number = {level: k for k, level in enumerate(found)}
            known[key] = found
            columns[key] = (len(deviation), np.array([number.get(level, -1) for level in rows[factor]], dtype=np.int64))
            deviation += [_SPREAD[factor]] * len(found)
    return Design(known, columns, np.array(deviation))


def coefficients(parameters: FloatArray, on: Design, rows: int) -> dict[str, FloatArray]:
    """Return each coefficient on each row, shape ``(rows,)``."""
    logs = {name: np.full(rows, parameters[k]) for k, name in enumerate(PRIOR)}
    for (name, _), (first, level) in on.columns.items():
        logs[name] = logs[name] + np.where(level >= 0, parameters[first + np.maximum(level, 0)], 0.0)
    return {name: np.exp(np.clip(log, -25.0, 12.0)) for name, log in logs.items()}
