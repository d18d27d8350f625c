"""Least attained service first: progress counts the more, the less a job has had so far."""

from __future__ import annotations

from typing import Annotated

import msgspec

from optsched.instance.objectives.base import Objective


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GPU seconds at which progress counts half as much as at the start."""

    half_gpu_s: Annotated[float, msgspec.Meta(gt=0)] = 3600.0


def make(parameters: Parameters) -> Objective:
    """Return the objective: Tiresias' order by attained service (NSDI'19, sec. 3.2), as a factor of the weight.

    Attained service is GPU seconds, ``Job.attained_gpu_s``. Tiresias serves strictly in that order; here the one who
    had less may be passed over where others gain much more.
    """
    half = parameters.half_gpu_s
    return Objective(
        name="least-attained-service",
        meaning="sum over jobs of weight x progress / (1 + attained GPU seconds / half_gpu_s)",
        source="Tiresias (NSDI'19, sec. 3.2)",
        unit="references",
        value=lambda rates: rates.weight * rates.progress / (1 + rates.of_job(lambda job: job.attained_gpu_s) / half),
    )
