"""How many jobs run."""

from __future__ import annotations

import msgspec
import numpy as np

from optsched.instance.objectives.base import Objective


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def make(parameters: Parameters) -> Objective:
    """Return the objective; first of two, it makes the second one of as many running jobs as possible.

    ``running,proportional`` is then the maximum Nash welfare of Caragiannis et al. (EC'16, sec. 2), up to epsilon.
    """
    return Objective(
        name="running",
        meaning="number of jobs that run",
        source="Caragiannis et al. (EC'16, sec. 2)",
        unit="jobs",
        value=lambda rates: np.ones(len(rates.job)),
    )
