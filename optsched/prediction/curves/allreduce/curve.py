"""The all-reduce curve: physical parameters, a local correction, and how sure both are."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.allreduce.correction import Kernel, Places, covariance, nearness, places, rows, variance
from optsched.prediction.curves.allreduce.formula import BOUNDS, NAMES, SIZE, relative_rates, step
from optsched.prediction.curves.base import CurveBase, NonNegative, Positive
from optsched.prediction.curves.configurations import Points

__all__ = ["AllReduce", "Belief", "Correction", "parameters"]

_CHUNK = 8192
"""Configurations that are predicted at a time, so that the kernels stay in the cache."""

AtLeastOne = Annotated[float, msgspec.Meta(ge=1)]
UpToOne = Annotated[float, msgspec.Meta(ge=0, le=1)]
UpToTwo = Annotated[float, msgspec.Meta(ge=0, le=2)]
Numbers = tuple[float, ...]


class Correction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mean of the local correction of the log step time, as sums of kernels.

    kernel
        Standard deviations and ranges, in the order of the fields of ``Kernel``.
    batch, batch_weights
        Logs of local batches and the weights of the computation's part there, ``(b,)`` each.
    resource, resource_weights
        Scaled placements ``(r, 3)`` and the weights of the synchronization's part there, ``(r,)``.
    joint
        Weights of the joint part, as (placement, batch, weight).
    """

    kernel: Numbers
    batch: Numbers
    batch_weights: Numbers
    resource: tuple[tuple[float, float, float], ...]
    resource_weights: Numbers
    joint: tuple[tuple[int, int, float], ...]


