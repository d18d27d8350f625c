"""Objectives by name: one small file each, with ``Parameters`` and ``make``; listed once, here."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from optsched._util.files import convert
from optsched.errors import InputError, shown
from optsched.instance import ObjectiveSpec
from optsched.instance.objectives.base import Objective

__all__ = ["OBJECTIVES", "objective"]

OBJECTIVES = {
    "progress": "optsched.instance.objectives.progress",
    "throughput": "optsched.instance.objectives.throughput",
    "goodput": "optsched.instance.objectives.goodput",
    "running": "optsched.instance.objectives.running",
    "max-min": "optsched.instance.objectives.max_min",
    "proportional": "optsched.instance.objectives.proportional",
    "alpha-fair": "optsched.instance.objectives.alpha_fair",
    "sia": "optsched.instance.objectives.sia",
    "finish-time": "optsched.instance.objectives.finish_time",
    "least-attained-service": "optsched.instance.objectives.service",
    "dominant-share": "optsched.instance.objectives.dominant_share",
    "tenants": "optsched.instance.objectives.tenants",
    "profit": "optsched.instance.objectives.profit",
    "cost": "optsched.instance.objectives.cost",
    "energy": "optsched.instance.objectives.energy",
    "kept": "optsched.instance.objectives.retained",
    "flow-time": "optsched.instance.objectives.flow_time",
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
