"""Old words of the command line still work, and say what replaces them; ``-`` and ``-h``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from optsched.cli.deprecated import current
from tests.conftest import Run
from tests.support import measured


@pytest.fixture
def curves(run: Run, tmp_path: Path) -> str:
    """Return curves with what they taught."""
    measured.write(tmp_path / "measured.csv")
    assert run("fit", "measured.csv", "--out", "curves.json").returncode == 0
    return "curves.json"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["profile-plan", "c.json"], ["suggest-measurements", "c.json"]),
        (["solve", "i.json", "--without=merge"], ["solve", "i.json", "--exclude=merge"]),
        (["bench", "run", "i", "--without", "a"], ["bench", "run", "i", "--exclude", "a"]),
        (["audit", "i.json", "--draws", "2"], ["audit", "i.json", "--samples", "2"]),
        (["explain", "i.json", "--worth"], ["explain", "i.json", "--marginal-values"]),
    ],
)
def test_old_words(old: list[str], new: list[str]) -> None:
    words, messages = current(old)
    assert words == new
    assert len(messages) == 1
    assert current(new) == (new, [])
    assert current([]) == ([], [])


def test_an_old_command_works_and_is_hidden(run: Run, curves: str) -> None:
    asked = (curves, "--model", "bert", "--gpu", "t4", "--json")
    old, new = run("profile-plan", *asked), run("suggest-measurements", *asked)
    assert (old.returncode, old.stdout) == (0, new.stdout)
    assert old.stderr == (
        "note: profile-plan is now called suggest-measurements; the old word goes with the next release\n"
    )
    assert new.stderr == ""
    assert "profile-plan" not in run("--help").stdout


def test_h_is_help(run: Run) -> None:
    for words in ((), ("solve",), ("bench",), ("bench", "run")):
        short, long = run(*words, "-h"), run(*words, "--help")
        assert (short.returncode, short.stdout) == (0, long.stdout)


def test_standard_input_and_output(run: Run, quickstart: Path) -> None:
    command = [sys.executable, "-m", "optsched", "solve", "-", "--out", "-"]
    done = subprocess.run(command, input=quickstart.read_bytes(), capture_output=True, check=True)
    plain = json.loads(run("solve", quickstart, "--json").stdout)
    assert json.loads(done.stdout)["hash"] == plain["hash"]
    assert b"GPU type" in done.stderr
    command = [sys.executable, "-m", "optsched", "check", str(quickstart), "-"]
    checked = subprocess.run(command, input=done.stdout, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_suggestions_know_the_cluster(run: Run, curves: str, quickstart: Path) -> None:
    asked = ("suggest-measurements", curves, "--model", "bert", "--cluster", quickstart)
    done = run(*asked, "--gpu", "v100", "--json")
    assert done.returncode == 0, done.stderr
    servers = json.loads(quickstart.read_text())["cluster"]["servers"]
    most = sum(s["gpus"] * s.get("count", 1) for s in servers if s["gpu_type"] == "v100")
    assert all(row["gpus"] <= most for row in json.loads(done.stdout)["measure"])
    unknown = run(*asked, "--gpu", "h100")
    assert unknown.returncode == 2
    assert "no curve of" in unknown.stderr
    assert "expected a GPU type of" in unknown.stderr
