"""Objectives: one small file each, with ``Parameters`` and ``make``; listed once, here."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from optsched.errors import InputError, shown
from optsched.files import convert
from optsched.instance import ObjectiveSpec
from optsched.objectives.base import Base, Objective, Rates

__all__ = ["OBJECTIVES", "Base", "Objective", "Rates", "objective"]

OBJECTIVES = {
    "progress": "optsched.objectives.progress",
    "throughput": "optsched.objectives.throughput",
    "goodput": "optsched.objectives.goodput",
    "running": "optsched.objectives.running",
    "max-min": "optsched.objectives.maxmin",
    "proportional": "optsched.objectives.proportional",
    "alpha-fair": "optsched.objectives.alpha",
    "sia": "optsched.objectives.sia",
    "finish-time": "optsched.objectives.finish",
    "least-attained-service": "optsched.objectives.service",
    "dominant-share": "optsched.objectives.dominant",
    "tenants": "optsched.objectives.tenants",
    "profit": "optsched.objectives.profit",
    "cost": "optsched.objectives.cost",
    "energy": "optsched.objectives.energy",
    "kept": "optsched.objectives.kept",
}


def objective(spec: ObjectiveSpec) -> Objective:
    """Return the objective that an instance names; raise InputError for one that does not exist."""
    if spec.name not in OBJECTIVES:
        raise InputError(f"one of {', '.join(OBJECTIVES)}", path="$.objective.name", value=shown(spec.name))
    module = import_module(OBJECTIVES[spec.name])
    try:
        parameters = convert(spec.parameters, module.Parameters)
    except InputError as error:
        raise error.within(path="$.objective.parameters") from None
    made: Objective = module.make(parameters)
    return replace(made, parameters=dict(spec.parameters))
