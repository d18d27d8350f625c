"""Dominant-resource fairness: the least dominant share is as large as possible."""

from __future__ import annotations

from typing import Literal

import msgspec

from optsched.instance.objectives.base import Objective


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether shares are compared between jobs or tenants, and (for jobs) whether the second least counts, too."""

    among: Literal["jobs", "tenants"] = "jobs"
    lexicographic: bool = False


def make(parameters: Parameters) -> Objective:
    """Return the objective: Ghodsi et al. (NSDI'11, sec. 4), over whole configurations.

    A job's dominant share is the largest part that it takes of its pool's GPUs, of its site's CPU cores or of its
    memory, by the weight. A tenant's is the sum of its jobs': its own dominant share where they have one dominant
    resource in common, and no less than that otherwise. It says nothing of speed.
    """
    if parameters.among == "tenants":
        return Objective(
            name="dominant-share",
            meaning="least sum of dominant shares / tenant's weight of any tenant",
            source="Ghodsi et al. (NSDI'11, sec. 4)",
            unit="",
            value=lambda rates: rates.dominant_share() / rates.tenant_weight(),
            aggregate="min",
            party="tenants",
        )
    return Objective(
        name="dominant-share",
        meaning="least dominant share / weight of any job",
        source="Ghodsi et al. (NSDI'11, sec. 4)",
        unit="",
        value=lambda rates: rates.dominant_share() / rates.divisor,
        aggregate="lexmin" if parameters.lexicographic else "min",
    )
