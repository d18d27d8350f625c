"""Convex combination: weights of the vertices, positive at the corners of one polytope only.

    t = sum_v at_v lambda_v,   y = sum_v f_v lambda_v,   sum_v lambda_v = s,   sum_k z_k = s
    lambda_v <= sum of z_k over the polytopes k at vertex v,   z_k in {0, 1}

Source: Dantzig (Econometrica 28, 1960); Vielma, Ahmed and Nemhauser (Operations Research 58, 2010,
sec. 3.2), also for polytopes in any dimension. Sharp, but not locally ideal.
"""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.problem.piecewise.relation import Chosen, Encoding, Fill, Relation, anything

__all__ = ["CONVEX_COMBINATION"]


def lower(relation: Relation) -> Fill:
    """Add lambda for each vertex and z for each polytope."""
    pieces = relation.pieces
    vertex = np.arange(len(pieces.of))
    weight = relation.weighted(vertex)
    z = relation.variables("z", pieces.owner, integer=True)
    relation.summed("weights", weight, pieces.of)
    relation.summed("one", z, pieces.owner)
    relation.rows("adjacent", pieces.of, [(vertex, weight, 1.0), (pieces.corner, z[:, None], -1.0)], sense="at-most")

    def fill(values: FloatArray, chosen: Chosen) -> None:
        values[z[chosen.polytope]] = 1.0
        values[weight[pieces.corner[chosen.polytope]]] = chosen.weight

    return fill


CONVEX_COMBINATION = Encoding(
    "convex-combination", "weights of the vertices (Dantzig 1960)", "is any function", anything, lower
)
