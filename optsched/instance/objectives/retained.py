"""How many jobs keep what they hold."""

from __future__ import annotations

import msgspec
import numpy as np

from optsched.instance.objectives.base import Objective


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def make(parameters: Parameters) -> Objective:
    """Return the objective; the moves are the jobs that hold something, less these (compare ``max_moves``)."""
    return Objective(
        name="kept",
        meaning="number of jobs that keep what they hold",
        source="the limit on moves, as an objective",
        unit="jobs",
        value=lambda rates: rates.kept.astype(np.float64),
    )
