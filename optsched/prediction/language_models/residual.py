"""What the formula leaves: a Gaussian process on the logarithm of the residual."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.prediction.language_models.plans import Plans

__all__ = ["NOISE", "covariance", "noise_variance", "prior_variance"]

_SCALES = {
    "model": 0.05,
    "model and gpu": 0.06,
    "model and precision": 0.06,
    "gpu": 0.15,
    "release": 0.05,
    "plan": 0.12,
    "near": 0.02,
}
"""Standard deviation of each part of the residual, all of one publisher: of a model, of a model on a GPU type or at a
precision, of a GPU type, of a release, of similar plans, and of similar plans of one model and GPU generation. They and
the spreads of effects maximize the marginal likelihood of published rows, within what rows held out confirm."""
_PLAN_LENGTH = 2.0
_NEAR_LENGTH = 1.5
"""Distances, in doublings of the plan's degrees, over which similar plans are alike."""
NOISE = 0.03
"""Standard deviation of a measurement's own error."""
_ENOUGH = 40
"""Rows of one model and publisher that count as independent: more of them share their weight, since tables that are
computed or repeated say less than their number."""
_WEIGHT = np.array([1.0, 1.0, 0.7, 1.0, 0.7, 1.0, 0.7, 1.0, 0.5, 1.0, 1.0])


def _position(plans: Plans) -> FloatArray:
    """Return where plans stand, in weighted doublings, shape ``(n, 11)``."""
    columns = [
        np.log2(plans.tensor),
        np.log2(plans.pipeline),
        np.log2(plans.data),
        np.log2(plans.micro_batch),
        np.log2(plans.virtual_pipeline),
        np.log2(plans.context),
        np.log2(plans.expert),
        np.log2(plans.seq),
        np.log2(plans.global_batch),
        plans.checkpointing,
        (plans.zero >= 3).astype(float),
    ]
    return np.asarray(np.column_stack(columns) * _WEIGHT)


def _family(plans: Plans) -> NDArray[np.str_]:
    """Return the publisher of each plan, before the first dash."""
    return np.array([source.partition("-")[0] for source in plans.source.tolist()])


def covariance(a: Plans, b: Plans) -> FloatArray:
    """Return the prior covariance of residuals, shape ``(len(a), len(b))``."""

    def equal(name: str) -> FloatArray:
        same: FloatArray = (getattr(a, name)[:, None] == getattr(b, name)[None, :]).astype(np.float64)
        return same

    x, y = _position(a), _position(b)
    square = np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2 * x @ y.T, 0.0)
    model, gpu = equal("model"), equal("gpu")
    parts = {
        "model": model,
        "model and gpu": model * gpu,
        "model and precision": model * equal("precision"),
        "gpu": gpu,
        "release": equal("source") * equal("release"),
        "plan": np.exp(-square / (2 * _PLAN_LENGTH**2)),
        "near": model * equal("generation") * np.exp(-square / (2 * _NEAR_LENGTH**2)),
    }
    total = np.add.reduce([_SCALES[name] ** 2 * part for name, part in parts.items()])
    return np.asarray(total * (_family(a)[:, None] == _family(b)[None, :]))


def prior_variance(plans: Plans) -> FloatArray:
    """Return the diagonal of the covariance, shape ``(n,)``."""
    return np.full(len(plans), float(np.sum(np.square(list(_SCALES.values())))))


def noise_variance(plans: Plans) -> FloatArray:
    """Return the variance of each row's own error, shape ``(n,)``."""
    keys = list(zip(plans.model.tolist(), plans.source.tolist(), plans.release.tolist(), strict=True))
    count = {key: keys.count(key) for key in set(keys)}
    return np.asarray([NOISE**2 * max(1.0, count[key] / _ENOUGH) for key in keys])
