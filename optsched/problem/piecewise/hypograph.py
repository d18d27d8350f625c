"""Hypograph: a concave function that is maximized is the least of its pieces, and needs no binaries.

    y <= alpha_k t + beta_k s        for every piece k (y >= for a convex function that is minimized)
    low s <= t <= high s

The factor s makes it the perspective of the function (Frangioni and Gentile, Math. Prog. 106, 2006):
the LP relaxation is the convex hull.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, offsets
from optsched.problem.piecewise.pieces import Pieces
from optsched.problem.piecewise.relation import Chosen, Encoding, Fill, Relation, Sense

__all__ = ["HYPOGRAPH"]


def fits(pieces: Pieces, sense: Sense) -> NDArray[np.bool_]:
    """Concave functions that are maximized, convex ones that are minimized, linear ones in any sense."""
    if sense == "at-most":
        return pieces.concave
    return pieces.convex if sense == "at-least" else pieces.concave & pieces.convex


def lower(relation: Relation) -> Fill:
    """Add the rows; there are no variables."""
    pieces = relation.pieces
    piece = np.arange(len(pieces.owner))
    if relation.sense == "equal":  # all pieces of a linear function are the same
        piece = offsets(pieces.count)[:-1]
    # equal lines of a division of the plane say the same
    _, first = np.unique(np.column_stack([pieces.owner[piece], pieces.affine[piece]]), axis=0, return_index=True)
    piece = piece[np.sort(first)]
    of, affine, at = pieces.owner[piece], pieces.affine[piece], np.arange(len(piece))
    relation.rows(
        "piece",
        of,
        [(at, relation.value[of], 1.0), (at[:, None], relation.argument[of], -affine[:, :-1])],
        switch=-affine[:, -1],
        sense=relation.sense,
    )
    low, high = pieces.box
    of = np.repeat(np.arange(pieces.functions), pieces.dims)
    argument = [(np.arange(len(of)), relation.argument.ravel(), 1.0)]
    relation.rows("low", of, list(argument), switch=-low.ravel(), sense="at-least")
    relation.rows("high", of, list(argument), switch=-high.ravel(), sense="at-most")
    return _nothing


def _nothing(values: FloatArray, chosen: Chosen) -> None:
    """Set no columns, since there are none."""


HYPOGRAPH = Encoding(
    "hypograph",
    "the least of the pieces' lines (linear program)",
    "is concave and maximized, convex and minimized, or linear",
    fits,
    lower,
)
