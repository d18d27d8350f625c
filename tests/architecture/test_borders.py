"""Text of inputs leaves optsched by one function at each border, and by no other way."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.test_imports import SOURCES, imports

BORDERS = {
    "print": {"optsched.cli.output"},
    "rich": {"optsched.cli.terminal", "optsched.cli.progress"},
    "write_csv": {"optsched._util.tables"},
    "to_html": set(),
    "vl_convert": {"optsched._util.plotting"},
}
"""Modules that may use a name: others call ``say``, ``console`` and ``table``, ``csv_bytes``, ``write_picture``."""


def used(source: str) -> set[str]:
    """Return the names that a source calls, its methods among them, and the packages that it imports."""
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    methods = {call.attr for call in calls if isinstance(call, ast.Attribute)} - {"print"}
    return names | methods | {name.partition(".")[0] for name in imports(source)}


@pytest.mark.parametrize("name", BORDERS)
def test_each_border_has_one_way(name: str) -> None:
    assert {module for module, source in SOURCES.items() if name in used(source)} <= BORDERS[name]
