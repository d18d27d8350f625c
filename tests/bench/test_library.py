"""Every instance of the library is what it was, is solved, checked, and no better or worse than what is known of it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

import optsched
from optsched.bench.features import features
from optsched.bench.grid import is_instance
from optsched.bench.library import TAGS, digest, known_in, recipes_in, verify
from optsched.bench.recipes import made
from optsched.instance import save
from optsched.prediction.curves.fitted import load_curves
from optsched.timeshare.policies import POLICIES
from optsched.timeshare.reading import market_of, with_pairs

LIBRARY = Path(__file__).resolve().parents[2] / "instances"
KNOWN = known_in(LIBRARY)
PLANS = {name: known for name, known in KNOWN.items() if "time" not in known.tags}
"""Instances that ask for a plan; schedules are solved in tests/schedule/test_library.py."""
QUICK = {name: known for name, known in PLANS.items() if "easy" in known.tags}
SHARES = json.loads((LIBRARY / "timeshare" / "shares.json").read_text())
CURVES = load_curves(LIBRARY / "curves.json")
RECIPES = recipes_in(LIBRARY)
SIZE = 1_000
"""Most jobs of an instance that a quick test can make."""


def test_every_instance_is_known() -> None:
    there = {path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.json") if is_instance(path)}
    assert there == set(KNOWN)
    plans = {path.relative_to(LIBRARY / "solutions").as_posix() for path in (LIBRARY / "solutions").rglob("*.json")}
    assert plans == {name for name, known in PLANS.items() if known.status != "infeasible"}


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_said_is_true(name: str) -> None:
    assert verify(LIBRARY, name, KNOWN[name]) == []


@pytest.mark.parametrize("name", KNOWN)
def test_tags_fit_the_features(name: str) -> None:
    known, found = KNOWN[name], features(optsched.load(LIBRARY / name))
    assert set(known.tags) <= set(TAGS)
    assert ("places" in known.tags) == (found.decides == "placement")
    assert ("network" in known.tags) == (found.decides == "network")
    assert ("generated" in known.tags) == (known.generate is not None)
    assert ("infeasible" in known.tags) == (known.status == "infeasible")
    assert ("open" in known.tags) == (known.status == "feasible")
    assert found.jobs <= 10 or "micro" not in known.tags


@pytest.mark.parametrize("name", QUICK)
def test_best_known(name: str) -> None:
    known = QUICK[name]
    instance = optsched.load(LIBRARY / name)
    result = optsched.solve(instance, objective=known.objective, gap=known.gap, time_limit=60)
    assert result.status == known.status
    if known.status == "infeasible":
        assert result.reason
        return
    assert known.value is not None
    assert result.bound is not None
    report = optsched.check(instance, result.allocations, result.objective, result.value)
    assert report.violations == ()
    assert result.value == pytest.approx(known.value, rel=max(2e-6, known.gap))
    assert result.bound >= known.value * (1 - 1e-9)


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.generate.jobs <= SIZE])
def test_recipes_make_the_same_bytes(name: str, tmp_path: Path) -> None:
    save(made(RECIPES[name].generate, CURVES), tmp_path / "made.json")
    assert digest(tmp_path / "made.json") == RECIPES[name].sha256


def test_recipes_go_from_ten_jobs_to_a_million() -> None:
    sizes = {recipe.generate.jobs for recipe in RECIPES.values()}
    assert {10**power for power in range(1, 7)} <= sizes


@pytest.mark.parametrize("way", ["alone", "paired"])
@pytest.mark.parametrize("name", SHARES)
def test_known_time_shares(name: str, way: str) -> None:
    """The optimum of each policy is a fraction, which lies between value and bound."""
    known, folder = SHARES[name], LIBRARY / "timeshare"
    assert digest(folder / name) == known["sha256"]
    assert digest(folder / known["pairs"]) == known["pairs_sha256"]
    assert set(known[way]) == set(POLICIES) - {"proportional"}  # whose optimum is no fraction
    instance = optsched.load(folder / name)
    market = market_of(instance)
    market = with_pairs(market, folder / known["pairs"]) if way == "paired" else market
    for policy, value in known[way].items():
        found = POLICIES[policy](instance, market)
        assert found.status == "optimal"
        for number in (found.value, found.bound):
            assert number == pytest.approx(float(Fraction(value)), rel=1e-8)
