"""Progress net of its cost: what a unit of progress is worth, less the price of the GPUs."""

from __future__ import annotations

from typing import Annotated

import msgspec

from optsched.instance.objectives.base import Objective


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What progress 1.0 of a job of weight 1 is worth, in the currency of prices, per hour."""

    worth: Annotated[float, msgspec.Meta(gt=0)] = 1.0


def make(parameters: Parameters) -> Objective:
    """Return the objective; jobs run only in configurations that are worth their price.

    It is the parametric form of "most progress per cost" (Gavel, OSDI'20, sec. 4.1: throughput by cost): the ratio
    is largest where profit is 0 (Dinkelbach, Manag. Sci. 13 (1967), theorem 1).
    """
    worth = parameters.worth
    return Objective(
        name="profit",
        meaning="sum over running jobs of worth x weight x progress, less GPUs x hourly price",
        source="Gavel (OSDI'20, sec. 4.1) in the parametric form of Dinkelbach (1967)",
        unit="currency/h",
        value=lambda rates: worth * rates.weight * rates.progress - rates.hourly_cost(),
    )
