"""Total goodput, whatever the jobs are worth."""

from __future__ import annotations

import msgspec

from optsched.instance.objectives.base import Objective


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def make(parameters: Parameters) -> Objective:
    """Return the objective; goodput is Pollux's (OSDI'21, sec. 3, eq. 1), throughput x statistical efficiency."""
    return Objective(
        name="goodput",
        meaning="sum over jobs of reference-batch examples/s, without weights",
        source="Pollux (OSDI'21, eq. 1)",
        unit="examples/s",
        value=lambda rates: rates.goodput,
    )
