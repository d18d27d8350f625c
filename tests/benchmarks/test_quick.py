"""Every benchmark runs once, on the smallest case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import measured

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, ROOT / "benchmarks" / script, "--quick", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "script",
    [
        "build_and_solve.py",
        "divisible.py",
        "piecewise_encodings.py",
        "fairness.py",
        "heuristics.py",
        "prices.py",
        "timeshare.py",
        "schedule.py",
    ],
)
def test_solving(script: str) -> None:
    assert "HiGHS" in (out := run(script)) or "Pyomo" in out


def test_language_models() -> None:
    out = run("language_models.py")
    assert "decided with the GPUs" in out
    assert "GPU type never seen" in out


def test_simulation() -> None:
    assert "over fifo: average" in run("simulation.py")


def test_trust() -> None:
    assert "without a checked plan: 0" in run("deadline.py")
    assert "start of its process" in run("deadline.py", "--costs")
    assert "prices agree" in run("executors.py")


def test_deciding_together(tmp_path: Path) -> None:
    assert "in sequence" in run("joint.py", "--picture", tmp_path / "joint.svg")
    assert "<svg" in (tmp_path / "joint.svg").read_text()
    assert "uplinks 4:1" in run("joint_least.py")


def test_prediction(tmp_path: Path) -> None:
    measured.write(tmp_path / "throughput.csv")
    out = run("prediction.py", "--data", tmp_path)
    assert all(word in out for word in ("unseen rows", "Pollux", "fit of 6 rows"))


@pytest.mark.parametrize("script", ["embedded.py", "packing.py", "pollux.py", "rounds.py", "scaling.py"])
def test_prices(script: str) -> None:
    assert "plans checked" in run(script)
