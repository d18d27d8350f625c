"""Rows and columns that are found one by one, and added to the model in blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optsched._util.arrays import IntArray
from optsched.solvers.linear import LinearModel

__all__ = ["Gathered"]


class Gathered:
    """Gathers columns and rows by the name of their block; ``flush`` adds them.

    A gathered column is a negative number until then, and may stand in rows together with the model's own columns.
    """

    def __init__(self, model: LinearModel) -> None:
        self._model = model
        self._columns: dict[str, list[tuple[int, str, float, bool]]] = {}
        self._rows: dict[str, list[tuple[Sequence[int], Sequence[float], float]]] = {}
        self._count = 0

    def column(self, block: str, label: str, *, upper: float = np.inf, integer: bool = False) -> int:
        """Gather a column of a block, >= 0, and return its number until ``flush``."""
        self._count += 1
        self._columns.setdefault(block, []).append((-self._count, label, upper, integer))
        return -self._count

    def row(self, block: str, columns: Sequence[int], coefficients: Sequence[float], *, upper: float = 0.0) -> None:
        """Gather a row ``coefficients @ columns <= upper``."""
        self._rows.setdefault(block, []).append((columns, coefficients, upper))

    def flush(self) -> dict[int, int]:
        """Add everything to the model; return the model's number of each gathered column."""
        number: dict[int, int] = {}
        for block, found in self._columns.items():
            labels = [label for _, label, _, _ in found]
            added = self._model.add_variables(
                block,
                len(found),
                upper=[upper for _, _, upper, _ in found],
                integer=[integer for _, _, _, integer in found],
                label=labels.__getitem__,
            )
            number |= {draft: int(final) for (draft, *_), final in zip(found, added, strict=True)}
        column_of = np.zeros(self._count + 1, dtype=np.int64)
        for draft, final in number.items():
            column_of[-draft] = final
        for block, rows in self._rows.items():
            row = np.repeat(np.arange(len(rows)), [len(columns) for columns, _, _ in rows])
            column: IntArray = np.concatenate([np.asarray(columns, dtype=np.int64) for columns, _, _ in rows])
            coefficient = np.concatenate([np.asarray(values, dtype=np.float64) for _, values, _ in rows])
            column = np.where(column < 0, column_of[np.maximum(-column, 0)], column)
            self._model.add_rows(
                block, (row, column, coefficient), upper=[upper for _, _, upper in rows], size=len(rows)
            )
        return number
