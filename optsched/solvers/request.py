"""A linear model as the arrays that cross to the solver's process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # the solver's process needs arrays, and nothing of what makes them
    from optsched._util.arrays import FloatArray, IntArray

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """A linear model as arrays: maximize ``offset + cost x``; rows ``start[i]:start[i + 1]`` of the matrix."""

    offset: float
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: NDArray[np.bool_]
    start: IntArray
    column: IntArray
    coefficient: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    point: FloatArray | None
