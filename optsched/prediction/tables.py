"""Tables of measurements as CSV: every cell is text until a column is read as numbers, and errors name the line."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from optsched._util.arrays import FloatArray
from optsched._util.files import read_bytes
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TextTable", "read_table", "read_text_table"]

_SEPARATORS = ",;\t|"
_NAMES = {"id", "job", "model", "gpu_type", "tenant", "user", "arch", "method", "mode", "placement"}
"""Columns of names, which are text whatever they look like."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True)
class TextTable:
    """``n`` rows of a table.

    columns
        Cells by the name of their column, as written, without spaces around them.
    lines
        The line of the file on which each row begins, from 1 on.
    file
        Its name, for errors.
    """

    columns: dict[str, list[str]]
    lines: list[int]
    file: str

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def where(self, row: int, column: str) -> str:
        """Return the place of a cell as errors write it."""
        return f"line {self.lines[row]}, column {column}"

    def wrong(self, row: int, column: str, expected: str) -> InputError:
        """Return the error of a cell."""
        cell = self.columns[column][row]
        value = shown(cell) if cell else "nothing"
        return InputError(expected, path=self.where(row, column), value=value, file=self.file)

    def require(self, needed: Sequence[str]) -> None:
        """Raise InputError where a column is missing."""
        for name in needed:
            if name not in self.columns:
                there = ", ".join(shown(column, 40) for column in list(self.columns)[:12])
                parted = ": commas part columns, and line ends rows" if len(self.columns) == 1 else ""
                raise InputError(f"a column {name!r}; there are {there}{parted}", path="line 1", file=self.file)

    def names(self, column: str) -> list[str]:
        """Return a column of names, which are text: ``007`` is not ``7``; raise InputError where nothing stands."""
        cells = self.columns[column]
        for row, cell in enumerate(cells):
            if not cell:
                raise self.wrong(row, column, "a name")
        return cells

    def numbers(self, column: str, *, least: float = 0.0, equal: bool = False, gaps: bool = False) -> FloatArray:
        """Return a column of finite numbers greater than ``least``; raise InputError at the first that is none.

        Parameters
        ----------
        equal
            Whether ``least`` itself is allowed.
        gaps
            Whether nothing may stand there, which becomes nan.
        """
        found = np.array([_number(cell) for cell in self.columns[column]], dtype=np.float64)
        right = np.isfinite(found) & ((found >= least) if equal else (found > least))
        if gaps:
            right |= np.array([not cell for cell in self.columns[column]], dtype=bool)
        for row in np.flatnonzero(~right)[:1].tolist():
            sign = "a finite number" if least == -np.inf else f"a number {'>=' if equal else '>'} {least:g}"
            comma = " with a decimal point" if re.fullmatch(r"[-+]?\d+,\d+", self.columns[column][row]) else ""
            raise self.wrong(row, column, sign + comma)
        return found

    def whole(self, column: str, *, gaps: bool = False) -> FloatArray:
        """Return a column of whole numbers > 0; raise InputError at the first that is none."""
        found = np.array([_number(cell) for cell in self.columns[column]], dtype=np.float64)
        right = np.isfinite(found) & (found > 0) & (found == np.rint(found))
        if gaps:
            right |= np.array([not cell for cell in self.columns[column]], dtype=bool)
        for row in np.flatnonzero(~right)[:1].tolist():
            raise self.wrong(row, column, "a whole number > 0")
        return found

    def frame(self) -> pl.DataFrame:
        """Return the cells as a frame of text; nothing is null."""
        import polars as pl

        cells = {name: [cell or None for cell in column] for name, column in self.columns.items()}
        return pl.DataFrame(cells, schema=dict.fromkeys(self.columns, pl.String))


def read_text_table(path: Path | str, needed: Sequence[str]) -> TextTable:
    """Read a CSV file in UTF-8 with a line of column names, of which some must be there.

    Columns are parted by commas, semicolons, tabs or bars, as the first line has them. A byte order mark, empty lines
    and lines that begin with ``#`` are skipped; quotes may hold separators and line ends.

    Raises
    ------
    InputError
        With the line of what is wrong.
    """
    file = str(path)
    content = read_bytes(path).removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError("a readable CSV table in UTF-8", path=f"line {line}", file=file) from None
    records = _records(text, file)
    line, header = next(records, (1, []))
    columns: dict[str, list[str]] = {name: [] for name in header}
    if len(columns) < len(header):
        twice = next(name for k, name in enumerate(header) if name in header[:k])
        raise InputError("every column once", path=f"line {line}", value=shown(twice), file=file)
    table = TextTable(columns, [], file)
    table.require(needed)
    for line, cells in records:
        if len(cells) != len(header):
            expected = f"{len(header)} cells, as many as column names"
            raise InputError(expected, path=f"line {line}", value=f"{len(cells)} cells", file=file)
        table.lines.append(line)
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
    if not table.lines:
        raise InputError("at least one row of data", path="line 2", file=file)
    return table


def read_table(path: Path | str, needed: Sequence[str]) -> pl.DataFrame:
    """Read a table as :func:`read_text_table` does, and columns that hold numbers alone as numbers, but for names."""
    import polars as pl

    table = read_text_table(path, needed)
    frame = table.frame()
    for name, cells in table.columns.items():
        known = [cell for cell in cells if cell]
        if name not in _NAMES and known and all(map(_NUMBER.fullmatch, known)):
            whole = all(re.fullmatch(r"[-+]?\d{1,18}", cell) for cell in known)
            frame = frame.with_columns(pl.col(name).cast(pl.Int64 if whole else pl.Float64))
    return frame


def _records(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of each record."""
    first = next((line for line in io.StringIO(text) if line.strip() and not line.startswith("#")), "")
    bare = re.sub(r'"[^"]*"', "", first)
    separator = max(_SEPARATORS, key=lambda mark: (bare.count(mark), -_SEPARATORS.index(mark)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells) and len(cells) < 2:
                continue
            if cells[0].startswith("#"):
                continue
            yield line, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InputError(f"a readable CSV table ({error})", path=f"line {before + 1}", file=file) from None


def _number(cell: str) -> float:
    """Return the number that a cell holds; nan for what is none."""
    return float(cell) if _NUMBER.fullmatch(cell) else np.nan
