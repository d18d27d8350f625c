"""Scaling of linear models by powers of two, so that a solver's absolute tolerances are small relative to what counts.

HiGHS decides by absolute tolerances of about 1e-6. Where the objective, a column or a row is far smaller or larger
than 1, these hide differences that count. Powers of two change no digit of a number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from optsched._util.arrays import FloatArray
    from optsched.solvers.request import Request

__all__ = ["TOLERANCE", "Scaling", "scaled"]

TOLERANCE = 1e-6
"""By how much the bound of an integer program may be wrong in scaled units: the solver's own tolerance."""
_LARGEST = 10
"""Exponent of the largest term of a scaled objective."""
_USUAL = 1e-2, 1e4
"""Columns and rows whose largest number lies between these are left as they are."""


@dataclass(frozen=True)
class Scaling:
    """What a model was scaled by.

    objective
        Of the objective.
    column, row
        Of each column, ``x = column * scaled x``, and of each row, shapes ``(columns,)`` and ``(rows,)``.
    """

    objective: float
    column: FloatArray
    row: FloatArray

    def point(self, values: FloatArray) -> FloatArray:
        """Return a point of the model from one of the scaled model, shape ``(columns,)``."""
        return values * self.column

    def duals(self, values: FloatArray) -> FloatArray:
        """Return duals of the model's rows from those of the scaled model, shape ``(rows,)``."""
        return values * self.row / self.objective


def scaled(request: Request) -> tuple[Request, Scaling]:
    """Return a request in scaled units, and what it was scaled by.

    Continuous columns with an unusual range are brought to a range of about 1, rows with unusual coefficients to a
    largest one of about 1, and a small objective to a largest term of about 1000.
    """
    ends = np.maximum(np.abs(request.lower), np.abs(request.upper))
    column = np.where(request.integer | ~np.isfinite(ends), 1.0, _unit(ends))
    coefficient = request.coefficient * column[request.column]
    rows = len(request.row_lower)
    largest = np.zeros(rows)
    np.maximum.at(largest, np.repeat(np.arange(rows), np.diff(request.start)), np.abs(coefficient))
    row = 1.0 / _unit(largest)
    cost = request.cost * column
    # an integer column counts by steps of 1, whatever its range
    top = float(
        np.abs(cost * np.where(request.integer, 1.0, np.minimum(1.0, ends / column)))[cost != 0].max(initial=0.0)
    )
    objective = 1.0 if top == 0 or not np.isfinite(top) else 2.0 ** max(0, _LARGEST - int(np.floor(np.log2(top))) - 1)
    counts = np.diff(request.start)
    return replace(
        request,
        offset=request.offset * objective,
        cost=cost * objective,
        lower=request.lower / column,
        upper=request.upper / column,
        coefficient=coefficient * np.repeat(row, counts),
        row_lower=request.row_lower * row,
        row_upper=request.row_upper * row,
        point=None if request.point is None else request.point / column,
    ), Scaling(objective, column, row)


def _unit(largest: FloatArray) -> FloatArray:
    """Return the power of two below each unusual number, and 1 for the usual ones, for 0 and for what is infinite."""
    low, high = _USUAL
    unusual = np.isfinite(largest) & (largest > 0) & ((largest < low) | (largest > high))
    return np.where(unusual, 2.0 ** np.floor(np.log2(np.where(unusual, largest, 1.0))), 1.0)
