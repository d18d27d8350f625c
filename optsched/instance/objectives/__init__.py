"""Objectives: what each makes of a plan, and how people write them."""

from optsched.instance.objectives.base import Base, Objective, Rates
from optsched.instance.objectives.parse import limit_of, objectives_of, one_objective
from optsched.instance.objectives.registry import OBJECTIVES, objective, register

__all__ = [
    "OBJECTIVES",
    "Base",
    "Objective",
    "Rates",
    "limit_of",
    "objective",
    "objectives_of",
    "one_objective",
    "register",
]
