"""Hourly price of what is held; to be minimized beside an objective or a limit that makes jobs run."""

from __future__ import annotations

import msgspec

from optsched.objectives.base import Objective


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def make(parameters: Parameters) -> Objective:
    """Return the objective; Gavel's cost policies (OSDI'20, sec. 4.1) count prices in the same way."""
    return Objective(
        name="cost",
        meaning="sum over running jobs of GPUs x hourly price; least",
        source="Gavel (OSDI'20, sec. 4.1)",
        unit="currency/h",
        value=lambda rates: -rates.gpus * rates.of_type(lambda gpu: gpu.hourly_price),
        sign=-1.0,
    )
