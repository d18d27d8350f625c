"""What tests of several folders share: the command line, and a small instance."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from optsched.cli import answer

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Listen to interrupts: a shell that starts the tests in the background has them ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Done(NamedTuple):
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs ``optsched`` in a fresh folder, in this process: libraries are imported once."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Done:
        capfd.readouterr()
        return Done(answer([str(word) for word in arguments]), *capfd.readouterr())

    return call


@pytest.fixture
def quickstart() -> Path:
    """Return the path of the small instance on measured curves."""
    return ROOT / "instances" / "quickstart.json"
