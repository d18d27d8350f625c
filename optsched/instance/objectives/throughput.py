"""Total throughput, whatever the jobs are worth."""

from __future__ import annotations

import msgspec

from optsched._util.arrays import FloatArray
from optsched.instance.objectives.base import Objective, Rates


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def value(rates: Rates) -> FloatArray:
    """Examples per second."""
    return rates.throughput


def make(parameters: Parameters) -> Objective:
    """Return the objective; Gavel's "max total throughput" (OSDI'20, sec. 4.1) without its normalization."""
    return Objective(
        name="throughput",
        meaning="sum over jobs of examples/s, without weights",
        source="Gavel (OSDI'20, sec. 4.1)",
        unit="examples/s",
        value=value,
    )
