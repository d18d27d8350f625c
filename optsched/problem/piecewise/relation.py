"""What every encoding expresses, and the parts that several are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optsched._util.arrays import FloatArray, IntArray, by_group, positions
from optsched.problem.piecewise.pieces import Pieces
from optsched.solvers.linear_model import LinearModel

__all__ = ["Chosen", "Encoding", "Entries", "Fill", "Relation", "Sense", "anything"]

Sense = Literal["at-most", "equal", "at-least"]
"""``at-most``: y <= f(t), enough where y is maximized; ``at-least`` where it is minimized."""

Entries = tuple[ArrayLike, ArrayLike, ArrayLike]
"""Row, column and coefficient of entries of a matrix."""


@dataclass(frozen=True)
class Chosen:
    """Where the functions that are on have their arguments.

    function
        Those that are on, shape ``(on,)``.
    polytope, weight
        The polytope of each one's argument and the weights of its corners: shapes ``(on,)``, ``(on, dims + 1)``.
    """

    function: IntArray
    polytope: IntArray
    weight: FloatArray


Fill = Callable[[FloatArray, Chosen], None]
"""Sets an encoding's own columns, 0 so far, in the values of all columns."""


@dataclass(frozen=True)
class Encoding:
    """A way to express piecewise-linear functions by linear rows and integers.

    title
        For people, with its source.
    needs
        What it needs of a function, for people.
    fits
        Which functions it can express in a sense, shape ``(functions,)``.
    lower
        Adds its variables and rows to the relation's model.
    """

    name: str
    title: str
    needs: str
    fits: Callable[[Pieces, Sense], NDArray[np.bool_]]
    lower: Callable[[Relation], Fill]


@dataclass(frozen=True)
class Relation:
    """For each function f with switch s: t and y are in ``y = f(t)`` while s = 1, and are 0 while s = 0.

    switch
        Column of each function's switch, -1 for the constant 1; shape ``(functions,)``.
    argument, value
        Columns of t and y; shapes ``(functions, dims)`` and ``(functions,)``.
    """

    model: LinearModel
    name: str
    pieces: Pieces
    switch: IntArray
    argument: IntArray
    value: IntArray
    sense: Sense
    label: Callable[[int], str]

    def variables(self, name: str, of: IntArray, *, integer: bool = False) -> IntArray:
        """Append variables in [0, 1], binaries where ``integer``, numbered within the function of each.

        The upper bound of 1 follows from the rows, but HiGHS 1.13 can loop in its presolve without.
        """
        number = _within(of)
        return self.model.add_variables(
            f"{self.name}.{name}",
            len(of),
            upper=1.0,
            integer=integer,
            label=lambda k: f"{self.label(of[k])},{number[k]}",
        )

    def rows(
        self, name: str, of: IntArray, parts: list[Entries], switch: ArrayLike = 0.0, sense: Sense = "equal"
    ) -> None:
        """Append rows ``entries + switch * s (<=, =, >=) 0``; ``of``: the function of each row."""
        size = len(of)
        factor = np.broadcast_to(np.asarray(switch, dtype=np.float64), size)
        column = self.switch[of]
        switched = np.flatnonzero((column >= 0) & (factor != 0))
        limit = np.where(column >= 0, 0.0, -factor)
        entries = [tuple(a.ravel() for a in np.broadcast_arrays(*part)) for part in parts]
        entries.append((switched, column[switched], factor[switched]))
        number = _within(of)
        several = len(of) > len(np.unique(of))
        self.model.add_rows(
            f"{self.name}.{name}",
            tuple(np.concatenate([e[k] for e in entries]) for k in range(3)),  # type: ignore[arg-type]
            lower=-np.inf if sense == "at-most" else limit,
            upper=np.inf if sense == "at-least" else limit,
            size=size,
            label=lambda k: f"{self.label(of[k])},{number[k]}" if several else self.label(of[k]),
        )

    def weighted(self, vertex: IntArray) -> IntArray:
        """Append a weight for each named vertex, whose sums are t and y; return the weights' columns.

        The caller adds rows by which the weights of each function sum to its switch.
        """
        pieces, dims = self.pieces, self.pieces.dims
        of = pieces.of[vertex]
        weight = self.variables("lambda", of)
        every = np.arange(pieces.functions)
        axis = np.arange(dims)
        self.rows(
            "argument",
            np.repeat(every, dims),
            [
                (of[:, None] * dims + axis, weight[:, None], pieces.at[vertex]),
                (every[:, None] * dims + axis, self.argument, -1.0),
            ],
        )
        self.rows("value", every, [(every, self.value, 1.0), (of, weight, -pieces.value[vertex])], sense=self.sense)
        return weight

    def summed(self, name: str, column: IntArray, of: IntArray) -> None:
        """Append rows by which columns of each function sum to its switch."""
        self.rows(name, np.arange(self.pieces.functions), [(of, column, 1.0)], switch=-1.0)

    def branched(
        self, weight: IntArray, of: IntArray, ones: NDArray[np.bool_], zeros: NDArray[np.bool_], width: IntArray
    ) -> IntArray:
        """Append bits x that say which weights may be positive; return the column of each bit, -1 for none.

        Parameters
        ----------
        weight, of
            Columns of the weights and their functions, shape ``(weights,)`` each.
        ones, zeros
            Which weights need the bit to be 1, and to be 0: shape ``(weights, most bits)``.
        width
            Bits of each function; shape ``(functions,)``.

        Rows: ``sum of those that need 1 <= x`` and ``sum of those that need 0 <= s - x``
        (Vielma and Nemhauser 2011, eq. 14 and 22, with the switch in place of 1).
        """
        number = np.full((self.pieces.functions, ones.shape[1]), -1)
        here = np.arange(ones.shape[1]) < width[:, None]
        owner = np.nonzero(here)[0]
        x = self.variables("x", owner, integer=True)
        number[here] = np.arange(len(x))
        for name, needs, sign, switch in (("one", ones, -1.0, 0.0), ("zero", zeros, 1.0, -1.0)):
            one, bit = np.nonzero(needs & here[of])
            entries = (number[of[one], bit], weight[one], 1.0), (np.arange(len(x)), x, sign)
            self.rows(name, owner, list(entries), switch=switch, sense="at-most")
        return np.where(here, x[number] if len(x) else -1, -1)


def anything(pieces: Pieces, sense: Sense) -> NDArray[np.bool_]:
    """Every function: what the encodings fit that ask for nothing."""
    return np.ones(pieces.functions, dtype=bool)


def _within(of: IntArray) -> IntArray:
    """Return the number of each thing among those of its owner."""
    start, order = by_group(of, int(of.max(initial=-1)) + 1)
    return positions(order, len(of)) - start[of]
