"""How commands end: interrupted, asked to stop, and where the output cannot be written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

OPTSCHED = [sys.executable, "-m", "optsched"]
QUICKSTART = str(ROOT / "instances" / "quickstart.json")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and devices")
COMMANDS = (
    ("solve", QUICKSTART),
    ("solve", QUICKSTART, "--json"),
    ("objectives",),
    ("schema",),
    ("--version",),
)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell, with ``$0`` as the program."""
    line = command.replace("optsched ", f"{sys.executable} -m optsched ")
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=ROOT, timeout=120)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("to", [">/dev/full", ">&-"])
def test_what_cannot_be_printed_is_one_sentence(arguments: tuple[str, ...], to: str) -> None:
    done = shell(f"optsched {' '.join(arguments)} {to}")
    assert done.returncode == 74
    assert done.stderr.startswith("error: standard output cannot be written (")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = shell(f"optsched solve {QUICKSTART} --out /dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (74, 1)
    assert done.stderr == "error: /dev/full: cannot be written (No space left on device)\n"
    assert shell("optsched solve missing.json 2>/dev/full").returncode == 2
    assert shell("optsched solve missing.json 2>&-").returncode == 2
    assert shell("optsched objectives <&-").returncode == 0


def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """Without standard output, the next file to be opened would get its number, and what is printed."""
    done = shell(f"optsched solve {QUICKSTART} --out {tmp_path}/plan.json >&- 2>&-")
    assert done.returncode == 74
    assert json.loads((tmp_path / "plan.json").read_text())["status"] == "optimal"


def test_a_reader_who_has_enough() -> None:
    done = shell("optsched schema | head -n 1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_returns_the_best_plan(tmp_path: Path, number: signal.Signals) -> None:
    """The search would go on for minutes; within two seconds of the signal there is a checked plan."""
    sizes = ["--jobs", "3000", "--gpus", "t4=512,v100=512,a100=256"]
    curves = ROOT / "instances" / "curves.json"
    subprocess.run([*OPTSCHED, "generate", *sizes, "--curves", curves, "--out", "big.json"], cwd=tmp_path, check=True)
    command = [*OPTSCHED, "solve", "big.json", "--gap", "0", "--backend", "highs", "--out", "plan.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    time.sleep(4)
    process.send_signal(number)
    process.communicate(timeout=60)
    # on a fast machine it may have ended, and on a slow one not have begun
    assert process.returncode in (0, 128 + number)
    if process.returncode == 0:
        assert json.loads((tmp_path / "plan.json").read_text())["status"] in ("feasible", "optimal")
        assert subprocess.run([*OPTSCHED, "check", "big.json", "plan.json"], cwd=tmp_path).returncode == 0


def test_a_signal_without_an_answer_says_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.json")
    command = [*OPTSCHED, "check", "never.json", "never.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    writer = os.open(tmp_path / "never.json", os.O_WRONLY)  # from now on it reads, and nothing comes
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, said) == (143, "interrupted before there was an answer\n")
