"""Fair shares of tenants: maximize the least value of a tenant's jobs per weight of the tenant."""

from __future__ import annotations

from typing import Any

import msgspec

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.instance.objectives.base import Objective, Rates


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The objective, a sum to be maximized, that says how well a tenant's jobs are served, and its parameters."""

    inner: str = "progress"
    parameters: dict[str, Any] = {}


def make(parameters: Parameters) -> Objective:
    """Return the objective: the upper level of Gavel's hierarchical policies (OSDI'20, sec. 4.3).

    The value of a plan is the least share of a tenant. Among the plans of the greatest least share, ``solve`` raises
    the next share, and so on: weighted water filling (:mod:`optsched.search.max_min.water_filling`), so that what one
    tenant does not want is divided among the others by their weights.

    The inner objective says how a tenant shares what it has among its jobs. An inner policy that is no sum follows as
    a second objective: ``tenants,max-min`` holds the tenants' shares, and raises the least of the jobs.
    """
    from optsched.instance import ObjectiveSpec
    from optsched.instance.objectives import objective

    inner = objective(ObjectiveSpec(name=parameters.inner, parameters=parameters.parameters))
    if inner.aggregate != "sum" or inner.sign < 0:
        expected = "an objective that is a sum to be maximized"
        raise InputError(expected, path="$.objective.parameters.inner", value=shown(inner.name))

    def value(rates: Rates) -> FloatArray:
        found = inner.value(rates)
        if (found < 0).any():
            expected = "an objective that is never negative"
            raise InputError(expected, path="$.objective.parameters.inner", value=shown(inner.name))
        return found / rates.tenant_weight()

    return Objective(
        name="tenants",
        meaning=f"least over tenants of {inner.name} / tenant's weight",
        source="Gavel (OSDI'20, sec. 4.3)",
        unit=inner.unit,
        value=value,
        aggregate="min",
        party="tenants",
        base=inner.base,
    )
