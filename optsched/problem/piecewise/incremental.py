"""Incremental (delta): the segments of a function of one argument are filled one after the other.

    t = t_0 s + sum_k (t_k - t_{k-1}) delta_k
    y = f_0 s + sum_k (f_k - f_{k-1}) delta_k
    delta_1 <= s,  delta_{k+1} <= b_k <= delta_k,  b_k in {0, 1}

Source: Markowitz and Manne (Econometrica 25, 1957); Vielma, Ahmed and Nemhauser (Operations Research
58, 2010, sec. 3.5). Sharp and locally ideal (Padberg, OR Letters 27, 2000).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, offsets
from optsched.problem.piecewise.pieces import Pieces
from optsched.problem.piecewise.relation import Chosen, Encoding, Fill, Relation, Sense

__all__ = ["INCREMENTAL"]


def fits(pieces: Pieces, sense: Sense) -> NDArray[np.bool_]:
    """Functions of one argument."""
    return np.full(pieces.functions, pieces.dims == 1)


def lower(relation: Relation) -> Fill:
    """Add delta for each segment, and b for each but the last of a function."""
    pieces = relation.pieces
    of, every = pieces.owner, np.arange(pieces.functions)
    left, right = pieces.corner.T
    first = offsets(pieces.count)[:-1]
    delta = relation.variables("delta", of)
    inner = np.flatnonzero(np.diff(of) == 0)  # segments with another after them
    b = relation.variables("b", of[inner], integer=True)
    length, rise = pieces.at[right, 0] - pieces.at[left, 0], pieces.value[right] - pieces.value[left]
    start, level = pieces.at[left[first], 0], pieces.value[left[first]]
    relation.rows("argument", every, [(every, relation.argument[:, 0], 1.0), (of, delta, -length)], switch=-start)
    relation.rows(
        "value", every, [(every, relation.value, 1.0), (of, delta, -rise)], switch=-level, sense=relation.sense
    )
    relation.rows("first", every, [(every, delta[first], 1.0)], switch=-1.0, sense="at-most")
    at = np.arange(len(inner))
    relation.rows("full", of[inner], [(at, b, 1.0), (at, delta[inner], -1.0)], sense="at-most")
    relation.rows("next", of[inner], [(at, delta[inner + 1], 1.0), (at, b, -1.0)], sense="at-most")

    def fill(values: FloatArray, chosen: Chosen) -> None:
        reached = np.full(pieces.functions, -1)
        reached[chosen.function] = chosen.polytope
        values[delta] = np.arange(len(of)) < reached[of]
        values[b] = inner < reached[of[inner]]
        values[delta[chosen.polytope]] = chosen.weight[:, 1]

    return fill


INCREMENTAL = Encoding(
    "incremental", "segments filled in order (Markowitz and Manne 1957)", "has one argument", fits, lower
)
