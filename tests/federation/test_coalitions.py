"""Federations of an instance's owners: values by every way to solve, Owen's payments, the largest gain by leaving."""

from __future__ import annotations

import json
from itertools import product

import pytest

import optsched
from optsched.checker import check
from optsched.cli import answer
from optsched.federation import federate, record_of
from optsched.federation.coalitions import Coalitions, federation_of
from optsched.federation.owen import owen
from optsched.federation.separation import least_core_by_rows, separate
from optsched.federation.values import listed_game


def federation(*jobs, sites=("a", "b", "c"), objective="progress", **more):
    """Return an instance of sites of four GPUs each, of two types in turn."""
    data = {
        "format": "optsched/1",
        "cluster": {
            "gpu_types": [{"id": "v", "hourly_price": 1.0}, {"id": "w", "hourly_price": 0.5}],
            "sites": [{"id": site} for site in sites],
            "servers": [
                {"id": f"s{site}", "site": site, "gpu_type": "vw"[k % 2], "gpus": 4} for k, site in enumerate(sites)
            ],
            "switches": ["hub"],
            "links": [{"id": f"l{site}", "ends": [site, "hub"], "capacity_gbps": 1.0} for site in sites],
        },
        "curves": {
            "fast": {"family": "amdahl", "single": 20.0, "serial": 0.2},
            "slow": {"family": "amdahl", "single": 10.0, "serial": 0.1},
        },
        "jobs": [{"curves": {"v": "fast", "w": "slow"}, "reference": {"goodput": 10.0}, **job} for job in jobs],
        "objective": {"name": objective, **more},
    }
    return optsched.loads(json.dumps(data))


THREE = (
    {"id": "a0", "home": "a", "weight": 1.0, "max_gpus": 2},
    {"id": "b0", "home": "b", "weight": 2.0, "max_gpus": 4, "data_gb": 20.0},
    {"id": "b1", "home": "b", "weight": 1.0, "max_gpus": 4, "data_gb": 45.0},
    {"id": "c0", "home": "c", "weight": 3.0, "min_gpus": 2, "max_gpus": 4, "curves": {"w": "slow"}},
    {"id": "c1", "home": "c", "weight": 1.0, "max_gpus": 4, "affinity": {"b": 0.5}},
)


@pytest.mark.parametrize("more", [{}, {"objective": "profit", "parameters": {"worth": 3.0}}])
def test_values_are_superadditive_and_plans_are_checked(more):
    coalitions = Coalitions(federation_of(federation(*THREE, **more)), gap=0.0)
    game, common = listed_game(coalitions)
    assert coalitions.solves == 7
    for one, other in product(range(8), repeat=2):
        if one & other == 0:
            assert game.low[one] + game.low[other] <= game.high[one | other] + game.slack
    report = check(coalitions.federation.instance, common.allocations)
    assert report.ok
    assert sum(common.outcomes) == pytest.approx(report.value)
    for mask, valued in coalitions.known.items():
        if valued.result is not None:
            restricted = coalitions.federation.restricted(mask)
            assert check(restricted, valued.result.allocations, claimed=valued.result.value).ok


def test_a_member_without_gpus_and_one_without_jobs_gain_together():
    instance = federation({"id": "j", "owner": "guest", "max_gpus": 1}, sites=("a",))
    outlook = federate(instance, ["shapley", "nucleolus", "owen"])
    assert outlook.game.members == ("a", "guest")
    assert list(map(float, outlook.game.low)) == [0, 0, 0, 2]
    assert outlook.settlements["shapley"].payments.amounts == (1, 1)
    assert outlook.settlements["shapley"].verdicts["core"].holds == "yes"


