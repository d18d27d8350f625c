"""Explanations: why a job waits, what would change it, conflicts, marginal values of resources, and audits."""

from optsched.explain.conflict import conflict
from optsched.explain.constraints import constraints_of, without
from optsched.explain.fairness import DEFINITIONS, audit
from optsched.explain.records import (
    Audit,
    Change,
    Conflict,
    Envy,
    Explanation,
    Flip,
    Meaning,
    Named,
    Pareto,
    Reason,
    Relaxation,
    Repair,
    Sensitivity,
    Share,
    World,
    Worth,
    meaning_of,
)
from optsched.explain.relaxations import lever_of, own_levers, relaxed, shared_levers
from optsched.explain.rules import Lever
from optsched.explain.sensitivity import sensitivity, shifted
from optsched.explain.shadow_prices import worths
from optsched.explain.waiting import explain

__all__ = [
    "DEFINITIONS",
    "Audit",
    "Change",
    "Conflict",
    "Envy",
    "Explanation",
    "Flip",
    "Lever",
    "Meaning",
    "Named",
    "Pareto",
    "Reason",
    "Relaxation",
    "Repair",
    "Sensitivity",
    "Share",
    "World",
    "Worth",
    "audit",
    "conflict",
    "constraints_of",
    "explain",
    "lever_of",
    "meaning_of",
    "own_levers",
    "relaxed",
    "sensitivity",
    "shared_levers",
    "shifted",
    "without",
    "worths",
]
