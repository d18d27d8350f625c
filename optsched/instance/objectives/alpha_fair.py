"""Alpha-fairness: from total progress (alpha 0) over proportional fairness (1) to max-min (inf)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.instance.objectives.base import Objective, Rates

EPSILON = 0.01
"""Progress that a job that waits counts as having: without it, its utility would be -inf from alpha 1 on."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """alpha >= 0 or "inf"; epsilon > 0, which counts from alpha 1 on; what is shared fairly, and up to which level.

    That is progress, with the utilities summed by weight, or what an objective of a least value of jobs compares, which
    has the weights in it: where alpha is large, the plans of the greatest sum come near the optimum of the least value.
    """

    alpha: Annotated[float, msgspec.Meta(ge=0)] | Literal["inf"] = 2.0
    epsilon: Annotated[float, msgspec.Meta(gt=0)] = EPSILON
    of: str = "progress"
    most: Annotated[float, msgspec.Meta(gt=0)] | None = None


def utility(progress: FloatArray, alpha: float, epsilon: float) -> FloatArray:
    """U(progress + epsilon) - U(epsilon), with U(x) = x^(1 - alpha) / (1 - alpha), and log x for alpha = 1.

    Below alpha 1, U(0) is finite, and epsilon counts as 0.
    """
    if alpha == 1:
        return np.asarray(np.log1p(progress / epsilon))
    base = np.float64(epsilon if alpha > 1 else 0.0)
    power = 1 - alpha
    with np.errstate(over="ignore"):  # what is worth more than any number is refused by who reads the values
        return np.asarray(((progress + base) ** power - (base**power if base else 0.0)) / power)


def value(rates: Rates, alpha: float, epsilon: float, most: float = np.inf) -> FloatArray:
    """Weight times the utility of progress, up to ``most``, over that of waiting."""
    return rates.weight * utility(np.minimum(rates.progress, most), alpha, epsilon)


def make(parameters: Parameters) -> Objective:
    """Return the objective: Mo and Walrand (IEEE/ACM Trans. Netw. 8 (2000), def. 2 and lemma 2)."""
    alpha = np.inf if parameters.alpha == "inf" else parameters.alpha
    most = np.inf if parameters.most is None else parameters.most
    epsilon, infinite = parameters.epsilon, np.isinf(alpha)
    name, source = "alpha-fair", "Mo and Walrand (ToN 2000, def. 2)"
    if parameters.of != "progress":
        least = _least(parameters.of)
        if infinite:
            raise InputError("a finite alpha, where 'of' is named", path="$.objective.parameters.alpha", value="inf")
        return Objective(
            name=name,
            meaning=f"sum over jobs of U(value + epsilon) - U(epsilon), the values of {least.name}",
            source=source,
            unit="",
            base=least.base,
            value=lambda rates: (rates.weight > 0) * utility(np.minimum(least.value(rates), most), alpha, epsilon),
        )
    if infinite:
        return Objective(
            name=name,
            meaning="least goodput / reference goodput / weight of any job",
            source=source,
            unit="references",
            value=lambda rates: np.minimum(rates.progress / rates.divisor, most),
            aggregate="min",
        )
    return Objective(
        name=name,
        meaning="sum over jobs of weight x (U(progress + epsilon) - U(epsilon)), U(x) = x^(1 - alpha) / (1 - alpha)",
        source=source,
        unit="",
        value=lambda rates: value(rates, alpha, epsilon, most),
    )


def _least(name: str) -> Objective:
    """Return the objective of a least value of jobs of a name; raise InputError where it is none."""
    from optsched.instance import ObjectiveSpec
    from optsched.instance.objectives import objective

    least = objective(ObjectiveSpec(name=name))
    if least.aggregate == "sum" or least.party != "jobs":
        expected = "progress, or an objective of a least value of jobs"
        raise InputError(expected, path="$.objective.parameters.of", value=shown(name))
    return least
