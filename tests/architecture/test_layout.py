"""The tests mirror the package: a folder for each room, helpers in ``tests/support``."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOMS = {path.parent.name.lstrip("_") for path in (TESTS.parent / "optsched").glob("*/__init__.py")}
ACROSS = {"architecture", "benchmarks", "cross", "docs", "end_to_end", "formulations", "support"}
"""Folders of what is no room of the package, or spans several rooms."""


def folders() -> set[str]:
    """Return the names of the folders of tests."""
    return {path.parent.name for path in TESTS.glob("*/__init__.py")}


def test_each_folder_is_that_of_a_room() -> None:
    assert folders() <= ROOMS | ACROSS


def test_test_files_stand_in_folders_and_helpers_in_support() -> None:
    assert {path.name for path in TESTS.glob("*.py")} == {"__init__.py", "conftest.py"}
    named = {path for path in TESTS.glob("*/*.py") if not path.name.startswith(("test_", "__init__", "conftest"))}
    assert {path.parent.name for path in named} == {"support"}
    assert not list((TESTS / "support").rglob("test_*.py"))
