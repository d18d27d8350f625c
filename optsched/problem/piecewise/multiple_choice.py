"""Multiple choice: an argument of its own for each polytope, one of which is chosen.

    t = sum_k w_k,   y = sum_k (alpha_k w_k + beta_k z_k),   sum_k z_k = s,   z_k in {0, 1}
    the weights of polytope k's corners at (w_k, z_k) are >= 0, e.g. t_{k-1} z_k <= w_k <= t_k z_k

Source: Balakrishnan and Graves (Networks 19, 1989); Vielma, Ahmed and Nemhauser (Operations Research
58, 2010, sec. 3.4), who allow any polytopes. Sharp and locally ideal.
"""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.problem.piecewise.relation import Chosen, Encoding, Fill, Relation, anything

__all__ = ["MULTIPLE_CHOICE"]


def lower(relation: Relation) -> Fill:
    """Add w and z for each polytope."""
    pieces, dims = relation.pieces, relation.pieces.dims
    of, every, axis = pieces.owner, np.arange(relation.pieces.functions), np.arange(relation.pieces.dims)
    polytopes, corners = pieces.corner.shape
    z = relation.variables("z", of, integer=True)
    corner = pieces.at[pieces.corner]
    w = relation.model.add_variables(
        f"{relation.name}.w",
        polytopes * dims,
        lower=np.minimum(0.0, corner.min(axis=1)).ravel(),
        upper=np.maximum(0.0, corner.max(axis=1)).ravel(),
        label=lambda k: f"{relation.label(of[k // dims])},{k}",
    ).reshape(polytopes, dims)
    relation.summed("one", z, of)
    relation.rows(
        "argument",
        np.repeat(every, dims),
        [(every[:, None] * dims + axis, relation.argument, 1.0), (of[:, None] * dims + axis, w, -1.0)],
    )
    both = np.column_stack([w, z])
    relation.rows(
        "value", every, [(every, relation.value, 1.0), (of[:, None], both, -pieces.affine)], sense=relation.sense
    )
    side = np.arange(polytopes * corners).reshape(polytopes, corners)
    relation.rows(
        "within", np.repeat(of, corners), [(side[:, :, None], both[:, None, :], pieces.barycentric)], sense="at-least"
    )

    def fill(values: FloatArray, chosen: Chosen) -> None:
        values[z[chosen.polytope]] = 1.0
        values[w[chosen.polytope]] = np.einsum("fc,fcd->fd", chosen.weight, corner[chosen.polytope])

    return fill


MULTIPLE_CHOICE = Encoding(
    "multiple-choice", "an argument for each piece (Balakrishnan and Graves 1989)", "is any function", anything, lower
)
