"""What the curves are compared with: the models of Pollux and Optimus, the nearest measurement."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize, nnls

from optsched._util.arrays import FloatArray
from optsched.prediction.curves import Points


def pollux_log_time(x: FloatArray, points: Points) -> FloatArray:
    """Log step time (s), Pollux (OSDI'21, eq. 9-12).

    x: alpha_c, beta_c, alpha_l, beta_l, alpha_n, beta_n (s), gamma; shape (7,).
    """
    compute = x[0] + x[1] * points.local_batch
    more = np.maximum(points.gpus - 2.0, 0.0)
    sync = np.where(points.nodes > 1, x[4] + x[5] * more, x[2] + x[3] * more)
    sync = np.where(points.gpus > 1, sync, 1e-8)
    joined = (compute ** x[6] + sync ** x[6]) ** (1.0 / x[6])
    return np.asarray(np.log((points.accumulation - 1) * compute + joined))


def pollux_fit(points: Points, log_time: FloatArray) -> FloatArray:
    """Parameters with the least squared log error (RMSLE) by L-BFGS-B, as in AdaptDL's code.

    Bounds, starting point and the fixing of what was not seen (no run on several nodes: as within
    a node) follow adaptdl/goodput.py, fit_perf_params; numerical gradient instead of autograd.
    """
    time = np.exp(log_time)
    start = np.array([1e-1, 1e-2] * 3 + [1.0 + 1e-3])
    low, high = [1e-8] * 6 + [1.0], [np.inf] * 6 + [10.0]
    single, several = points.gpus == 1, points.nodes > 1
    if single.any():
        batch = points.local_batch[single]
        start[0] = time[single].mean() / 2
        start[1] = (time[single] / batch).mean() / 2
    else:
        start[0] = time.mean() / 2
        start[1] = (time / points.local_batch).mean() / 2
    start[[2, 4]] = time.mean() / 4
    start[[3, 5]] = time.mean() / 100
    within = (~several) & (points.gpus > 1)
    if not within.any():
        start[2] = start[3] = high[2] = high[3] = 1e-8
    if not (within & (points.gpus > 2)).any():
        start[3] = high[3] = 1e-8
    if not several.any():
        start[4] = start[5] = high[4] = high[5] = 1e-8
    elif not (several & (points.gpus > 2)).any():
        start[5] = high[5] = 1e-8
    if len(np.unique(points.local_batch)) == 1:  # as AdaptDL: fixed cost can't be told apart
        start[0] = high[0] = low[0] = float(time[single].mean() / 2 if single.any() else time.mean() / 2)

    def loss(x: FloatArray) -> float:
        error = pollux_log_time(x, points) - log_time
        # AdaptDL regularizes gamma and the growth so that few rows decide nothing
        return float(np.sqrt((error**2).mean()) + 1e-3 * ((x[6] - 1) ** 2 + (x[3] / x[2]) ** 2 + (x[5] / x[4]) ** 2))

    best = minimize(loss, start, method="L-BFGS-B", bounds=list(zip(low, high, strict=True)))
    x: FloatArray = best.x
    if high[2] == 1e-8 and high[4] != 1e-8:  # unseen within a node: as between nodes
        x[2], x[3] = x[4], x[5]
    if high[4] == 1e-8 and high[2] != 1e-8:
        x[4], x[5] = x[2] * 1.1, x[3] * 1.1
    return x


def optimus_features(points: Points) -> FloatArray:
    """Features of the step time, Optimus (EuroSys'18, eq. 4) without servers, shape (n, 4).

    T = theta_0 m + theta_1 + theta_2 (K-1)/K + theta_3 K: forward and backward by local batch,
    backward's constant part, transfer, overhead that grows with workers.
    """
    one = np.ones(len(points))
    k = points.gpus
    return np.stack([points.local_batch * points.accumulation, one, (k - 1) / k, k], axis=1)


def optimus_fit(points: Points, log_time: FloatArray) -> FloatArray:
    """Non-negative least squares of the step time (EuroSys'18, section 3.2), shape (4,)."""
    return np.asarray(nnls(optimus_features(points), np.exp(log_time))[0])


def optimus_log_time(theta: FloatArray, points: Points) -> FloatArray:
    """Log step time (s)."""
    return np.asarray(np.log(np.maximum(optimus_features(points) @ theta, 1e-6)))


def nearest_log_time(seen: Points, log_time: FloatArray, points: Points) -> FloatArray:
    """Log step time (s) that gives the throughput per GPU of the nearest measurement.

    Nearest by logs of local batch, nodes and GPUs; the step time is scaled by the batch only where
    the batches differ (equal time per example).
    """

    def place(p: Points) -> FloatArray:
        return np.asarray(np.log(np.stack([p.local_batch, p.nodes, p.gpus], axis=1)))

    far = np.abs(place(points)[:, None] - place(seen)).sum(2)
    at = far.argmin(1)
    scale = np.log(points.local_batch) - np.log(seen.local_batch[at])
    found: FloatArray = log_time[at] + scale
    return found
