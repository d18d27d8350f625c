"""Reports as files: a page, one picture of all charts, or a folder with the page and each picture as SVG and PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optsched._util.files import write_bytes
from optsched._util.plotting import altair, drawable, picture_bytes, spec_of
from optsched._util.text import visible
from optsched.errors import InputError
from optsched.report.article import Article, Picture, Section, TableOf
from optsched.report.html import html_of

__all__ = ["write_report"]

_MOST = 24
"""Pictures of a grid that stand in the one picture of all charts."""


def write_report(articles: Sequence[Article], out: Path, title: str) -> list[Path]:
    """Write a report by the name of ``out``, and return the files that were written.

    ``.html``: the page; ``.svg`` or ``.png``: all charts below each other; a folder (or a name without a suffix): the
    page, and each picture in both formats.

    Raises
    ------
    InputError
        For a name of another kind, or a picture of a report that has none.
    """
    if out.suffix and not out.is_dir():
        drawable(out, "--out")
        if out.suffix == ".html":
            write_bytes(out, html_of(articles, title).encode())
        else:
            write_bytes(out, picture_bytes(spec_of(_together(articles)), out.suffix))
        return [out]
    altair()
    out.mkdir(exist_ok=True)
    files = {out / "report.html": html_of(articles, title).encode()}
    for n, article in enumerate(articles):
        for picture in article.pictures():
            spec = spec_of(picture.chart.properties(title=visible(picture.title)))
            name = f"{n + 1}-{picture.name}" if len(articles) > 1 else picture.name
            for suffix in (".svg", ".png"):
                files[out / f"{name}{suffix}"] = picture_bytes(spec, suffix)
    for file, content in files.items():
        write_bytes(file, content)
    return list(files)


def _together(articles: Sequence[Article]) -> object:
    """Return all charts below each other, small ones side by side, under the status of each result."""
    alt = altair()
    rows = []
    for article in articles:
        charts = [chart for section in article.sections for chart in _charts(section)]
        if charts:
            title = alt.TitleParams(
                visible(article.title), subtitle=visible(article.status), anchor="start", fontSize=17
            )
            rows.append(alt.vconcat(*charts, title=title, spacing=24).resolve_scale(color="independent"))
    if not rows:
        raise InputError("a result with at least one chart, or a name that ends in .html", path="--out")
    return alt.vconcat(*rows, spacing=40) if len(rows) > 1 else rows[0]


def _charts(section: Section) -> list[object]:
    found = [
        part.chart.properties(title=visible(part.title))
        for part in section.parts
        if isinstance(part, Picture) and not isinstance(part, str | TableOf)
    ]
    if not section.grid or len(found) < 2:
        return found
    return [altair().concat(*found[:_MOST], columns=3)]
