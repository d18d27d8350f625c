"""A linear or mixed-integer model as named blocks of arrays, which any backend can take as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optsched._util.arrays import FloatArray, IntArray, offsets

__all__ = ["LinearModel", "Matrix", "Rows", "Variables"]

Label = Callable[[int], str]


@dataclass(frozen=True)
class Variables:
    """A block of columns; the arrays have shape ``(size,)``.

    name
        The symbol in the formulation's mathematics.
    start
        Number of its first column in the model.
    lower, upper, integer, cost
        Bounds, integrality and objective coefficients.
    label
        Index of the k-th variable for people: variable k is called ``name[label(k)]``.
    """

    name: str
    start: int
    lower: FloatArray
    upper: FloatArray
    integer: NDArray[np.bool_]
    cost: FloatArray
    label: Label

    @property
    def columns(self) -> IntArray:
        """Numbers of its columns in the model."""
        return np.arange(self.start, self.start + len(self.lower))


@dataclass(frozen=True)
class Rows:
    """A block of constraints ``lower <= A x <= upper``, with ``A`` as coordinates.

    name
        The constraint's name in the formulation's mathematics.
    row, column, coefficient
        Entries of ``A``, shape ``(entries,)`` each; rows count from the block's first.
    """

    name: str
    lower: FloatArray
    upper: FloatArray
    row: IntArray
    column: IntArray
    coefficient: FloatArray
    label: Label


@dataclass(frozen=True)
class Matrix:
    """The whole constraint matrix by rows: entries of row i are ``start[i]:start[i + 1]``."""

    start: IntArray
    column: IntArray
    coefficient: FloatArray
    lower: FloatArray
    upper: FloatArray

    @cached_property
    def row(self) -> IntArray:
        """Row of each entry, shape ``(entries,)``."""
        return np.repeat(np.arange(len(self.lower)), np.diff(self.start))


@dataclass
class LinearModel:
    """Maximize ``offset + cost x`` over the blocks' bounds, integrality and rows.

    The only mutable thing here: blocks are appended, never changed.
    """

    offset: float = 0.0
    variables: list[Variables] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)

    def add_variables(
        self,
        name: str,
        size: int,
        *,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = np.inf,
        integer: ArrayLike = False,
        cost: ArrayLike = 0.0,
        label: Label = str,
    ) -> IntArray:
        """Append a block of variables and return their column numbers, shape ``(size,)``."""
        bounds = (np.broadcast_to(np.asarray(a, dtype=np.float64), size) for a in (lower, upper, cost))
        low, high, worth = bounds
        whole = np.broadcast_to(np.asarray(integer, dtype=bool), size)
        block = Variables(name, self.columns, low, high, whole, worth, label)
        self.variables.append(block)
        return block.columns

    def add_rows(
        self,
        name: str,
        entries: tuple[ArrayLike, ArrayLike, ArrayLike],
        *,
        lower: ArrayLike = -np.inf,
        upper: ArrayLike = np.inf,
        size: int,
        label: Label = str,
    ) -> None:
        """Append a block of ``size`` constraints, given as coordinates (row, column, coefficient)."""
        row, column = (np.asarray(a, dtype=np.int64) for a in entries[:2])
        coefficient = np.asarray(entries[2], dtype=np.float64)
        row, column, coefficient = (np.ascontiguousarray(a) for a in np.broadcast_arrays(row, column, coefficient))
        low, high = (np.broadcast_to(np.asarray(a, dtype=np.float64), size) for a in (lower, upper))
        self.rows.append(Rows(name, low, high, row, column, coefficient, label))

    @property
    def columns(self) -> int:
        """Number of variables."""
        return sum(len(block.lower) for block in self.variables)

    @property
    def cost(self) -> FloatArray:
        """Objective coefficients of all columns."""
        return self._joined("cost")

    @property
    def lower(self) -> FloatArray:
        """Lower bounds of all columns."""
        return self._joined("lower")

    @property
    def upper(self) -> FloatArray:
        """Upper bounds of all columns."""
        return self._joined("upper")

    @property
    def integer(self) -> NDArray[np.bool_]:
        """Which columns are integer."""
        return np.concatenate([block.integer for block in self.variables])

    def _joined(self, name: str) -> FloatArray:
        return np.concatenate([getattr(block, name) for block in self.variables])

    def matrix(self) -> Matrix:
        """Return the constraints of all blocks by rows, equal entries summed."""
        begin = offsets([len(block.lower) for block in self.rows])
        parts = zip(begin, self.rows, strict=False)
        row = np.concatenate([[], *(first + block.row for first, block in parts)]).astype(np.int64)
        column = np.concatenate([[], *(block.column for block in self.rows)]).astype(np.int64)
        coefficient = np.concatenate([[], *(block.coefficient for block in self.rows)])
        key = row * max(1, self.columns) + column
        if np.any(key[1:] <= key[:-1]):
            key, where = np.unique(key, return_inverse=True)
            coefficient = np.bincount(where, weights=coefficient, minlength=len(key))
            row, column = np.divmod(key, max(1, self.columns))
        return Matrix(
            start=offsets(np.bincount(row, minlength=int(begin[-1]))),
            column=column,
            coefficient=coefficient,
            lower=np.concatenate([[], *(block.lower for block in self.rows)]),
            upper=np.concatenate([[], *(block.upper for block in self.rows)]),
        )

    def variable_names(self) -> list[str]:
        """Return the names of all columns, e.g. ``x[job-3,v100@main,8]``."""
        return [f"{b.name}[{b.label(k)}]" for b in self.variables for k in range(len(b.lower))]

    def row_names(self) -> list[str]:
        """Return the names of all rows, e.g. ``C2[v100@main]``."""
        return [f"{b.name}[{b.label(k)}]" for b in self.rows for k in range(len(b.lower))]
