"""What every throughput model offers, whatever its family."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.configurations import Points

__all__ = ["Z80", "Count", "CurveBase", "Name", "NonNegative", "Positive", "PositiveInt"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
# the largest numbers leave room for products of several of them, in doubles and in integers of 64 bits
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e30)]
NonNegative = Annotated[float, msgspec.Meta(ge=0, le=1e30)]
PositiveInt = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]

Z80 = 1.2815515655446004
"""Standard normal quantile of 0.9: that many standard deviations to both sides hold 80 %."""


class CurveBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family"):
    """Throughput of one model on one GPU type as a function of its configuration.

    max_local_batch
        Most examples per GPU and pass that fit the GPU's memory; None where memory does not bind.
    spread
        Standard deviation of the logarithm of the throughput about the curve (0: exact).
    """

    needs_batch: ClassVar[bool] = True
    """Whether the throughput depends on the mini-batch, so that a job must name its own."""

    scaling: ClassVar[Literal["allreduce", "parameter_servers"] | None] = None
    """The only way of scaling that the family describes; None: either."""

    on_network: ClassVar[bool] = False
    """Whether the throughput of several nodes depends on the network rate that the scheduler assigns."""

    max_local_batch: PositiveInt | None = None
    spread: NonNegative = 0.0

    def throughput(self, points: Points) -> FloatArray:
        """Return examples/s, shape ``(n,)``; nan where the curve does not cover the configuration."""
        raise NotImplementedError

    def log_deviation(self, points: Points) -> FloatArray:
        """Return the standard deviation of ln throughput at each point, shape ``(n,)``."""
        return np.full(len(points), self.spread)

    def rate_curvature(self, points: Points) -> FloatArray:
        """Return a bound on |d^2 ln throughput / d(ln gbps)^2| at any assigned rate, shape ``(n,)``; nan: unknown.

        Where it is unknown, the throughput must not fall as the rate rises.
        """
        return np.full(len(points), np.nan if self.on_network else 0.0)

    def rate_rises(self, points: Points) -> NDArray[np.bool_]:
        """Return where the throughput is known never to fall as the assigned rate rises, shape ``(n,)``.

        There its value at the fastest rate is its most. A family that names no bound on its curvature only rises.
        """
        return np.isnan(self.rate_curvature(points)) | (not self.on_network)

    def interval(self, points: Points) -> tuple[FloatArray, FloatArray]:
        """Return the lower and upper ends of the 80 % interval of the throughput, shape ``(n,)`` each."""
        middle, reach = self.throughput(points), Z80 * self.log_deviation(points)
        return middle * np.exp(-reach), middle * np.exp(reach)
