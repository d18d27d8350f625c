"""Entry points of any group are found, named and refused in one way."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from optsched._util.registry import Registry
from optsched.errors import InputError, OptschedError


@pytest.fixture
def registry(monkeypatch):
    values = {"second": "json:dumps", "first": "json:loads", "broken": "no_such_module:x", "number": "math:pi"}
    points = [EntryPoint(name, value, "a.group") for name, value in values.items()]
    monkeypatch.setattr("optsched._util.registry.entry_points", lambda group: points)
    return Registry("a.group", type(lambda: 0), "function", others=("auto",))


def test_what_is_sound_is_found_in_order(registry):
    assert list(registry.found) == ["first", "second"]
    assert registry.get("first", "--f") is registry.found["first"]


def test_an_unknown_name_is_refused_with_the_known_ones(registry):
    with pytest.raises(InputError, match="--f: found 'third', expected auto or one of first, second"):
        registry.get("third", "--f")


@pytest.mark.parametrize(
    ("name", "reason"), [("broken", "it cannot be loaded"), ("number", "it is no function but 3.14")]
)
def test_a_broken_one_says_why(registry, name, reason):
    with pytest.raises(OptschedError, match=f"the plug-in {name} = .* is broken: {reason}"):
        registry.get(name, "--f")
