"""Power laws, which two or three measurements fix, and curves corrected by what was observed of them."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.allreduce import AllReduce
from optsched.prediction.curves.amdahl import Amdahl
from optsched.prediction.curves.base import CurveBase, Positive
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.monotone import Monotone
from optsched.prediction.curves.parameter_servers.curve import ParameterServer
from optsched.prediction.curves.tabulated import Table

__all__ = ["Corrected", "Power"]

Exponent = Annotated[float, msgspec.Meta(ge=-4, le=4)]


class Power(CurveBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="power"):
    """``throughput = single gpus^a nodes^b (local_batch / typical_batch)^c``: a line in the logarithms.

    It says little far from what was measured, and has no more parameters than a few measurements can fix.

    single
        Examples/s on one GPU with the typical local batch.
    gpus, nodes, batch
        The exponents a, b and c.
    typical_batch
        Examples per GPU and pass; None: the batch plays no part.
    """

    needs_batch: ClassVar[bool] = False

    single: Positive
    gpus: Exponent = 1.0
    nodes: Exponent = 0.0
    batch: Exponent = 0.0
    typical_batch: Positive | None = None

    def throughput(self, points: Points) -> FloatArray:
        log = np.log(self.single) + self.gpus * np.log(points.gpus) + self.nodes * np.log(points.nodes)
        if self.typical_batch is not None:
            log += self.batch * np.nan_to_num(np.log(points.local_batch / self.typical_batch))
        return np.asarray(np.exp(log), dtype=np.float64)


class Corrected(CurveBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="corrected"):
    """Another curve times a factor for each number of GPUs: what was observed there, over what the curve says.

    base
        The curve; its own limit on the local batch is repeated here.
    factors
        Of 1, 2, ... GPUs; beyond the last one, the last one holds.
    """

    needs_batch: ClassVar[bool] = False

    base: AllReduce | Amdahl | Monotone | ParameterServer | Power | Table
    factors: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1)]

    def throughput(self, points: Points) -> FloatArray:
        place = np.minimum(points.gpus, len(self.factors)).astype(np.int64) - 1
        return np.asarray(self.base.throughput(points) * np.array(self.factors)[place], dtype=np.float64)

    def log_deviation(self, points: Points) -> FloatArray:
        return self.base.log_deviation(points)
