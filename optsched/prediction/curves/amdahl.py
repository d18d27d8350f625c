"""Amdahl's law, the reference that every other family should beat."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.base import CurveBase, Positive
from optsched.prediction.curves.configurations import Points

__all__ = ["Amdahl"]


class Amdahl(CurveBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="amdahl"):
    """``throughput = single / (serial + (1 - serial) / gpus)`` (Amdahl, AFIPS 1967).

    single
        Examples/s on one GPU.
    serial
        Fraction of the work that more GPUs do not speed up, in [0, 1].
    """

    needs_batch: ClassVar[bool] = False

    single: Positive
    serial: Annotated[float, msgspec.Meta(ge=0, le=1)]

    def throughput(self, points: Points) -> FloatArray:
        return self.single / (self.serial + (1 - self.serial) / points.gpus)
