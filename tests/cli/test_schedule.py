"""``optsched schedule`` as users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optsched.cli.progress import progress_line
from tests.conftest import ROOT, Run

INSTANCE = ROOT / "instances" / "schedule" / "deadlines-10.json"


def test_the_whole_way(run: Run, tmp_path: Path) -> None:
    curves = ROOT / "instances" / "curves.json"
    made = run("generate", "--jobs", 6, "--gpus", "v100=8", "--curves", curves, "--hours", 1, "--out", "c.json")
    assert made.returncode == 0, made.stderr
    horizon = {
        "objective": "on-time",
        "reservations": [{"resource": "v100@main", "amount": 4, "start_s": 0, "end_s": 900}],
    }
    (tmp_path / "h.json").write_text(json.dumps({"format": "optsched-horizon/1", **horizon}))
    options = ("--horizon", "h.json", "--time-limit", 60, "--out", "s.json", "--plot", "s.svg")
    done = run("schedule", "c.json", *options)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("optimal", "on-time", "deadline", "intervals on cpsat", "checked"))
    assert (tmp_path / "s.svg").read_text().startswith("<svg")
    checked = run("check", "c.json", "s.json")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "as claimed" in checked.stdout

    schedule = json.loads((tmp_path / "s.json").read_text())
    schedule["runs"][0]["end_s"] -= 1
    (tmp_path / "broken.json").write_text(json.dumps(schedule))
    refused = run("check", "c.json", "broken.json", "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["violations"][0]["rule"] == "duration"


def test_json_and_nothing_else(run: Run) -> None:
    done = run("schedule", INSTANCE, "--objective", "on-time", "--formulation", "lists", "--json")
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["value"] <= found["bound"]
    assert found["hash"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--objective", "fastest"), "one of makespan"),
        (("--formulation", "magic"), "intervals, time-indexed"),
        (("--plot", "picture.jpg"), ".html, .svg or .png"),
        (("--plot", "nowhere/picture.svg"), "a place to write to"),
    ],
)
def test_bad_input(run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run("schedule", INSTANCE, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_no_schedule(run: Run, tmp_path: Path) -> None:
    (tmp_path / "h.json").write_text('{"objective": "makespan", "horizon_s": 10}')
    done = run("schedule", INSTANCE, "--horizon", "h.json", "--out", "s.json")
    assert done.returncode == 1
    assert "within the horizon of 10 s" in done.stdout
    assert run("check", INSTANCE, "s.json").returncode == 2


def test_the_line_of_progress_knows_both_senses() -> None:
    assert "gap 10 %" in progress_line("CP-SAT", {"value": 10.0, "bound": 9.0}, 1.0, None)
    assert "gap 10 %" in progress_line("CP-SAT", {"value": 10.0, "bound": 11.0}, 1.0, None)
