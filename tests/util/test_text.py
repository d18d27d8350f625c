"""Text at the borders: shown as it is, and never interpreted."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsched._util.tables import csv_bytes, from_cells
from optsched._util.text import cell, from_cell, script_json, visible, visible_strings

HOSTILE = st.text(st.characters(), max_size=8) | st.text("'=+-@\t\r\n|%1.e\\", max_size=6)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [x] é 模型", "plain [x] é 模型"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\u202e\u2028", r"\u202e\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_not_printable_is_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_visible_text_is_one_printable_line(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)


@given(HOSTILE)
def test_scripts_hold_no_markup(text: str) -> None:
    held = script_json(visible_strings({text: [text]}))
    assert not set("<>&'\u2028\u2029") & set(held)
    assert json.loads(held) == {visible(text): [visible(text)]}


@pytest.mark.parametrize("text", ["=1+1", "+m", "-m", "@SUM(A1)", "\t=1", "\r=1", "|x", "%x", "'=1", "＝1"])
def test_formulas_are_text(text: str) -> None:
    assert cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "m", "-1.5", "+3e-4", "a=1", "'tis"])
def test_other_cells_stay(text: str) -> None:
    assert cell(text) == text


@given(HOSTILE)
def test_cells_are_read_back(text: str) -> None:
    assert from_cell(cell(text)) == text


def test_tables_are_read_back() -> None:
    frame = pl.DataFrame({"=id": ["=1+1", "a\nb", None, "-1"], "number": [-1.0, 2.0, None, 3.0]})
    text = csv_bytes(frame)
    assert text.startswith(b"'=id,number\n'=1+1,-1.0\n")
    assert from_cells(pl.read_csv(text, schema_overrides={"'=id": pl.String})).equals(frame)
