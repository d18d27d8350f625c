"""Disaggregated convex combination: weights of their own for the corners of each polytope.

    t = sum_k sum_c at_kc lambda_kc,   y = sum_k sum_c f_kc lambda_kc
    sum_c lambda_kc = z_k,   sum_k z_k = s,   z_k in {0, 1}

Source: Meyer (Math. Prog. 10, 1976); Vielma, Ahmed and Nemhauser (Operations Research 58, 2010, sec.
3.1), for polytopes in any dimension. Sharp and locally ideal.
"""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.problem.piecewise.relation import Chosen, Encoding, Fill, Relation, anything

__all__ = ["DISAGGREGATED"]


def lower(relation: Relation) -> Fill:
    """Add lambda for each corner of a polytope and z for each polytope."""
    pieces = relation.pieces
    weight = relation.weighted(pieces.corner.ravel()).reshape(pieces.corner.shape)
    z = relation.variables("z", pieces.owner, integer=True)
    polytope = np.arange(len(z))
    relation.rows("weights", pieces.owner, [(polytope[:, None], weight, 1.0), (polytope, z, -1.0)])
    relation.summed("one", z, pieces.owner)

    def fill(values: FloatArray, chosen: Chosen) -> None:
        values[z[chosen.polytope]] = 1.0
        values[weight[chosen.polytope]] = chosen.weight

    return fill


DISAGGREGATED = Encoding(
    "disaggregated", "weights of the corners of each piece (Meyer 1976)", "is any function", anything, lower
)
