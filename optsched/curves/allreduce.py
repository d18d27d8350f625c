"""Synchronous data-parallel training by all-reduce."""

from __future__ import annotations

import numpy as np

from optsched.curves.family import CurveBase, NonNegative, Positive
from optsched.curves.points import FloatArray, Points

__all__ = ["AllReduce"]


class AllReduce(CurveBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="allreduce"):
    """Step time of all-reduce training whose communication hardly grows with the number of nodes.

    With ``g`` GPUs on ``n`` nodes, ``m`` examples per GPU and pass and ``s`` passes per step::

        compute(m)  = pass_s + example_s * m                              each pass
        sync(g, n)  = 0                                                   g = 1
                    = local_sync_s * (g / 2) ** local_exponent            n = 1 < g
                    = sync_s * (n / 2) ** node_exponent * (g / n) ** gpu_exponent    n > 1
        step(g,n,m,s) = (s - 1) * compute + (compute ** overlap + sync ** overlap) ** (1 / overlap)
        throughput  = g * m * s / step

    The overlap of computation and communication is that of Pollux (Qiao et al., OSDI'21, sec. 3.2,
    eq. 11); its communication, linear in the number of replicas, is replaced by power laws, which
    extrapolate tamely. With an assigned network rate, ``sync_s`` scales by ``reference_gbps / gbps``.

    pass_s, example_s
        Seconds of a pass, and of an example in it.
    local_sync_s, sync_s
        Seconds to synchronize 2 GPUs of one node, and 2 nodes of one GPU each.
    local_exponent, node_exponent, gpu_exponent
        How the synchronization grows with the GPUs of one node, the nodes, and the GPUs per node.
    overlap
        1: computation and communication take turns; towards infinity: they fully overlap.
    reference_gbps
        Effective network rate per node that ``sync_s`` was measured at; None: unknown, so that an
        assigned rate makes the throughput unknown, too.
    """

    pass_s: NonNegative
    example_s: Positive
    local_sync_s: NonNegative
    local_exponent: NonNegative
    sync_s: NonNegative
    node_exponent: NonNegative
    gpu_exponent: NonNegative
    overlap: Positive = 1.0
    reference_gbps: Positive | None = None

    def step_seconds(self, points: Points) -> FloatArray:
        """Return seconds of a step, shape ``(n,)``."""
        gpus, nodes = points.gpus, points.nodes
        compute = self.pass_s + self.example_s * points.local_batch
        within = self.local_sync_s * (gpus / 2) ** self.local_exponent
        across = self.sync_s * (nodes / 2) ** self.node_exponent * (gpus / nodes) ** self.gpu_exponent
        rate = np.nan if self.reference_gbps is None else self.reference_gbps
        across = np.where(np.isnan(points.gbps), across, across * rate / points.gbps)
        sync = np.where(gpus <= 1, 0.0, np.where(nodes <= 1, within, across))
        last = (compute**self.overlap + sync**self.overlap) ** (1 / self.overlap)
        return (points.accumulation - 1) * compute + last

    def throughput(self, points: Points) -> FloatArray:
        return points.examples() / self.step_seconds(points)
