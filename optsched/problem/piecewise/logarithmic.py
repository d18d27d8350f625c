"""Logarithmic: bits that name a polytope decide which vertices may carry weight.

    t = sum_v at_v lambda_v,   y = sum_v f_v lambda_v,   sum_v lambda_v = s
    for each bit l:  sum of lambda_v whose polytopes all have bit 1 <= x_l
                     sum of lambda_v whose polytopes all have bit 0 <= s - x_l,   x_l in {0, 1}

The bits of a polytope are the Gray codes of its cell's numbers along each axis and, for the
triangles of a grid, its side. A Gray code leaves exactly the corners of the named polytope.
Source: Vielma and Nemhauser (Math. Prog. 128, 2011, sec. 3 and 5). Sharp and locally ideal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.piecewise.gray import bits, gray, length
from optsched.problem.piecewise.pieces import Pieces
from optsched.problem.piecewise.relation import Chosen, Encoding, Fill, Relation, anything

__all__ = ["LOGARITHMIC", "codes"]


def codes(pieces: Pieces) -> tuple[NDArray[np.bool_], IntArray]:
    """Return the bits of each polytope, those of a function first, and how many bits each function has.

    Shapes ``(polytopes, most bits)`` and ``(functions,)``.
    """
    each = length(pieces.cells)  # bits along each axis
    ends = np.cumsum(each, axis=1)
    code = pieces.side << (ends[pieces.owner, -1]) if pieces.dims > 1 else np.zeros(len(pieces.owner), dtype=np.int64)
    for axis in range(pieces.dims):
        code = code | gray(pieces.cell[:, axis]) << (ends - each)[pieces.owner, axis]
    width = ends[:, -1] + (pieces.dims > 1)
    return bits(code, int(width.max(initial=0))), width


def lower(relation: Relation) -> Fill:
    """Add lambda for each vertex and x for each bit."""
    pieces = relation.pieces
    weight = relation.weighted(np.arange(len(pieces.of)))
    relation.summed("weights", weight, pieces.of)
    code, width = codes(pieces)
    ones, zeros = (np.ones((len(weight), code.shape[1]), dtype=bool) for _ in range(2))
    for corner in pieces.corner.T:
        np.logical_and.at(ones, corner, code)
        np.logical_and.at(zeros, corner, ~code)
    x = relation.branched(weight, pieces.of, ones, zeros, width)

    def fill(values: FloatArray, chosen: Chosen) -> None:
        values[weight[pieces.corner[chosen.polytope]]] = chosen.weight
        values[x[chosen.function][code[chosen.polytope]]] = 1.0

    return fill


LOGARITHMIC = Encoding(
    "logarithmic", "vertices by Gray code (Vielma and Nemhauser 2011)", "is any function", anything, lower
)
