"""The one way in: a batch of functions, columns for their arguments and values, and a way to express them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError, shown
from optsched.problem.piecewise.convex_combination import CONVEX_COMBINATION
from optsched.problem.piecewise.disaggregated import DISAGGREGATED
from optsched.problem.piecewise.disaggregated_logarithmic import DISAGGREGATED_LOGARITHMIC
from optsched.problem.piecewise.envelope import ENVELOPE
from optsched.problem.piecewise.hypograph import HYPOGRAPH
from optsched.problem.piecewise.incremental import INCREMENTAL
from optsched.problem.piecewise.logarithmic import LOGARITHMIC
from optsched.problem.piecewise.multiple_choice import MULTIPLE_CHOICE
from optsched.problem.piecewise.pieces import Pieces
from optsched.problem.piecewise.relation import Chosen, Encoding, Relation, Sense
from optsched.solvers.linear_model import LinearModel

__all__ = ["ENCODINGS", "Encoded", "choose", "encode"]

ENCODINGS: dict[str, Encoding] = {
    e.name: e
    for e in (
        HYPOGRAPH,
        ENVELOPE,
        INCREMENTAL,
        MULTIPLE_CHOICE,
        CONVEX_COMBINATION,
        DISAGGREGATED,
        LOGARITHMIC,
        DISAGGREGATED_LOGARITHMIC,
    )
}
"""Every encoding by its name."""


@dataclass(frozen=True)
class Encoded:
    """Functions that were added to a model.

    parts
        Each encoding used, the functions that it expresses, and why it was chosen.
    fill
        From the values of all columns, of which arguments and switches are set and the others are 0,
        to a feasible point: sets the functions' values and the encodings' own columns in place.
    """

    parts: tuple[tuple[str, IntArray, str], ...]
    fill: Callable[[FloatArray], None]

    @property
    def notes(self) -> tuple[str, ...]:
        """For people: what was chosen for how many functions, and why."""
        return tuple(f"{name} for {len(functions)} functions: {why}" for name, functions, why in self.parts)


def choose(pieces: Pieces, sense: Sense, method: str = "auto") -> list[tuple[Encoding, NDArray[np.bool_], str]]:
    """Return the encodings to use, the functions that each one serves, and why.

    By default, what needs no binaries is expressed without, and the rest by bits: with HiGHS no other encoding is
    faster throughout, and the others fall behind where pieces are many (benchmarks/piecewise_encodings.py).

    Raises
    ------
    InputError
        For an unknown encoding, or one that cannot express a function.
    """
    if method != "auto":
        if method not in ENCODINGS:
            raise InputError(f"auto or one of {', '.join(ENCODINGS)}", path="encoding", value=shown(method))
        chosen = ENCODINGS[method]
        misfits = np.flatnonzero(~chosen.fits(pieces, sense))
        if len(misfits):
            expected = f"another encoding than {method}, which needs that a function {chosen.needs}"
            raise InputError(expected, path="encoding", value=f"function {misfits[0]} of {pieces.functions}")
        return [(chosen, np.ones(pieces.functions, dtype=bool), "as asked")] if pieces.functions else []
    bare = HYPOGRAPH.fits(pieces, sense)
    shape = {"at-most": "concave", "at-least": "convex", "equal": "linear"}[sense]
    groups = [
        (HYPOGRAPH, bare, f"{shape}, so that no binaries are needed"),
        (LOGARITHMIC, ~bare, f"not {shape}, and these are the fewest binaries"),
    ]
    return [group for group in groups if group[1].any()]


def encode(
    model: LinearModel,
    name: str,
    pieces: Pieces,
    *,
    argument: IntArray,
    value: IntArray,
    switch: IntArray | None = None,
    sense: Sense = "equal",
    method: str = "auto",
    label: Callable[[int], str] = str,
) -> Encoded:
    """Add rows by which ``y = f(t)`` while s = 1, and t = 0 and y = 0 while s = 0, for each function f.

    Parameters
    ----------
    name
        Prefix of the names of the variables and rows that are added.
    argument, value
        Columns of t and y, shapes ``(functions, dims)`` (or ``(functions,)`` in one dimension) and
        ``(functions,)``; their bounds must not exclude what the functions need, and may be integer.
    switch
        Column of each s in [0, 1], -1 for the constant 1, shape ``(functions,)``; None: all are 1.
    sense
        ``at-most`` and ``at-least`` ask less: ``y <= f(t)`` and ``y >= f(t)`` only.
    method
        One of ``ENCODINGS``; ``auto`` chooses by function.
    label
        Name of the k-th function for people.

    Raises
    ------
    InputError
        For an unknown encoding, or one that cannot express a function.
    """
    argument = np.asarray(argument).reshape(pieces.functions, pieces.dims)
    on = np.full(pieces.functions, -1) if switch is None else np.asarray(switch)
    parts, fills = [], []
    for encoding, which, why in choose(pieces, sense, method):
        number = np.flatnonzero(which)
        part = pieces if which.all() else pieces.take(which)
        relation = Relation(
            model,
            name,
            part,
            on[which],
            argument[which],
            value[which],
            sense,
            lambda k, number=number: label(int(number[k])),  # type: ignore[misc]
        )
        fills.append((relation, encoding.lower(relation)))
        parts.append((encoding.name, number, why))

    def fill(values: FloatArray) -> None:
        for relation, own in fills:
            running = np.flatnonzero((relation.switch < 0) | (values[relation.switch] > 0.5))
            polytope, weight = relation.pieces.located(values[relation.argument])
            weight = np.maximum(weight, 0.0)
            weight /= weight.sum(axis=1, keepdims=True)
            of = relation.pieces
            values[relation.value[running]] = np.sum(weight * of.value[of.corner[polytope]], axis=1)[running]
            own(values, Chosen(running, polytope[running], weight[running]))

    return Encoded(tuple(parts), fill)
