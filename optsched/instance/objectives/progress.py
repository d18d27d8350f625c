"""Weighted progress: how many times faster than its reference each job trains, weighted and summed."""

from __future__ import annotations

import msgspec

from optsched._util.arrays import FloatArray
from optsched.instance.objectives.base import Objective, Rates


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def value(rates: Rates) -> FloatArray:
    """Weight times goodput over the reference goodput."""
    return rates.weight * rates.goodput / rates.reference


def make(parameters: Parameters) -> Objective:
    """Return the objective; the normalization by a reference is Sia's (SOSP'23, sec. 3.3) with p = 1."""
    return Objective(
        name="progress",
        meaning="sum over jobs of weight x goodput / reference goodput",
        source="Sia (SOSP'23, sec. 3.3) with p = 1",
        unit="references",
        value=value,
    )
