"""Effective bandwidth of a network: wire and host in series.

A gradient bit that goes out at the nominal rate ``g`` (Gb/s) also takes ``c`` seconds per Gbit of host
work (TCP copies and interrupts; none with RDMA), so that the effective rate is ``1 / (1/g + c)``.
Synchronization between nodes takes time in inverse proportion to it: the nominal ratio of two networks
overstates what the faster one brings. ``c`` belongs to the hosts, not to a model: it is fitted on all
curves that were measured on several networks. Source: the linear cost per byte of LogGP (Alexandrov et
al., SPAA 1995), as wire plus processor overhead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from optsched.prediction.curves.allreduce.measured import Measured
from optsched.prediction.curves.allreduce.posterior import Prior, fit

__all__ = ["host_cost"]

_COSTS = np.concatenate([[0.0], np.geomspace(1e-3, 1.0, 25)])
"""Host costs that are tried (s per Gbit): none (RDMA) up to that of a host that does 1 Gb/s."""


def host_cost(curves: Sequence[Callable[[float], Measured]], prior: Prior) -> float:
    """Return the host cost (s per Gbit) with the largest evidence over all curves.

    Parameters
    ----------
    curves
        For each curve measured on several networks, a function of the host cost that gives its
        measurements with their relative rates. All costs are equally likely beforehand.
    """
    evidence = [sum(fit(data(cost), prior).evidence for data in curves) for cost in _COSTS.tolist()]
    return float(_COSTS[int(np.argmax(evidence))])