@pytest.mark.parametrize("more", [{}, {"objective": "profit", "parameters": {"worth": 3.0}}])
def test_owen_covers_every_coalition(more):
    whole = federation_of(federation(*THREE, **more))
    coalitions = Coalitions(whole, gap=0.0)
    found = owen(whole)
    for mask in range(1, 8):
        own = sum(found.parts[i] for i in range(3) if mask >> i & 1)
        paid = sum(found.payments[i] for i in range(3) if mask >> i & 1)
        assert own >= coalitions.value(mask).low - 1e-6
        assert paid >= coalitions.value(mask).low - found.uncovered - 1e-6
    assert sum(found.payments) == pytest.approx(found.achieved)


@pytest.mark.parametrize("payments", [(2.0, 3.0, 30.0), (9.0, 9.0, 9.0), (0.0, 0.0, 0.0)])
def test_the_largest_gain_by_leaving_is_that_of_a_list(payments):
    whole = federation_of(federation(*THREE))
    game, _ = listed_game(Coalitions(whole, gap=0.0))
    best = max(float(game.low[mask]) - sum(x for i, x in enumerate(payments) if mask >> i & 1) for mask in range(1, 7))
    found = separate(whole, payments, gap=0.0)
    assert found.found == pytest.approx(best, abs=1e-6)
    assert found.bound == pytest.approx(best, abs=1e-6)


def test_least_core_by_rows_is_that_of_a_list():
    whole = federation_of(federation(*THREE))
    outlook = federate(federation(*THREE), ["least-core"], gap=0.0)
    _, least, most, _ = least_core_by_rows(whole, float(outlook.game.total), gap=0.0)
    expected = float(outlook.settlements["least-core"].payments.facts["excess"])
    assert least == pytest.approx(expected, abs=1e-4)
    assert most == pytest.approx(expected, abs=1e-4)


def test_many_members(monkeypatch):
    """What is found without a list of coalitions agrees with the list."""
    listed = federate(federation(*THREE), ["owen", "shapley", "vcg"])
    monkeypatch.setattr("optsched.federation.pooling.MOST_LISTED", 2)
    found = federate(federation(*THREE), ["owen", "shapley", "nucleolus", "vcg", "least-core"])
    assert "too many" in found.undefined["nucleolus"]
    for rule in ("owen", "vcg"):
        mine, theirs = (one.settlements[rule].payments.amounts for one in (found, listed))
        assert list(map(float, mine)) == pytest.approx(list(map(float, theirs)), abs=1e-3)
    for rule in ("owen", "shapley", "least-core"):
        assert found.settlements[rule].verdicts["core"].holds in ("yes", "no", "depends")
    assert "95 %" in found.settlements["shapley"].payments.notes[0]
    assert set(record_of(found)["values"]) == {"a", "b", "c", "a,b,c"}


def test_command(tmp_path, capsys):
    file = tmp_path / "instance.json"
    optsched.save(federation(*THREE, objective="profit", parameters={"worth": 3.0}), file)
    assert answer(["federate", str(file), "--json", "--rule", "all"]) == 0
    found = json.loads(capsys.readouterr().out)
    for rule, payments in found["payments"].items():
        net = dict.fromkeys([*payments, "(fund)"], 0.0)
        for entry in found["ledger"][rule]:
            net[entry["from"]] -= entry["amount"]
            net[entry["to"]] += entry["amount"]
        assert sum(net.values()) == pytest.approx(0, abs=1e-9)
        for name, paid in payments.items():
            assert found["outcomes"][name] + net[name] == pytest.approx(paid, abs=1e-3)
    assert answer(["federate", str(file)]) == 0
    assert "ledger of owen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("jobs", "objective", "place"),
    [
        (({"id": "j"},), "progress", "$.jobs[0]"),
        (({"id": "j", "home": "a", "required": True},), "progress", "$.jobs[0].required"),
        (({"id": "j", "home": "a"},), "max-min", "$.objective"),
        (({"id": "j", "owner": "x,y"},), "progress", "$.cluster"),
    ],
)
def test_bad_federations(jobs, objective, place, tmp_path, capsys):
    file = tmp_path / "instance.json"
    optsched.save(federation(*jobs, objective=objective), file)
    assert answer(["federate", str(file)]) == 2
    assert place in capsys.readouterr().err
