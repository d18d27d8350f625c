"""Every instance of the library is solved, checked, and no better or worse than what is known of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import optsched
from optsched.curves.fitted import load_curves
from optsched.generate import generate

LIBRARY = Path(__file__).resolve().parents[2] / "instances"
KNOWN = json.loads((LIBRARY / "best-known.json").read_text())


def test_every_instance_is_known() -> None:
    timed = set(LIBRARY.glob("schedule/*.json"))  # see tests/schedule/test_library.py
    files = set(LIBRARY.rglob("*.json")) - timed
    there = {str(p.relative_to(LIBRARY)) for p in files} - {"best-known.json", "curves.json"}
    assert there == set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_best_known(name: str) -> None:
    known = KNOWN[name]
    instance = optsched.load(LIBRARY / name)
    gap = known.get("gap", 1e-6)  # what is asked for where values over network rates are linearized
    result = optsched.solve(instance, objective=known["objective"], gap=gap, time_limit=60)
    assert result.status == known["status"]
    if known["status"] == "infeasible":
        assert result.reason
        return
    report = optsched.check(instance, result.allocations, result.objective, result.value)
    assert report.violations == ()
    assert result.value == pytest.approx(known["value"], rel=max(2e-6, gap))
    assert result.bound is not None
    assert result.bound >= known["value"] * (1 - 1e-9)


@pytest.mark.parametrize("name", [n for n in KNOWN if "generate" in KNOWN[n]])
def test_generated_ones_are_reproduced(name: str) -> None:
    recipe = KNOWN[name]["generate"]
    made = generate(
        load_curves(LIBRARY / "curves.json"), recipe["gpus"], recipe["jobs"], recipe["seed"], recipe["name"]
    )
    assert made == optsched.load(LIBRARY / name)
