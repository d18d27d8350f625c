"""Hourly price of what is held; to be minimized together with an objective or a limit that makes jobs run."""

from __future__ import annotations

import msgspec

from optsched._util.arrays import FloatArray
from optsched.errors import InputError
from optsched.instance.objectives.base import Objective, Rates
from optsched.instance.transfers import hourly_price


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def value(rates: Rates) -> FloatArray:
    """Hourly price of GPUs and copies, negative; raise InputError where no GPU type has a price."""
    if not any(hourly_price(rates.instance.cluster).values()):
        expected = "an hourly_price > 0 of some GPU type, without which cost says nothing"
        raise InputError(expected, path="$.cluster.gpu_types")
    return -rates.hourly_cost()


def make(parameters: Parameters) -> Objective:
    """Return the objective; Gavel's cost policies (OSDI'20, sec. 4.1) count prices in the same way."""
    return Objective(
        name="cost",
        meaning="sum over running jobs of GPUs x hourly price; least",
        source="Gavel (OSDI'20, sec. 4.1)",
        unit="currency/h",
        value=value,
        sign=-1.0,
    )
