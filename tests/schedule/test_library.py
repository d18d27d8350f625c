"""Classic instances: both formulations find the optimum that is known, on the ticks that the data have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import optsched
from optsched.instance.generators.workload import generate
from optsched.prediction.curves.fitted import load_curves
from optsched.schedule import check, plan
from optsched.schedule.generate import timed

INSTANCES = Path(__file__).resolve().parents[2] / "instances"
LIBRARY = INSTANCES / "schedule"
KNOWN = json.loads((LIBRARY / "best-known.json").read_text())
MANY_TICKS = {"tardiness-5.json", "deadlines-10.json"}
"""Hundreds of ticks or more, which are too many for a quick test of the time-indexed formulation."""


def test_every_instance_is_known() -> None:
    assert {path.name for path in LIBRARY.glob("*.json")} - {"best-known.json"} == set(KNOWN)


@pytest.mark.parametrize("formulation", ["intervals", "time-indexed"])
@pytest.mark.parametrize("name", KNOWN)
def test_known_optimum(name: str, formulation: str) -> None:
    if name in MANY_TICKS and formulation == "time-indexed":
        pytest.skip("too many ticks")
    known = KNOWN[name]
    instance = optsched.load(LIBRARY / name)
    assert instance.source
    found = plan(instance, objective=known["objective"], formulation=formulation, ticks=20_000, gap=1e-6, time_limit=60)
    assert found.status == "optimal"
    assert found.value == pytest.approx(known["value"], rel=1e-9)
    assert check(instance, found.horizon, found.runs, found.value).violations == ()


@pytest.mark.parametrize("name", [name for name in KNOWN if "generate" in KNOWN[name]])
def test_generated_ones_are_reproduced(name: str) -> None:
    recipe = KNOWN[name]["generate"]
    curves = load_curves(INSTANCES / "curves.json")
    made = generate(curves, recipe["gpus"], recipe["jobs"], recipe["seed"], recipe["name"])
    assert timed(made, recipe["hours"], recipe["load"], recipe["seed"]) == optsched.load(LIBRARY / name)
