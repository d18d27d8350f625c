"""Alpha-fairness: from total progress (alpha 0) over proportional fairness (1) to max-min (inf)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np

from optsched.curves import FloatArray
from optsched.objectives.base import Objective, Rates

EPSILON = 0.01
"""Progress that a job that waits counts as having: without it, its utility would be -inf from alpha 1 on."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """alpha >= 0 or "inf"; epsilon > 0, which counts from alpha 1 on."""

    alpha: Annotated[float, msgspec.Meta(ge=0)] | Literal["inf"] = 2.0
    epsilon: Annotated[float, msgspec.Meta(gt=0)] = EPSILON


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


def value(rates: Rates, alpha: float, epsilon: float) -> FloatArray:
    """Weight times the utility of progress over that of waiting."""
    return rates.weight * utility(rates.progress, alpha, epsilon)


def make(parameters: Parameters) -> Objective:
    """Return the objective: Mo and Walrand (IEEE/ACM Trans. Netw. 8 (2000), def. 2 and lemma 2)."""
    alpha, epsilon = parameters.alpha, parameters.epsilon
    name, source = "alpha-fair", "Mo and Walrand (ToN 2000, def. 2)"
    if alpha == "inf" or np.isinf(alpha):
        return Objective(
            name=name, meaning="least goodput / reference goodput / weight of any job", source=source,
            unit="references", value=lambda rates: rates.progress / rates.divisor, aggregate="min",
        )  # fmt: skip
    return Objective(
        name=name,
        meaning="sum over jobs of weight x (U(progress + epsilon) - U(epsilon)), U(x) = x^(1 - alpha) / (1 - alpha)",
        source=source,
        unit="",
        value=lambda rates: value(rates, alpha, epsilon),
    )
