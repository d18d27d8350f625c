"""Power of the GPUs that are held; to be minimized together with an objective or a limit that makes jobs run."""

from __future__ import annotations

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError
from optsched.instance.objectives.base import Objective, Rates


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


def value(rates: Rates) -> FloatArray:
    """GPUs times the power of one that trains, negative; raise InputError where a GPU type does not say its own."""
    unknown = [gpu.id for gpu in rates.instance.cluster.gpu_types if gpu.watts is None]
    watts = rates.of_type(lambda gpu: gpu.watts)
    if np.isnan(watts).any():
        expected = f"the watts of GPU types {', '.join(unknown)}, which the objective energy needs"
        raise InputError(expected, path="$.cluster.gpu_types")
    return -rates.gpus * watts


def make(parameters: Parameters) -> Objective:
    """Return the objective: power while training is constant in the batch (Zeus, NSDI'23, fig. 2: nearly so)."""
    return Objective(
        name="energy",
        meaning="sum over running jobs of GPUs x watts of one; least",
        source="power of GPUs at work, as the cluster gives it",
        unit="W",
        value=value,
        sign=-1.0,
    )
