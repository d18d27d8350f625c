"""Formulations of other packages: what is broken is named, and never passed over."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from optsched.errors import OptschedError
from optsched.problem.formulation import Formulation, Support, installed


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["no_such_module:X"], "no_such_module:X of a.group cannot be loaded"),
        (["formulations.configuration:NOTHING"], "cannot be loaded"),
        (["formulations.configuration:build"], "is no Formulation but <function build"),
        (
            ["formulations.configuration:FORMULATION", "tests.problem.test_formulation:SAME"],
            "two formulations of a.group",
        ),
    ],
)
def test_broken_entry_points(monkeypatch: pytest.MonkeyPatch, values: list[str], says: str) -> None:
    points = [EntryPoint(f"point-{k}", value, "a.group") for k, value in enumerate(values)]
    monkeypatch.setattr("optsched.problem.formulation.entry_points", lambda group: points)
    with pytest.raises(OptschedError, match=says):
        installed("a.group", Formulation)


SAME = Formulation("configuration", "the same name", lambda problem: Support(True), {})
