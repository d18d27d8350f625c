"""What a report is made of, before it becomes a page or pictures: articles of sections of pictures, tables and text.

Text of an input stands in here as it is; it passes a border only where a page (:mod:`optsched.report.html`) or a
specification of a picture (:func:`optsched._util.plotting.spec_of`) is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Article", "Cell", "Chooser", "Part", "Picture", "Section", "TableOf", "number"]

Cell = str | float | int | None


@dataclass(frozen=True)
class Picture:
    """A chart of altair.

    name
        Of its file, unique within an article: letters, digits and ``-``.
    says
        What it shows, in a sentence, for those who do not see it.
    """

    name: str
    title: str
    chart: Any
    says: str


@dataclass(frozen=True)
class Chooser:
    """A picture of which people choose the data: for each choice its label, title and values by name of the data."""

    picture: Picture
    label: str
    choices: Sequence[tuple[str, str, dict[str, list[dict[str, Any]]]]]


@dataclass(frozen=True)
class TableOf:
    """A table; the first ``left`` columns are text, the others numbers.

    folded
        Whether it is shown only when asked for.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    left: int = 1
    folded: bool = False


Part = Picture | Chooser | TableOf | str


@dataclass(frozen=True)
class Section:
    """Parts under one heading; ``grid``: small pictures side by side."""

    title: str
    parts: Sequence[Part]
    grid: bool = False


@dataclass(frozen=True)
class Article:
    """All that is told of one result.

    title
        What it is of.
    status
        The outcome in a sentence: it comes first.
    good
        Whether the outcome is one to rely on; None: neither.
    facts
        Names and values, the most important first.
    """

    title: str
    status: str
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = ()
    good: bool | None = None

    def pictures(self) -> list[Picture]:
        """Return its pictures in their order."""
        parts = [part for section in self.sections for part in section.parts]
        return [
            part.picture if isinstance(part, Chooser) else part for part in parts if not isinstance(part, str | TableOf)
        ]


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as people read it; empty without one."""
    if value is None or value != value:
        return ""
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    if abs(value) >= 1e4 and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"
