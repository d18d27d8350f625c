"""Objectives: one small file each, with ``Parameters`` and ``make``; listed once, here."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import msgspec

from optsched.errors import InputError, shown
from optsched.instance import ObjectiveSpec
from optsched.objectives.base import Objective, Rates

__all__ = ["OBJECTIVES", "Objective", "Rates", "objective"]

OBJECTIVES = {
    "progress": "optsched.objectives.progress",
    "throughput": "optsched.objectives.throughput",
    "max-min": "optsched.objectives.maxmin",
}


def objective(spec: ObjectiveSpec) -> Objective:
    """Return the objective that an instance names; raise InputError for one that does not exist."""
    if spec.name not in OBJECTIVES:
        raise InputError(f"one of {', '.join(OBJECTIVES)}", path="$.objective.name", value=shown(spec.name))
    module = import_module(OBJECTIVES[spec.name])
    try:
        parameters = msgspec.convert(spec.parameters, module.Parameters)
    except msgspec.ValidationError as error:
        raise InputError(
            f"parameters of {spec.name}: {error}", path="$.objective.parameters", value=shown(spec.parameters)
        ) from None
    made: Objective = module.make(parameters)
    return replace(made, parameters=dict(spec.parameters))
