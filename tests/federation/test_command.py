"""The command, on games of values."""

from __future__ import annotations

import json

import pytest

from optsched.cli import answer
from optsched.errors import InputError
from optsched.federation import RULES, balances, game_of, ledger_of, rules_named

GAME = {"format": "optsched-game/1", "members": ["a", "b"], "values": {"a": 0, "b": [1, 1.5], "a,b": 5}}


@pytest.fixture
def asked(tmp_path, capsys):
    def run(game, *options):
        file = tmp_path / "game.json"
        file.write_text(game if isinstance(game, str) else json.dumps(game))
        code = answer(["federate", str(file), *options])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_json(asked):
    code, out, _ = asked(GAME, "--json", "--rule", "all")
    found = json.loads(out)
    assert code == 0
    assert found["values"] == {"a": 0, "b": [1, 1.5], "a,b": 5}
    assert found["payments"]["shapley"] == {"a": 2, "b": 3}
    assert found["exact"]["nucleolus"] == {"a": "7/4", "b": "13/4"}
    assert found["ranges"]["shapley"] == {"a": [1.75, 2], "b": [3, 3.25]}
    assert set(found["payments"]) | set(found["undefined"]) == set(RULES)
    assert found["verdicts"]["shapley"]["core"]["holds"] == "yes"
    assert found["verdicts"]["vcg"]["core"]["holds"] == "no"
    assert found["facts"]["vcg"]["deficit"] == 4


def test_for_people(asked):
    code, out, _ = asked(GAME)
    assert code == 0
    assert "core-exists: yes" in out


def test_names_are_no_markup(asked):
    game = {"format": "optsched-game/1", "members": ["[red]x", "\x1b[31m"], "values": {"[red]x": 1, "\x1b[31m": 1}}
    game["values"]["[red]x,\x1b[31m"] = 3
    code, out, _ = asked(game)
    assert code == 0
    assert "[red]x" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"values": {"a": 0, "a,b": 5}}, "$.values"),
        ({"values": {"a": 0, "b": [2, 1], "a,b": 5}}, '$.values["b"]'),
        ({"values": {"a": 0, "b": 1, "a,b": 5, "b,a": 5}}, '$.values["b,a"]'),
        ({"values": {"a": 0, "b": 1, "a,c": 5}}, '$.values["a,c"]'),
        ({"values": {"a": 0, "b": "x", "a,b": 5}}, "$.values"),
        ({"values": {"": 1, "a": 0, "b": 1, "a,b": 5}}, "$.values"),
        ({"members": ["a", "a"]}, "$.members[1]"),
        ({"members": ["a", "b,c"]}, "$.members[1]"),
        ({"members": []}, "$.members"),
        ({"outcomes": {"a": 1}}, "$.outcomes"),
        ({"more": 1}, "more"),
    ],
)
def test_bad_games(asked, change, place):
    code, _, err = asked(GAME | change)
    assert code == 2
    assert "game.json" in err
    assert place in err


def test_bad_files(asked):
    assert asked("{")[0] == 2
    assert asked("[]")[0] == 2
    assert asked(GAME, "--rule", "banzhaf")[0] == 2
    with pytest.raises(InputError, match="shapley"):
        rules_named("shapley,")


def test_no_payments_is_a_negative_answer(asked):
    game = {"format": "optsched-game/1", "members": ["a", "b"], "values": {"a": 3, "b": 3, "a,b": 5}}
    code, out, _ = asked(game, "--rule", "nucleolus", "--json")
    assert code == 1
    assert "alone" in json.loads(out)["undefined"]["nucleolus"]


def test_ledger_sums_to_zero(asked):
    outcomes = {"a": 5, "b": 0}
    code, out, _ = asked(GAME | {"outcomes": outcomes}, "--rule", "shapley,vcg", "--json")
    assert code == 0
    found = json.loads(out)
    for rule, entries in found["ledger"].items():
        net = dict.fromkeys(("a", "b", "(fund)"), 0.0)
        for entry in entries:
            net[entry["from"]] -= entry["amount"]
            net[entry["to"]] += entry["amount"]
        assert sum(net.values()) == 0
        for name, own in outcomes.items():
            assert own + net[name] == found["payments"][rule][name]


def test_ledger_of_values():
    game = game_of("abc", {"a": 1, "b": 1, "c": 1, "a,b": 3, "a,c": 3, "b,c": 3, "a,b,c": 9}, {"a": 9, "b": 0, "c": 0})
    entries = ledger_of(game.members, (game.total / 3,) * 3, game.outcomes)
    assert balances(entries) == {"a": -6, "b": 3, "c": 3}
