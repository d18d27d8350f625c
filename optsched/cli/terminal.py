"""Lines and tables for people: ids are shown as they are, never as markup or control codes of the terminal."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from optsched._util.text import visible
from optsched.cli.output import stream_for_people

__all__ = ["MOST_ROWS", "Page", "Terminal", "console", "print_rest", "table"]

MOST_ROWS = 50
"""Most that a list for people shows of anything."""
_WIDTH = 140
"""Columns of a table where there is no terminal."""


class Terminal(Console):
    """A console that takes strings as plain text, one line a call."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def print(self, *objects: Any, head: str = "", **options: Any) -> None:
        """Print a line, or a table; ``head`` stands before it in bold."""
        shown = [visible(one) if isinstance(one, str) else one for one in objects]
        if head:
            line = Text.assemble((visible(head), "bold"), " ".join(map(str, shown)))
            shown = [line]
        if any(isinstance(one, str | Text) for one in shown) and not self.is_terminal:
            options.setdefault("soft_wrap", True)  # who reads it cuts lines, if anybody
        super().print(*shown, **options)


class Page(Table):
    """A table whose cells are plain text."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row."""
        super().add_row(*(visible(one) if isinstance(one, str) else one for one in cells), **options)


def console() -> Terminal:
    """Return the terminal, or a wide page where there is none."""
    stream = stream_for_people()
    terminal = Terminal(file=stream)
    return terminal if terminal.is_terminal else Terminal(file=stream, width=_WIDTH)


def table(*columns: str, left: int = 1) -> Page:
    """Return a table whose first ``left`` columns are words and whose others are numbers."""
    page = Page(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        page.add_column(visible(column), justify="left" if number < left else "right", no_wrap=number == 0)
    return page


def print_rest(terminal: Terminal, listed: Sized, what: str) -> None:
    """Say how many are not shown of a list that is cut to its first ``MOST_ROWS``."""
    if (more := len(listed) - MOST_ROWS) > 0:
        terminal.print(f"... and {more} more {what}")
