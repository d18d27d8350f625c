"""Disaggregated logarithmic: bits that name a polytope decide which one's corners may carry weight.

    t = sum_k sum_c at_kc lambda_kc,   y = sum_k sum_c f_kc lambda_kc,   sum_k sum_c lambda_kc = s
    for each bit l:  sum of lambda_kc of polytopes k with bit 1 <= x_l
                     sum of lambda_kc of polytopes k with bit 0 <= s - x_l,   x_l in {0, 1}

Any code will do, since every polytope has weights of its own: it is its number. Source: Vielma and
Nemhauser (Math. Prog. 128, 2011, sec. 3); Vielma, Ahmed and Nemhauser (Operations Research 58, 2010,
sec. 3.1), for polytopes in any dimension. Sharp and locally ideal.
"""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray, members
from optsched.problem.piecewise.gray import bits, length
from optsched.problem.piecewise.relation import Chosen, Encoding, Fill, Relation, anything

__all__ = ["DISAGGREGATED_LOGARITHMIC"]


def lower(relation: Relation) -> Fill:
    """Add lambda for each corner of a polytope and x for each bit."""
    pieces = relation.pieces
    vertex, corners = pieces.corner.ravel(), pieces.corner.shape[1]
    weight = relation.weighted(vertex)
    relation.summed("weights", weight, pieces.of[vertex])
    width = length(pieces.count)
    code = bits(members(pieces.count)[1], int(width.max(initial=0)))
    each = np.repeat(code, corners, axis=0)
    x = relation.branched(weight, pieces.of[vertex], each, ~each, width)

    def fill(values: FloatArray, chosen: Chosen) -> None:
        values[weight.reshape(-1, corners)[chosen.polytope]] = chosen.weight
        values[x[chosen.function][code[chosen.polytope]]] = 1.0

    return fill


DISAGGREGATED_LOGARITHMIC = Encoding(
    "disaggregated-logarithmic",
    "corners by binary code (Vielma and Nemhauser 2011)",
    "is any function",
    anything,
    lower,
)
