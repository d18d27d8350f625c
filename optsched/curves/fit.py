"""Fitting curves to measurements."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from optsched.curves.allreduce import AllReduce
from optsched.curves.fitted import CurveFile, Fitted
from optsched.curves.measurements import Measurements
from optsched.curves.points import FloatArray, Points

__all__ = ["fit", "fit_allreduce"]

_NAMES = (
    "pass_s",
    "example_s",
    "local_sync_s",
    "local_exponent",
    "sync_s",
    "node_exponent",
    "gpu_exponent",
    "overlap",
)
_EXPONENTS = np.array([name.endswith("exponent") for name in _NAMES])
_FOLDS = 5


def fit(measurements: Measurements, source: str = "") -> CurveFile:
    """Fit one curve to the rows of each (model, GPU type), in the order of their names."""
    pairs: dict[tuple[str, str], list[int]] = {}
    for row, pair in enumerate(zip(measurements.model, measurements.gpu_type, strict=True)):
        pairs.setdefault(pair, []).append(row)
    fitted = []
    for (model, gpu_type), rows in sorted(pairs.items()):
        chosen = np.array(rows)
        points, throughput = measurements.points.take(chosen), measurements.throughput[chosen]
        curve = fit_allreduce(points, throughput)
        error = _mape(curve.throughput(points), throughput)
        fitted.append(
            Fitted(
                model=model, gpu_type=gpu_type, curve=curve, rows=len(rows), error=error,
                unseen_error=_unseen(points, throughput), max_gpus=int(points.gpus.max()),
                gpus_per_node=int(np.ceil(points.gpus / points.nodes).max()),
                local_batches=(float(points.local_batch.min()), float(points.local_batch.max())),
            )
        )  # fmt: skip
    return CurveFile(source=source, curves=tuple(fitted))


def _mape(predicted: FloatArray, measured: FloatArray) -> float:
    return 100 * float(np.mean(np.abs(predicted / measured - 1)))


def fit_allreduce(points: Points, throughput: FloatArray) -> AllReduce:
    """Fit the all-reduce family: least squares on log residuals, robust (soft L1), with weak priors.

    The priors keep parameters that the rows say nothing of at values typical of the rows' own step
    times; a memory limit is set at the largest batch that was measured.
    """
    step = points.examples() / throughput
    quick = float(np.min(step))
    example = float(np.median(step / points.local_batch / points.accumulation)) / 2
    start = np.log([0.3 * quick, example, 0.1 * quick, 0.2, 0.5 * quick, 0.15, 0.1, 1.2])
    width = np.array([1.5, 1.0, 1.5, 1.0, 1.5, 1.0, 1.0, 0.3])

    def curve(theta: FloatArray, **more: object) -> AllReduce:
        values = dict(zip(_NAMES, np.exp(np.clip(theta, -40, 20)).tolist(), strict=True))
        return AllReduce(**values, **more)  # type: ignore[arg-type]

    def residuals(theta: FloatArray) -> FloatArray:
        off = np.log(curve(theta).step_seconds(points) / step) / 0.05
        return np.concatenate([np.sign(off) * np.sqrt(2 * (np.sqrt(1 + off**2) - 1)), (theta - start) / width])

    found = least_squares(residuals, start, method="trf", max_nfev=200)
    plain = curve(found.x)
    spread = 1.4826 * float(np.median(np.abs(np.log(plain.throughput(points) / throughput))))
    return curve(found.x, spread=max(spread, 0.01), max_local_batch=int(np.ceil(points.local_batch.max())))


def _unseen(points: Points, throughput: FloatArray) -> float | None:
    """Return the cross-validated error over folds of rows, dealt out in turn."""
    n = len(throughput)
    if n < 2 * _FOLDS:
        return None
    fold = np.random.default_rng(0).permutation(n) % _FOLDS
    predicted = np.empty(n)
    for k in range(_FOLDS):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        predicted[test] = fit_allreduce(points.take(train), throughput[train]).throughput(points.take(test))
    return _mape(predicted, throughput)
