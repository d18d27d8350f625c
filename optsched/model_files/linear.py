"""A linear model as text: free MPS, or CPLEX's LP format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, by_group, offsets, positions
from optsched.model_files.names import LP, MPS, Alphabet, legal
from optsched.solvers.linear import LinearModel, Matrix

__all__ = ["lp_text", "mps_text"]

_LINE = 200
"""Characters after which a line of an LP file is broken: readers take 255 at least."""


@dataclass(frozen=True)
class _Written:
    """A model as it is written: rows that say nothing are left out, and sides that the bounds imply.

    names, row_names
        Of columns and rows, as the format allows.
    cost
        To be maximized.
    """

    names: list[str]
    row_names: list[str]
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: NDArray[np.bool_]
    matrix: Matrix


def _written(model: LinearModel, scale: float, alphabet: Alphabet) -> _Written:
    cost, lower, upper, integer = (
        (model.cost * scale, model.lower, model.upper, model.integer)
        if model.variables
        else (np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=bool))
    )
    # not every reader takes bounds of integers that are none
    lower, upper = np.where(integer, np.ceil(lower), lower), np.where(integer, np.floor(upper), upper)
    names = model.variable_names()
    if model.offset or not len(cost):
        # formats differ in how, and whether, they write a constant: a column that is 1 means the same to all
        cost, integer = np.append(cost, model.offset * scale), np.append(integer, False)
        lower, upper = np.append(lower, 1.0), np.append(upper, 1.0)
        names.append("constant")
    matrix = model.matrix()
    low, high = _sides(matrix, lower, upper)
    # a row that nothing is in cannot be written in every format, and means 0
    empty = np.diff(matrix.start) == 0
    kept = np.flatnonzero(((low > -np.inf) | (high < np.inf)) & ~(empty & (low <= 0) & (high >= 0)))
    entry, start = _of_rows(matrix, kept)
    rows = model.row_names()
    part = Matrix(start, matrix.column[entry], matrix.coefficient[entry], low[kept], high[kept])
    names, row_names = legal(names, alphabet), legal([rows[k] for k in kept.tolist()], alphabet)
    return _Written(names, row_names, cost, lower, upper, integer, part)


def _of_rows(matrix: Matrix, kept: IntArray) -> tuple[IntArray, IntArray]:
    """Return the entries of some rows that are no zeros, and where each row's begin."""
    number = positions(kept, len(matrix.lower))[matrix.row]
    entry = np.flatnonzero((number >= 0) & (matrix.coefficient != 0))
    return entry, offsets(np.bincount(number[entry], minlength=len(kept)))


