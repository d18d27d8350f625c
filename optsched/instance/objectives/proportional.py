"""Proportional fairness, or Nash welfare: the sum of logarithms of progress."""

from __future__ import annotations

from typing import Annotated

import msgspec

from optsched.instance.objectives.alpha_fair import EPSILON, value
from optsched.instance.objectives.base import Objective


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """epsilon > 0: progress that a job that waits counts as having."""

    epsilon: Annotated[float, msgspec.Meta(gt=0)] = EPSILON


def make(parameters: Parameters) -> Objective:
    """Return the objective: Kelly, Maulloo and Tan (J. Oper. Res. Soc. 49 (1998), sec. 2).

    The logarithm of a job that waits would be -inf. As in the smooth Nash welfare of Fain, Munagala and Shah (EC'18,
    sec. 2.2), epsilon is added to every job's progress; the value of running is then weight x log(1 + progress /
    epsilon). The smaller epsilon, the more it is worth that many jobs run.
    """
    return Objective(
        name="proportional",
        meaning="sum over jobs of weight x log(1 + progress / epsilon)",
        source="Kelly et al. (1998, sec. 2); Fain et al. (EC'18, sec. 2.2)",
        unit="nats",
        value=lambda rates: value(rates, 1.0, parameters.epsilon),
    )
