"""The page: articles as one HTML file. Text of inputs becomes HTML in :func:`_text`, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from optsched._util.plotting import EMBED, PAGE_POLICY, STYLE, library, spec_of
from optsched._util.text import script_json, visible, visible_strings
from optsched.report.article import Article, Cell, Chooser, Part, Picture, Section, TableOf, number
from optsched.report.style import LAYOUT, SCRIPT

__all__ = ["html_of"]

_MANY_ROWS = 30
"""Rows beyond which a table scrolls and can be filtered."""


def html_of(articles: Sequence[Article], title: str) -> str:
    """Return one page that holds all it needs."""
    from optsched import __version__

    specs: list[dict[str, Any]] = []
    bodies = [_article(article, number, specs) for number, article in enumerate(articles)]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{PAGE_POLICY}">',
            f"<title>{_text(title)}</title>",
            f"<style>{STYLE}{LAYOUT}</style>",
            "</head>",
            "<body>",
            '<a class="skip" href="#main">Skip to the content</a>',
            _navigation(articles),
            '<main id="main">',
            *bodies,
            "</main>",
            f"<footer>optsched {_text(__version__)}</footer>",
            f"<script>{library()}</script>" if specs else "",
            f"<script>{EMBED}\nconst specs = {script_json(specs)};\n{SCRIPT}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _text(text: object) -> str:
    """Return any text as HTML: shown, never interpreted."""
    return escape(visible(str(text)))


def _navigation(articles: Sequence[Article]) -> str:
    links = []
    for n, article in enumerate(articles):
        if len(articles) > 1:
            links.append(f'<a href="#a{n}"><strong>{_text(article.title)}</strong></a>')
        links += [f'<a href="#a{n}-{k}">{_text(one.title)}</a>' for k, one in enumerate(article.sections)]
    return f'<nav aria-label="Sections">{" ".join(links)}</nav>'


def _article(article: Article, number_of: int, specs: list[dict[str, Any]]) -> str:
    mood = {True: "good", False: "bad", None: "plain"}[article.good]
    facts = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in article.facts)
    sections = [_section(one, f"a{number_of}-{k}", specs) for k, one in enumerate(article.sections)]
    return (
        f'<article id="a{number_of}"><header><h1>{_text(article.title)}</h1>'
        f'<p class="status {mood}" role="status">{_text(article.status)}</p><dl>{facts}</dl></header>\n'
        + "\n".join(sections)
        + "</article>"
    )


def _section(section: Section, anchor: str, specs: list[dict[str, Any]]) -> str:
    parts = "\n".join(_part(part, specs) for part in section.parts)
    inner = f'<div class="grid">{parts}</div>' if section.grid else parts
    return f'<section id="{anchor}"><h2>{_text(section.title)}</h2>\n{inner}</section>'


def _part(part: Part, specs: list[dict[str, Any]]) -> str:
    if isinstance(part, str):
        return f"<p>{_text(part)}</p>"
    if isinstance(part, TableOf):
        return _table(part)
    if isinstance(part, Picture):
        return _figure(part, specs)
    return _chooser(part, specs)


def _figure(picture: Picture, specs: list[dict[str, Any]]) -> str:
    specs.append(spec_of(picture.chart))
    return (
        f'<figure aria-label="{_text(picture.says)}"><figcaption>{_text(picture.title)}</figcaption>'
        f'<div class="chart" data-spec="{len(specs) - 1}"></div></figure>'
    )


def _chooser(chooser: Chooser, specs: list[dict[str, Any]]) -> str:
    figure = _figure(chooser.picture, specs)
    specs[-1]["usermeta"] = {
        "choices": [visible_strings({"title": title, "data": data}) for _, title, data in chooser.choices]
    }
    options = "".join(f'<option value="{n}">{_text(label)}</option>' for n, (label, _, _) in enumerate(chooser.choices))
    return (
        f'<div class="chooser"><label>{_text(chooser.label)} <select data-of="{len(specs) - 1}">{options}</select>'
        f"</label>{figure}</div>"
    )


def _table(table: TableOf) -> str:
    head = "".join(
        f'<th scope="col"{"" if n < table.left else " class=n"}>{_text(c)}</th>' for n, c in enumerate(table.columns)
    )
    body = "".join(
        "<tr>" + "".join(_cell(cell, n < table.left) for n, cell in enumerate(row)) + "</tr>" for row in table.rows
    )
    many = len(table.rows) > _MANY_ROWS
    words = f"{table.title} ({len(table.rows):,})" if many else table.title
    found = f"<table><caption>{_text(words)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    box = "rows many" if many else "rows"
    found = f'<div class="{box}" tabindex="0" role="region" aria-label="{_text(words)}">{found}</div>'
    if many:
        found = f'<label class="filter">Filter <input type="search" aria-label="Filter {_text(words)}"></label>{found}'
    if table.folded:
        return f"<details><summary>{_text(words)}</summary>{found}</details>"
    return f'<div class="table">{found}</div>'


def _cell(cell: Cell, left: bool) -> str:
    text = _text(cell if isinstance(cell, str) else number(cell))
    return f"<td>{text}</td>" if left else f"<td class=n>{text}</td>"