def _sides(matrix: Matrix, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the sides of the rows; of two, those are left out that the bounds of the columns imply."""
    up = matrix.coefficient > 0
    rows = len(matrix.lower)

    def activity(at: FloatArray, other: FloatArray) -> FloatArray:
        end = np.where(up, at[matrix.column], other[matrix.column])
        with np.errstate(invalid="ignore"):
            terms = np.where(matrix.coefficient == 0, 0.0, end * matrix.coefficient)
            return np.asarray(np.bincount(matrix.row, terms, minlength=rows), dtype=np.float64)

    two = (matrix.lower > -np.inf) & (matrix.upper < np.inf) & (matrix.lower < matrix.upper)
    low = np.where(two & (activity(lower, upper) >= matrix.lower), -np.inf, matrix.lower)
    high = np.where(two & (low > -np.inf) & (activity(upper, lower) <= matrix.upper), np.inf, matrix.upper)
    return low, high


def _number(value: float) -> str:
    """Return the shortest text that reads back as the same number."""
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def mps_text(model: LinearModel, scale: float, about: Sequence[str]) -> str:
    """Return a model in free MPS, minimizing the negated objective."""
    w = _written(model, scale, MPS)
    note = "minimize the negated objective: the optimum has the other sign"
    return "\n".join([*(f"* {_line(said)}" for said in (*about, note)), *_mps(w), ""])


def _mps(w: _Written) -> Iterator[str]:
    low, high = w.matrix.lower, w.matrix.upper
    kinds = np.where(low == high, "E", np.where(high < np.inf, "L", "G")).tolist()
    yield "NAME optsched FREE"
    yield "ROWS"
    yield " N minus_objective"
    yield from (f" {kind} {name}" for kind, name in zip(kinds, w.row_names, strict=True))
    yield "COLUMNS"
    start, order = by_group(w.matrix.column, len(w.names))
    within = False
    for k, name in enumerate(w.names):
        if bool(w.integer[k]) != within:
            within = not within
            yield f" MARKER{k} 'MARKER' '{'INTORG' if within else 'INTEND'}'"
        mine = order[start[k] : start[k + 1]]
        if w.cost[k] != 0 or len(mine) == 0:
            yield f" {name} minus_objective {_number(-w.cost[k])}"
        for at, value in zip(w.matrix.row[mine].tolist(), w.matrix.coefficient[mine].tolist(), strict=True):
            yield f" {name} {w.row_names[at]} {_number(value)}"
    if within:
        yield " MARKER 'MARKER' 'INTEND'"
    yield "RHS"
    side = np.where(high < np.inf, high, low)
    yield from (f" RHS {w.row_names[k]} {_number(side[k])}" for k in np.flatnonzero(side != 0).tolist())
    two = np.flatnonzero((low > -np.inf) & (high < np.inf) & (low < high)).tolist()
    if two:
        yield "RANGES"
        yield from (f" RANGE {w.row_names[k]} {_number(high[k] - low[k])}" for k in two)
    yield "BOUNDS"
    for k, name in enumerate(w.names):
        yield from _mps_bounds(name, float(w.lower[k]), float(w.upper[k]), bool(w.integer[k]))
    yield "ENDATA"


def _mps_bounds(name: str, low: float, high: float, integer: bool) -> Iterator[str]:
    """Yield both bounds wherever a reader might think otherwise: of integers, and of columns below 0."""
    if low == high:
        yield f" FX BOUND {name} {_number(low)}"
        return
    if low == -np.inf and high == np.inf:
        yield f" FR BOUND {name}"
        return
    if low == -np.inf:
        yield f" MI BOUND {name}"
    elif low != 0 or high < 0:
        yield f" LO BOUND {name} {_number(low)}"
    if high < np.inf:
        yield f" UP BOUND {name} {_number(high)}"
    elif integer:
        yield f" PL BOUND {name}"


def lp_text(model: LinearModel, scale: float, about: Sequence[str]) -> str:
    """Return a model in CPLEX's LP format; a row with two sides becomes two rows."""
    return "\n".join([*(f"\\ {_line(said)}" for said in about), *_lp(_written(model, scale, LP)), ""])


def _lp(w: _Written) -> Iterator[str]:
    some = np.flatnonzero(w.cost).tolist() or [0]
    yield "maximize"
    yield from _broken(" objective:", [_term(float(w.cost[k]), w.names[k]) for k in some])
    yield "subject to"
    ends, low, high = w.matrix.start.tolist(), w.matrix.lower.tolist(), w.matrix.upper.tolist()
    if not low:  # readers want one row at least
        yield f" nothing: {_term(0.0, w.names[0])} >= 0"
    columns, values = w.matrix.column.tolist(), w.matrix.coefficient.tolist()
    for k, name in enumerate(w.row_names):
        terms = [_term(values[e], w.names[columns[e]]) for e in range(ends[k], ends[k + 1])]
        terms = terms or [_term(0.0, w.names[0])]
        if low[k] == high[k]:
            yield from _broken(f" {name}:", [*terms, f"= {_number(low[k])}"])
            continue
        if high[k] < np.inf:
            yield from _broken(f" {name}:", [*terms, f"<= {_number(high[k])}"])
        if low[k] > -np.inf:
            second = "~low" if high[k] < np.inf else ""
            yield from _broken(f" {name}{second}:", [*terms, f">= {_number(low[k])}"])
    yield "bounds"
    for name, least, most in zip(w.names, w.lower.tolist(), w.upper.tolist(), strict=True):
        if least == most:
            yield f" {name} = {_number(least)}"
        elif least == -np.inf and most == np.inf:
            yield f" {name} free"
        elif most < np.inf:
            yield f" {'-inf' if least == -np.inf else _number(least)} <= {name} <= {_number(most)}"
        elif least != 0:
            yield f" {name} >= {_number(least)}"
    whole = np.flatnonzero(w.integer).tolist()
    if whole:
        yield "general"
        yield from _broken("", [w.names[k] for k in whole])
    yield "end"


def _term(value: float, name: str) -> str:
    return f"{'-' if value < 0 else '+'} {_number(abs(value))} {name}"


def _broken(head: str, words: Sequence[str]) -> Iterator[str]:
    """Yield the words after a head in lines that no reader finds too long."""
    line = head
    for word in words:
        if len(line) + len(word) >= _LINE and line.strip():
            yield line
            line = ""
        line += f" {word}"
    yield line


def _line(said: str) -> str:
    """Return one line of plain characters."""
    return "".join(c if " " <= c <= "~" else "_" for c in said)[:_LINE]
