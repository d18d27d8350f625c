"""Predictions for tables of configurations, each on the network that its row names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.prediction.curves import Curve
from optsched.prediction.curves.allreduce import AllReduce
from optsched.prediction.curves.base import Z80
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.fitted import CurveFile
from optsched.prediction.curves.measurements import Configured

__all__ = ["networks", "predict", "throughput_at"]


def predict(file: CurveFile, configured: Configured, name: str = "") -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the throughput (examples/s) of each row, and the ends of its 80 % interval, ``(n,)`` each.

    Parameters
    ----------
    name
        Of the table's file, for errors.

    Raises
    ------
    InputError
        For a model, GPU type and variant without a curve.
    """
    by_key = {(f.model, f.gpu_type, f.variant): f for f in file.curves}
    middle, low, high = (np.full(len(configured.points), np.nan) for _ in range(3))
    for key, rows in configured.groups().items():
        if key not in by_key:
            known = ", ".join(f.name for f in list(by_key.values())[:8])
            expected = f"a model and GPU type with a curve ({known})"
            asked = "/".join(filter(None, key))
            raise InputError(expected, path=f"line {rows[0] + 2}", value=shown(asked), file=name)
        curve, points, rdma = by_key[key].curve, configured.points.take(rows), configured.rdma[rows]
        for part, on, where in networks(curve, points, rdma):
            at = rows[part]
            reach = Z80 * on.log_deviation(where)
            middle[at] = on.throughput(where)
            low[at], high[at] = middle[at] * np.exp(-reach), middle[at] * np.exp(reach)
    return middle, low, high


def throughput_at(curve: Curve, points: Points, rdma: NDArray[np.bool_]) -> FloatArray:
    """Return examples/s of configurations on networks with or without RDMA, shape ``(n,)``."""
    rates = np.empty(len(points))
    for rows, on, where in networks(curve, points, rdma):
        rates[rows] = on.throughput(where)
    return rates


def networks(
    curve: Curve, points: Points, rdma: NDArray[np.bool_]
) -> Sequence[tuple[NDArray[np.bool_], Curve, Points]]:
    """Split rows by what their network asks of the hosts, each part with the curve for it."""
    if not isinstance(curve, AllReduce) or curve.reference_gbps is None:
        # measured on one network only: what another one's rate does is not known
        return [(np.ones(len(points), dtype=bool), curve, replace(points, gbps=np.full(len(points), np.nan)))]
    effective = 1 / (1 / curve.reference_gbps + curve.host_s_per_gbit)
    spared = msgspec.structs.replace(curve, reference_gbps=effective, host_s_per_gbit=0.0)
    parts = ((~rdma, curve), (rdma, spared))
    return [(rows, on, points.take(rows)) for rows, on in parts if rows.any()]