class Belief(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sure a curve is.

    covariance
        Of the free parameters (the order of ``formula.NAMES``), its lower triangle row by row.
    noise
        Standard deviation of the log of one measured step.
    seen
        Anchors of the variance, each: GPUs, nodes, local batch, passes, most GPUs on one node, whether it is
        a computation alone (1) or a step (0), and the variance of its noise.
    """

    covariance: Numbers
    noise: NonNegative
    seen: tuple[tuple[float, float, float, float, float, float, float], ...]


class AllReduce(CurveBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="allreduce", dict=True):
    """Step time of all-reduce training whose communication hardly grows with the number of nodes.

    With ``K`` GPUs on ``n`` nodes, at most ``k`` of them on one, ``m`` examples per GPU and pass, and
    ``s`` passes per step::

        C = smax_corner(floor_s, pass_s + example_s m) exp(host_sharing (1 - 1/k) + straggling (1 - 1/n))
        S = local_sync_s (k/2)^local_exponent [k > 1]
            + sync_s (n/2)^node_exponent k^gpu_exponent (two_nodes [n = 2, k > 1]) / r [n > 1]
        T = (s - 1) C + serial C + (((1 - serial) C)^overlap + S^overlap)^(1/overlap)
        throughput = K m s / T

    where ``smax_q(x, y) = (x^q + y^q)^(1/q)`` and ``r`` is the effective network rate relative to the
    measured one; see ``formula`` for the sources. Only ``example_s`` must be given.

    floor_s, pass_s, example_s
        Seconds of the shortest pass (bound by the host), of a pass on the GPU, and of an example in it.
    corner
        Sharpness of the corner between the two.
    local_sync_s, local_exponent
        Seconds to synchronize 2 GPUs of one node, and how that grows with the GPUs on a node.
    sync_s, node_exponent, gpu_exponent, two_nodes
        Seconds to synchronize 2 nodes of one GPU each, how that grows with the nodes and with the
        GPUs that share a node's network, and the factor on exactly two nodes with several GPUs.
    host_sharing, straggling
        Waiting for the shared host of a node, and for the slowest node.
    serial, overlap
        Part of a pass that no communication hides; 1: the rest and communication take turns, towards
        infinity: they fully overlap.
    reference_gbps, host_s_per_gbit
        Nominal network rate per node that was measured, and what each Gbit costs the hosts on top (s);
        without them an assigned rate makes the throughput unknown.
    correction, belief
        Of a fitted curve: what measurements say beyond the formula, and how sure both are.
    """

    scaling: ClassVar[Literal["allreduce", "parameter_servers"] | None] = "allreduce"
    on_network: ClassVar[bool] = True

    example_s: Positive
    pass_s: NonNegative = 0.0
    floor_s: NonNegative = 0.0
    corner: AtLeastOne = 4.0
    local_sync_s: NonNegative = 0.0
    local_exponent: UpToTwo = 0.0
    sync_s: NonNegative = 0.0
    node_exponent: UpToOne = 0.0
    gpu_exponent: UpToTwo = 0.0
    two_nodes: Positive = 1.0
    host_sharing: UpToTwo = 0.0
    straggling: UpToTwo = 0.0
    serial: UpToOne = 0.0
    overlap: AtLeastOne = 1.0
    reference_gbps: Positive | None = None
    host_s_per_gbit: NonNegative = 0.0
    correction: Correction | None = None
    belief: Belief | None = None

    @cached_property
    def theta(self) -> FloatArray:
        """The free parameters of ``formula``, shape ``(14,)``; -inf for what is switched off."""
        bounded = np.array(
            [self.local_exponent, self.node_exponent, self.gpu_exponent, self.host_sharing, self.straggling]
        )
        with np.errstate(divide="ignore"):
            ea, eb, es, hk, hn = np.log(bounded) - np.log(BOUNDS - bounded)
            intra = np.log(self.local_sync_s) - self.local_exponent * np.log(2.0)
            serial = np.log(self.serial) - np.log1p(-self.serial)
            logs = np.log([self.floor_s, self.pass_s, self.example_s, self.sync_s, self.two_nodes])
            overlap, corner = np.log([self.overlap - 1.0, self.corner - 1.0])
        floor, fixed, slope, inter, two = logs
        return np.array([floor, fixed, slope, intra, ea, inter, eb, es, two, hk, hn, serial, overlap, corner])

    def relative_rate(self, gbps: FloatArray) -> FloatArray:
        """Return the effective rate at assigned nominal rates, relative to the measured one; nan: 1."""
        if self.reference_gbps is None:
            return np.where(np.isnan(gbps), 1.0, np.nan)
        cost = self.host_s_per_gbit
        return np.where(np.isnan(gbps), 1.0, relative_rates(gbps, cost, self.reference_gbps, cost))

    def formula_only(self) -> AllReduce:
        """Return the curve without what is particular to the measurements: smooth, and a few numbers long."""
        return msgspec.structs.replace(self, correction=None, belief=None)

    def step_seconds(self, points: Points) -> FloatArray:
        """Return seconds of a step, shape ``(n,)``."""
        return np.exp(self.log_step(points))

    def throughput(self, points: Points) -> FloatArray:
        return points.examples() / self.step_seconds(points)

    def log_step(self, points: Points) -> FloatArray:
        """Return the log of the step time (s), shape ``(n,)``; nan for parameter servers."""
        mean = np.empty(len(points))
        rate = self.relative_rate(points.gbps)
        unknown = np.isnan(rate) | (points.servers > 0)
        rate = np.where(unknown, 1.0, rate)
        for start in range(0, len(points), _CHUNK):
            part = slice(start, start + _CHUNK)
            some = points.take(part)
            at = step(self.theta, some, rate[part], jacobian=False)
            mean[part] = at.log_time
            if self.correction is not None:
                mean[part] += _corrected(self._correction, some, at.compute_share)
        return np.where(unknown, np.nan, mean)

    def rate_curvature(self, points: Points) -> FloatArray:
        """Return a bound on |d^2 ln throughput / d(ln gbps)^2|, shape ``(n,)``.

        Elasticities: of the step time in its part that overlaps ``m``, of that part in the synchronization
        ``q``, of the synchronization in 1/gbps ``p``, all in [0, 1], with ``p' = p (1 - p)``,
        ``q' = overlap q (1 - q) p`` and ``m' = m (1 - m) q p``. So the curvature of the formula, whose slope is
        ``m q p``, is at most ``(2 + overlap) / 4``. The correction moves by its difference between
        computation and synchronization, times ``1 - m q``, whose second derivative is bounded alike.
        """
        g = self.overlap
        bound = np.full(len(points), (2.0 + g) / 4)
        if self.correction is not None:
            bound += np.abs(self._apart(points)) * (0.25 + 3 * g / 16 + g**2 / 4 + (1 + g) / 16)
        return bound

    def rate_rises(self, points: Points) -> NDArray[np.bool_]:
        """Return where the throughput never falls as the rate rises, shape ``(n,)``.

        In the names of :meth:`rate_curvature`, the log of the step time falls with the log of the rate by ``m q p``,
        and ``m q``, by which the corrections ``c`` of computation and ``s`` of synchronization are weighed, falls by
        ``m q p ((1 - m) q + overlap (1 - q))``. Together that is ``m q p (1 - (c - s) ((1 - m) q + overlap (1 - q)))``,
        of which the last bracket lies in [0, overlap], as overlap >= 1.
        """
        if self.correction is None:
            return np.ones(len(points), dtype=bool)
        return np.asarray(self.overlap * self._apart(points) <= 1)

    def _apart(self, points: Points) -> FloatArray:
        """Return the correction of a computation alone less that of a synchronization alone, shape ``(n,)``."""
        ones = np.ones(len(points))
        return _corrected(self._correction, points, ones) - _corrected(self._correction, points, 0 * ones)

    def log_deviation(self, points: Points) -> FloatArray:
        if self.belief is None:
            return np.full(len(points), self.spread)
        deviation = np.empty(len(points))
        rate = self.relative_rate(points.gbps)
        for start in range(0, len(points), _CHUNK):
            part = slice(start, start + _CHUNK)
            prior, seen, unsure = self.uncertainty(points.take(part), rate[part])
            own = prior - (seen**2).sum(1) + ((unsure @ self._anchors.covariance) * unsure).sum(1)
            deviation[part] = np.sqrt(np.maximum(own, 0.0) + self.belief.noise**2)
        return deviation

    def uncertainty(self, points: Points, rate: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the parts of the predictive covariance of the log step time, without the noise.

        The covariance between points i and j is ``k(i, j) - seen[i] @ seen[j] + unsure[i] @
        covariance @ unsure[j]``, with the kernel ``k`` (of which the diagonal comes back), what the
        anchors explain of it, ``(n, anchors)``, and the Jacobian that is left, ``(n, 14)``.
        """
        anchors = self._anchors
        at = step(self.theta, points, rate)
        here = places(anchors.kernel, points, at)
        seen = covariance(anchors.kernel, here, anchors.places) @ anchors.root
        return variance(here), seen, at.jacobian - seen @ anchors.lever

    @cached_property
    def _correction(self) -> _Tables:
        c = self.correction
        assert c is not None
        joint = np.zeros((len(c.resource), len(c.batch)))
        for r, b, weight in c.joint:
            joint[r, b] = weight
        return _Tables(
            Kernel(*c.kernel),
            np.array(c.batch),
            np.array(c.batch_weights),
            np.array(c.resource).reshape(-1, 3),
            np.array(c.resource_weights),
            joint,
        )

    @cached_property
    def _anchors(self) -> _Anchors:
        """What the variance needs of its anchors, computed once a curve."""
        b = self.belief
        assert b is not None
        lower = np.zeros((SIZE, SIZE))
        lower[np.tril_indices(SIZE)] = b.covariance
        whole = lower + np.tril(lower, -1).T
        from scipy.linalg import cholesky, solve_triangular

        kernel = Kernel(*self.correction.kernel) if self.correction is not None else Kernel()
        gpus, nodes, batch, passes, crowd, alone, spread = np.array(b.seen, dtype=np.float64).reshape(-1, 7).T
        points = Points.of(gpus, nodes=nodes, local_batch=batch, accumulation=passes, max_per_node=crowd)
        single = alone > 0
        at = step(self.theta, points)
        here = rows(kernel, points, single, at)
        c = covariance(kernel, here, here)
        c[np.diag_indices_from(c)] += spread + 1e-10
        if len(c) == 0:
            return _Anchors(kernel, here, np.empty((0, 0)), np.empty((0, SIZE)), whole)
        inverse = solve_triangular(cholesky(c, lower=True), np.eye(len(c)), lower=True)
        jacobian = np.where(single[:, None], at.compute_jacobian, at.jacobian)
        return _Anchors(kernel, here, inverse.T, inverse @ jacobian, whole)


class _Tables(NamedTuple):
    """The correction as arrays; ``joint`` is ``(r, b)``."""

    kernel: Kernel
    batch: FloatArray
    batch_weights: FloatArray
    resource: FloatArray
    resource_weights: FloatArray
    joint: FloatArray


class _Anchors(NamedTuple):
    """Anchors of the variance: their places, the inverse Cholesky factor, transposed, and the whitened Jacobian."""

    kernel: Kernel
    places: Places
    root: FloatArray
    lever: FloatArray
    covariance: FloatArray


def parameters(theta: FloatArray) -> dict[str, float]:
    """Return the physical parameters of free ones; the inverse of ``AllReduce.theta``."""
    free = dict(zip(NAMES, theta.tolist(), strict=True))
    ea, eb, es, hk, hn = (BOUNDS / (1.0 + np.exp(-theta[[4, 6, 7, 9, 10]]))).tolist()
    return {
        "floor_s": float(np.exp(free["log_floor"])),
        "pass_s": float(np.exp(free["log_fixed"])),
        "example_s": float(np.exp(free["log_rate"])),
        "corner": 1.0 + float(np.exp(free["log_corner"])),
        "local_sync_s": float(np.exp(free["log_intra"] + ea * np.log(2.0))),
        "local_exponent": ea,
        "sync_s": float(np.exp(free["log_inter"])),
        "node_exponent": eb,
        "gpu_exponent": es,
        "two_nodes": float(np.exp(free["two_nodes"])),
        "host_sharing": hk,
        "straggling": hn,
        "serial": float(1.0 / (1.0 + np.exp(-free["logit_serial"]))),
        "overlap": 1.0 + float(np.exp(free["log_overlap"])),
    }


def _corrected(tables: _Tables, points: Points, share: FloatArray) -> FloatArray:
    """Return the mean of the correction, shape ``(n,)``."""
    kernel = tables.kernel
    here = places(kernel, points, None)
    near_placement = nearness(1.0, here.resource, tables.resource)
    near_batch = nearness(kernel.batch_range, here.batch, tables.batch)
    total = share * (near_batch @ tables.batch_weights)
    total += (1.0 - share) * (near_placement @ tables.resource_weights)
    near_joint = nearness(kernel.joint_batch_range, here.batch, tables.batch)
    total += ((near_placement @ tables.joint) * near_joint).sum(1)
    return np.asarray(total)
