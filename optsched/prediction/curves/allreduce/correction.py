"""Local correction: what measurements say beyond the formula, fading away from them.

A Gaussian process with three parts, each with an exponential kernel (rough: kernels of libraries
switch from one batch size to the next)::

    log T(x) = f(x; theta) + e_C(x) g_C(m) + e_S(x) g_S(n, k, K) + g(m, n, k, K)

``g_C`` corrects one pass of computation and is seen through its elasticity ``e_C`` in the step
time, so that a slow batch size matters less where communication dominates; ``g_S`` does the same
for the synchronization of a placement; ``g`` is what belongs to no single cause.  Distances are
Euclidean in the logs of batch, nodes, GPUs per node and GPUs, scaled by the ranges below.
Source: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, section 2.7 (explicit
basis functions) and eq. 2.25-2.26.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.prediction.curves.allreduce.formula import Step
from optsched.prediction.curves.configurations import Points

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Kernel:
    """Standard deviations (of log time) and ranges (in units of log) of the three parts."""

    compute_sd: float = 0.1
    sync_sd: float = 0.24
    joint_sd: float = 0.12
    batch_range: float = 1.5
    joint_batch_range: float = 2.0
    node_range: float = 4.0
    gpu_range: float = 1.5


@dataclass(frozen=True)
class Places:
    """Where points are for the kernel.

    batch: log local batch, (n,); resource: log nodes, log GPUs per node and log GPUs, scaled,
    (n, 3); compute, sync, joint: elasticities times standard deviation of each part, (n,).
    """

    batch: FloatArray
    resource: FloatArray
    compute: FloatArray
    sync: FloatArray
    joint: FloatArray

    def take(self, index: IntArray | slice) -> Places:
        """The places at ``index``."""
        return Places(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def places(kernel: Kernel, points: Points, at: Step | None) -> Places:
    """Places of ``points``, where the formula gives ``at``; without it the elasticities are 0."""
    n = np.log(points.nodes) / kernel.node_range
    k = np.log(points.crowding()) / kernel.gpu_range
    gpus = np.log(points.gpus) / (kernel.gpu_range * 2)
    share = np.zeros(len(points)) if at is None else at.compute_share
    return Places(
        batch=np.log(points.local_batch),
        resource=np.stack([n, k, gpus], axis=1),
        compute=kernel.compute_sd * share,
        sync=kernel.sync_sd * (1.0 - share),
        joint=np.full(len(points), kernel.joint_sd),
    )


def rows(kernel: Kernel, points: Points, alone: Bools, at: Step) -> Places:
    """Places of measurements: of whole steps, and where ``alone`` of computation alone.

    Only the first part of the correction shows in a computation, and all of it.
    """
    p = places(kernel, points, at)
    return Places(
        p.batch,
        np.where(alone[:, None], 0.0, p.resource),
        np.where(alone, kernel.compute_sd, p.compute),
        np.where(alone, 0.0, p.sync),
        np.where(alone, 0.0, p.joint),
    )


def nearness(scale: float, a: FloatArray, b: FloatArray) -> FloatArray:
    """Exponential kernel between rows, (len(a), len(b)); vectors of one number or several."""
    if a.ndim == 1:
        far = np.abs(a[:, None] - b)
        far *= -1.0 / scale
        return np.asarray(np.exp(far, out=far))
    far = (a**2).sum(1)[:, None] + (b**2).sum(1)
    far -= 2.0 * a @ b.T
    np.sqrt(np.maximum(far, 0.0, out=far), out=far)
    far *= -1.0 / scale
    return np.asarray(np.exp(far, out=far))


def covariance(kernel: Kernel, a: Places, b: Places) -> FloatArray:
    """Covariance of the correction of log time between places, shape (len(a), len(b))."""
    total = nearness(kernel.batch_range, a.batch, b.batch)
    total *= a.compute[:, None] * b.compute
    near = nearness(1.0, a.resource, b.resource)
    total += near * (a.sync[:, None] * b.sync)
    near *= nearness(kernel.joint_batch_range, a.batch, b.batch)
    near *= a.joint[:, None] * b.joint
    total += near
    return total


@dataclass(frozen=True)
class Shared:
    """Correction that other pairs have in common: of the same model, and of the same GPU type.

    batch, batch_weights: (b,), of the computation's part; resource, resource_weights: (r, 3), (r,),
    of the synchronization's.  Both are expansions in the kernel, in units of log time.
    """

    batch: FloatArray
    batch_weights: FloatArray
    resource: FloatArray
    resource_weights: FloatArray


def shared_parts(kernel: Kernel, shared: Shared | None, at: Places) -> tuple[FloatArray, FloatArray]:
    """Shared corrections of log computation and of log synchronization at places, (n,) each."""
    if shared is None:
        return np.zeros(len(at.batch)), np.zeros(len(at.batch))
    return (
        nearness(kernel.batch_range, at.batch, shared.batch) @ shared.batch_weights,
        nearness(1.0, at.resource, shared.resource) @ shared.resource_weights,
    )


def variance(at: Places) -> FloatArray:
    """Prior variance of the correction of log time at each place, shape (n,)."""
    return at.compute**2 + at.sync**2 + at.joint**2
