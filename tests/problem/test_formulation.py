"""Formulations of other packages: what is broken is named, and spoils nothing else."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from optsched._util.registry import Registry
from optsched.problem.formulation import Formulation, ModelOptions, Support


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["no_such_module:X"], "it cannot be loaded (ModuleNotFoundError"),
        (["formulations.configuration:NOTHING"], "cannot be loaded (AttributeError"),
        (["formulations.configuration:build"], "it is no Formulation but <function build"),
        (
            ["formulations.configuration:FORMULATION", "tests.problem.test_formulation:SAME"],
            "another formulation is called 'configuration'",
        ),
    ],
)
def test_broken_entry_points(monkeypatch: pytest.MonkeyPatch, values: list[str], says: str) -> None:
    """The last one is broken, and named; a sound one beside it is found."""
    points = [EntryPoint(f"point-{k}", value, "a.group") for k, value in enumerate(values)]
    sound = EntryPoint("point-0", "formulations.allocation:FORMULATION", "a.group")
    monkeypatch.setattr("optsched._util.registry.entry_points", lambda group: [*points, sound])
    there = Registry[Formulation]("a.group", Formulation, "formulation")
    assert "allocation" in there.found
    ((label, reason),) = there.broken.items()
    assert label == f"point-{len(values) - 1} = {values[-1]}"
    assert says in reason


def test_our_own_names_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("a", "tests.problem.test_formulation:SAME", "a.group"),
        EntryPoint("b", "formulations.configuration:FORMULATION", "a.group"),
    ]
    monkeypatch.setattr("optsched._util.registry.entry_points", lambda group: points)
    there = Registry[Formulation]("a.group", Formulation, "formulation")
    assert there.found["configuration"] is not SAME
    assert list(there.broken) == ["a = tests.problem.test_formulation:SAME"]


def test_parts_of_models_keep_their_former_names() -> None:
    with pytest.warns(DeprecationWarning, match="homes is now domains"):
        assert ModelOptions(exclude=frozenset({"homes", "merge"})).exclude == {"domains", "merge"}


SAME = Formulation("configuration", "the same name", lambda problem: Support(True), {})
