"""Text of inputs at the borders: what an id holds is shown, and never interpreted by what shows it.

Each function belongs to one kind of output. Ids and names stay as they are inside of optsched, and pass one of these
functions where they leave it: terminals by :func:`visible`, pictures by :func:`visible_strings`, scripts in pages by
:func:`script_json`, pages by :func:`html.escape` after that, and tables for spreadsheets by :func:`cell`.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["cell", "from_cell", "script_json", "visible", "visible_strings"]

_MARKUP = {ord(character): f"\\u{ord(character):04x}" for character in "<>&'\u2028\u2029"}
_FORMULA = re.compile(r"'*[=+\-@\t\r\n|%＝＋－＠]")
"""Beginnings of cells that spreadsheets evaluate (OWASP, "CSV injection"), escaped ones included."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def visible(text: str) -> str:
    """Return a text as one line without control characters, e.g. ``\\x1b`` for an escape and ``\\n`` for a new line.

    What is not printable (control and format characters, line separators, unpaired surrogates) is shown by its escape.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible_strings(record: Any) -> Any:
    """Return a record of JSON with every string and key visible: for pictures, whose formats know no control codes."""
    if isinstance(record, str):
        return visible(record)
    if isinstance(record, dict):
        return {visible(key): visible_strings(value) for key, value in record.items()}
    return [visible_strings(value) for value in record] if isinstance(record, list | tuple) else record


def script_json(record: Any) -> str:
    """Return a record as JSON that can stand inside ``<script>``: no character of it ends or opens anything."""
    return json.dumps(record, ensure_ascii=False).translate(_MARKUP)


def cell(text: str) -> str:
    """Return a text as the cell of a table that no spreadsheet takes for a formula: those get a leading apostrophe.

    Numbers stay numbers. The texts that :func:`from_cell` makes of cells are those that this function was given.
    """
    return "'" + text if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def from_cell(text: str) -> str:
    """Return the text that :func:`cell` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text, 1) else text
