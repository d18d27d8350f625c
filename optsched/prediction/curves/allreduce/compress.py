"""From a posterior over all rows to a curve with a bounded number of anchors.

The mean of the correction is a sum over anchors. Its kernel factorizes over the distinct batch sizes
``b`` and placements ``r`` of the anchors, so that a configuration costs ``r + 2 b`` exponentials rather
than three times the anchors. The variance uses fewer anchors, each of which stands for the rows near it
(their noise plus what the kernel says they differ); this errs on the wide side. Source: Quinonero-Candela
and Rasmussen, JMLR 6, 2005, section 5 (deterministic training conditional).
"""

from __future__ import annotations

from dataclasses import astuple

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.prediction.curves.allreduce.correction import Places, covariance
from optsched.prediction.curves.allreduce.curve import AllReduce, Belief, Correction, parameters
from optsched.prediction.curves.allreduce.formula import SIZE
from optsched.prediction.curves.allreduce.posterior import Posterior

__all__ = ["MEAN_ANCHORS", "VARIANCE_ANCHORS", "compress"]

MEAN_ANCHORS = 160
VARIANCE_ANCHORS = 96


def compress(posterior: Posterior, **more: object) -> AllReduce:
    """Return the curve of a posterior; ``more`` are further fields of it."""
    kernel, here = posterior.kernel, posterior.places
    n = len(posterior.residual)
    cov = covariance(kernel, here, here)
    order = _pivots(cov, MEAN_ANCHORS)
    weights, kept = posterior.weights, here
    if n > len(order):  # project on the anchors
        across = cov[:, order] / np.sqrt(posterior.spread)[:, None]
        target = posterior.residual / np.sqrt(posterior.spread)
        inner = cov[np.ix_(order, order)] + across.T @ across
        inner[np.diag_indices_from(inner)] += 1e-9
        kept = here.take(order)
        weights = np.asarray(np.linalg.solve(inner, across.T @ target), dtype=np.float64)
    few = order[:VARIANCE_ANCHORS]
    p, alone = posterior.points.take(few), posterior.alone[few].astype(np.float64)
    columns = (p.gpus, p.nodes, p.local_batch, p.accumulation, p.crowding(), alone, _spread(posterior, cov, few))
    belief = Belief(
        covariance=tuple(posterior.covariance[np.tril_indices(SIZE)].tolist()),
        noise=posterior.noise,
        seen=tuple(zip(*(c.tolist() for c in columns), strict=True)),
    )
    correction = _tables(posterior, kept, weights)
    fields = {**parameters(posterior.theta), **more}
    return AllReduce(**fields, spread=posterior.noise, correction=correction, belief=belief)  # type: ignore[arg-type]


def _pivots(cov: FloatArray, count: int) -> IntArray:
    """Return the rows that tell most of the others, best first: pivots of a Cholesky factor of (n, n)."""
    n = len(cov)
    count = min(count, n)
    left, factor = np.diag(cov).copy(), np.zeros((n, count))
    order = np.zeros(count, np.int64)
    for i in range(count):
        at = int(left.argmax())
        order[i] = at
        column = cov[at] - factor[:, :i] @ factor[at, :i]
        factor[:, i] = column / np.sqrt(max(left[at], 1e-12))
        left = np.maximum(left - factor[:, i] ** 2, 0.0)
        left[order[: i + 1]] = -1.0
    return order


def _spread(posterior: Posterior, cov: FloatArray, few: IntArray) -> FloatArray:
    """Return the noise variance of each anchor: every row informs the closest, less precisely the further it is."""
    n = len(posterior.residual)
    if n == 0:
        return np.empty(0)
    own = np.diag(cov)
    alike = cov[:, few] / np.sqrt(np.outer(own, own[few]) + 1e-300)
    nearest = alike.argmax(1)
    close = np.minimum(alike[np.arange(n), nearest], 1.0)
    precision = 1.0 / (posterior.spread + own * (1.0 - close**2))
    total: FloatArray = np.bincount(nearest, weights=precision, minlength=len(few)).astype(np.float64)
    return 1.0 / total


def _tables(posterior: Posterior, kept: Places, weights: FloatArray) -> Correction:
    """Return the weights by distinct batch and placement, with the correction shared by other pairs."""
    kernel, shared = posterior.kernel, posterior.shared
    batch, resource = kept.batch, kept.resource
    if shared is not None:
        batch = np.concatenate([batch, shared.batch])
        resource = np.concatenate([resource, shared.resource])
    batches, of_batch = np.unique(np.round(batch, 9), return_inverse=True)
    spots, of_spot = np.unique(np.round(resource, 9), axis=0, return_inverse=True)
    of_batch, of_spot = of_batch.ravel(), of_spot.ravel()
    n = len(kept.batch)
    compute, sync = np.zeros(len(batches)), np.zeros(len(spots))
    np.add.at(compute, of_batch[:n], weights * kept.compute * kernel.compute_sd)
    np.add.at(sync, of_spot[:n], weights * kept.sync * kernel.sync_sd)
    joint = np.zeros((len(spots), len(batches)))
    np.add.at(joint, (of_spot[:n], of_batch[:n]), weights * kept.joint * kernel.joint_sd)
    if shared is not None:
        np.add.at(compute, of_batch[n:], shared.batch_weights)
        np.add.at(sync, of_spot[n:], shared.resource_weights)
    r, b = np.nonzero(joint)
    return Correction(
        kernel=astuple(kernel),
        batch=tuple(batches.tolist()),
        batch_weights=tuple(compute.tolist()),
        resource=tuple((x, y, z) for x, y, z in spots.tolist()),
        resource_weights=tuple(sync.tolist()),
        joint=tuple(zip(r.tolist(), b.tolist(), joint[r, b].tolist(), strict=True)),
    )
