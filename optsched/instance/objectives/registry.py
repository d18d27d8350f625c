"""Objectives by name: one small file each, with ``Parameters`` and ``make``; listed once, here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from optsched._util.arrays import FloatArray
from optsched._util.files import convert
from optsched.errors import InputError, shown
from optsched.instance import ObjectiveSpec
from optsched.instance.objectives.base import Objective, Rates

__all__ = ["OBJECTIVES", "objective", "register"]

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
    "in-class": "optsched.instance.objectives.in_class",
}


_REGISTERED: dict[str, Objective] = {}
"""Objectives of this process that are functions of a user's."""


def register(value: Callable[[Rates], FloatArray], name: str = "") -> ObjectiveSpec:
    """Make the sum of a function's values an objective of this process, which the checker knows like any other.

    Parameters
    ----------
    value
        Returns the value of each way to run a job, shape ``(n,)``, the more the better; a job that waits has 0.
    name
        Default: the function's own name, after ``function:``.
    """
    known = name or f"function:{getattr(value, '__qualname__', type(value).__name__)}"
    if known in OBJECTIVES:
        raise InputError("a name that no objective of optsched has", path="name", value=shown(known))
    meaning = (getattr(value, "__doc__", None) or "a function of the user's").strip().splitlines()[0]
    _REGISTERED[known] = Objective(name=known, meaning=meaning, source="the user", unit="", value=value)
    return ObjectiveSpec(name=known)


def objective(spec: ObjectiveSpec) -> Objective:
    """Return the objective that an instance names; raise InputError for one that does not exist."""
    if spec.name in _REGISTERED:
        return _REGISTERED[spec.name]
    if spec.name not in OBJECTIVES:
        raise InputError(f"one of {', '.join(OBJECTIVES)}", path="$.objective.name", value=shown(spec.name))
    module = import_module(OBJECTIVES[spec.name])
    try:
        parameters = convert(spec.parameters, module.Parameters)
    except InputError as error:
        raise error.within(path="$.objective.parameters") from None
    made: Objective = module.make(parameters)
    return replace(made, parameters=dict(spec.parameters))
