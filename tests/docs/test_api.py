"""The page of the Python interface lists each public name of its modules, and every name is there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
ROWS = re.findall(r"^\| `([\w.]+)` \| (.*?) \|", PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("module", "names"), ROWS, ids=[module for module, _ in ROWS])
def test_public_names_are_listed_and_importable(module, names):
    loaded = import_module(module)
    listed = re.findall(r"`(\w+)`", names)
    assert sorted(listed) == sorted(loaded.__all__)
    assert all(getattr(loaded, name) is not None for name in listed)


def test_the_documented_homes_are_there():
    assert {"optsched", "optsched.instance", "optsched.checker", "optsched.prediction"} <= {
        module for module, _ in ROWS
    }
