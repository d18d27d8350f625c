"""Max-min fairness: the job that progresses least, for its weight, progresses as much as possible."""

from __future__ import annotations

import msgspec
import numpy as np

from optsched.curves import FloatArray
from optsched.objectives.base import Objective, Rates


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def value(rates: Rates) -> FloatArray:
    """Goodput over the reference goodput, divided by the weight; jobs of weight 0 do not count."""
    weight = np.where(rates.weight > 0, rates.weight, 1.0)
    return rates.goodput / rates.reference / weight


def make(parameters: Parameters) -> Objective:
    """Return the objective: Gavel's max-min (OSDI'20, sec. 4.1), over whole rounds in place of time fractions."""
    return Objective(
        name="max-min",
        meaning="least goodput / reference goodput / weight of any job",
        source="Gavel (OSDI'20, sec. 4.1)",
        unit="references",
        value=value,
        aggregate="min",
    )
