"""Another objective over the jobs of one priority class: what strict priorities are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.instance import Instance
from optsched.instance.objectives.base import Objective, Rates


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The class, the objective over its jobs with its parameters, and whether the classes below it are meant."""

    name: str = ""
    of: str = "progress"
    parameters: dict[str, Any] = {}
    below: bool = False


def make(parameters: Parameters) -> Objective:
    """Return the objective: jobs of other classes have value 0.

    ``solve`` takes the classes one after the other (lexicographic goal programming: Ignizio, JORS 29 (1978)), so that
    no number of jobs of a lower class outweighs one of a higher class.
    """
    from optsched.instance import ObjectiveSpec
    from optsched.instance.objectives import objective
    from optsched.instance.priorities import class_numbers

    inner = objective(ObjectiveSpec(name=parameters.of, parameters=parameters.parameters))

    def member(instance: Instance) -> NDArray[np.bool_]:
        names = [known.id for known in instance.priority_classes]
        if parameters.name not in names:
            expected = f"a priority class of the instance: {', '.join(names) or 'it has none'}"
            raise InputError(expected, path="$.objective.parameters.name", value=shown(parameters.name))
        numbers, own = class_numbers(instance), names.index(parameters.name)
        found: NDArray[np.bool_] = numbers > own if parameters.below else numbers == own
        return found if inner.member is None else found & inner.member(instance)

    def value(rates: Rates) -> FloatArray:
        return np.where(member(rates.instance)[rates.job], inner.value(rates), 0.0)

    where = f"classes below {parameters.name}" if parameters.below else f"class {parameters.name}"
    return replace(
        inner,
        name="in-class",
        meaning=f"{inner.meaning}, in {where}",
        source="strict priorities: Ignizio, JORS 29 (1978)",
        value=value,
        member=member,
    )
