"""Envelope: a concave function that is maximized as weights of its breakpoints, which need no binaries.

    t = sum_v at_v lambda_v,   y <= sum_v f_v lambda_v,   sum_v lambda_v = s      (y >= for a convex one, minimized)

The same relaxation as the hypograph's, in columns where that takes rows: a simplex method works with as many basic
columns as there are rows. Source: Dantzig (Econometrica 28, 1960); it is the convex combination without its binaries.
"""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.problem.piecewise.hypograph import HYPOGRAPH
from optsched.problem.piecewise.relation import Chosen, Encoding, Fill, Relation

__all__ = ["ENVELOPE"]


def lower(relation: Relation) -> Fill:
    """Add lambda for each vertex."""
    pieces = relation.pieces
    weight = relation.weighted(np.arange(len(pieces.of)))
    relation.summed("weights", weight, pieces.of)

    def fill(values: FloatArray, chosen: Chosen) -> None:
        values[weight[pieces.corner[chosen.polytope]]] = chosen.weight

    return fill


ENVELOPE = Encoding(
    "envelope", "weights of the breakpoints, without binaries (linear program)", HYPOGRAPH.needs, HYPOGRAPH.fits, lower
)
