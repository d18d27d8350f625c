"""Tables as CSV: texts that spreadsheets would evaluate are written so that they don't, and read back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optsched._util.text import cell, from_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

__all__ = ["csv_bytes", "from_cells"]


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """Return a table as CSV, its texts and headers by :func:`optsched._util.text.cell`."""
    return _texts(frame, cell).rename(cell).write_csv().encode()


def from_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table that was read from what :func:`csv_bytes` wrote, with the texts that it was given."""
    return _texts(frame.rename(from_cell), from_cell)


def _texts(frame: pl.DataFrame, change: Callable[[str], str]) -> pl.DataFrame:
    import polars as pl

    return frame.with_columns(pl.col(pl.String).map_elements(change, return_dtype=pl.String))
