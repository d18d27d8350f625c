"""What is to be decided in a linear model: splits into two sides, on one of which at least every plan is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from optsched._util.arrays import FloatArray, IntArray

__all__ = ["Decision", "Disjunctions", "Row", "Side", "Small"]

Decision = tuple[Hashable, int]
"""A side that is taken: the key of its split, and 0 or 1."""


@dataclass(frozen=True, eq=False)
class Row:
    """``coefficient x[column] <= upper``, wherever all the decisions that it needs are taken."""

    column: IntArray
    coefficient: FloatArray
    upper: float
    needs: frozenset[Decision] = frozenset()


@dataclass(frozen=True, eq=False)
class Side:
    """What holds on a side of a split: bounds of some columns, and rows, which need nothing else."""

    column: IntArray
    lower: FloatArray
    upper: FloatArray
    rows: Sequence[Row] = ()


class Small(Protocol):
    """Solves a model of a few hundred entries, where the search runs."""

    def __call__(
        self, cost: FloatArray, matrix: FloatArray, lower: FloatArray, upper: FloatArray, *, integer: bool
    ) -> FloatArray | None:
        """Return x >= 0, whole if ``integer``, with the greatest ``cost x`` of ``lower <= matrix x <= upper``.

        None where there is none.
        """
        ...


class Disjunctions(Protocol):
    """What a formulation says of its decisions; it is sent to the process that branches on them."""

    def sides(self, key: Hashable) -> tuple[Side, Side]:
        """Return the two sides of a split."""
        ...

    def look(
        self, values: FloatArray, taken: frozenset[Decision], small: Small
    ) -> tuple[Sequence[Row], Mapping[Hashable, float]]:
        """Return rows that a point violates where decisions are taken, and how far it leaves splits undecided (0 to 1).

        Where there is neither, and the model's integer columns are whole, nothing is left to decide.
        """
        ...
