"""From terms and coefficients to the seconds of an iteration."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.language_models.coefficients import Design, coefficients
from optsched.prediction.language_models.terms import Terms

__all__ = ["jacobian", "log_seconds"]

_SHARPNESS = 4.0
"""Exponent of soft maxima: what overlaps costs little more than the longer of the two."""
_LAST_STAGE = 0.7
"""Part of the vocabulary's time that the slowest of several stages has."""
_STEP = 1e-4


def _longer(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the soft maximum of two times."""
    return np.asarray((a**_SHARPNESS + b**_SHARPNESS) ** (1 / _SHARPNESS))


def log_seconds(parameters: FloatArray, terms: Terms, on: Design) -> FloatArray:
    """Return the logarithm of the seconds of an iteration, shape ``(n,)``.

    T = (m + (p - 1) / v) (stage + traffic between stages) + reduction + optimizer + constant, for m micro-batches, p
    stages of v virtual ones (Narayanan et al., SC'21, sec. 2.2). A stage is its layers and the vocabulary, or the
    gathers of sharded parameters, whichever is longer. A layer is the work of the GPU or the time that the host takes
    to launch it, whichever is longer.
    """
    c = coefficients(parameters, on, len(terms.passes))
    fast = np.exp(np.where(terms.four_bits > 0, c["four_bits"], c["eight_bits"]) * terms.log_speedup)
    small = 1 + c["short"] * terms.short
    dense = c["dense"] * terms.dense / fast * (small + c["thin"] * terms.thin)
    experts = c["dense"] * c["experts"] * terms.experts / fast * (small + c["thin"] * terms.thin_experts)
    moved = c["activations"] * terms.activations + c["scores"] * terms.scores + c["weights"] * terms.weights
    sent = c["tensor"] * terms.tensor + c["dispatch"] * terms.dispatch + c["context"] * terms.context
    work = (dense + experts + c["attention"] * terms.attention + moved + sent) * terms.recompute
    launch = c["launch_s"] * terms.recompute * (1 + c["tensor_latency"] * terms.log_tensor)
    vocabulary = c["vocabulary"] * (c["dense"] * terms.vocabulary + 3 * terms.logits)
    shared = np.where(terms.stages > 1, _LAST_STAGE, 1.0)
    stage = _longer(terms.layers_per_stage * _longer(work, launch) + shared * vocabulary, c["gather"] * terms.gather)
    rounds = terms.passes + (terms.stages - 1) / terms.rounds
    steps = rounds * (stage + c["stage_traffic"] * terms.stage_traffic)
    rest = c["reduction"] * terms.reduction + c["optimizer"] * terms.optimizer + c["constant_s"]
    return np.asarray(np.log(steps + rest))


def jacobian(parameters: FloatArray, terms: Terms, on: Design) -> tuple[FloatArray, FloatArray]:
    """Return the formula, and its derivatives by the parameters in prior standard deviations, ``(n, parameters)``."""
    base = log_seconds(parameters, terms, on)
    columns = []
    for k, deviation in enumerate(on.deviation):
        moved = parameters.copy()
        moved[k] += _STEP
        columns.append((log_seconds(moved, terms, on) - base) / _STEP * deviation)
    return base, np.column_stack(columns)
