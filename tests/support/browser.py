"""A real browser without a screen: what a page becomes when it is opened."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=8000",
]


class Opened(NamedTuple):
    """A page after its scripts ran.

    dom
        The document, as HTML.
    messages
        What the page wrote to the console, errors among it.
    """

    dom: str
    messages: list[str]


def _browser() -> str:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as home:
        command = [_browser(), *_OPTIONS, f"--user-data-dir={home}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


DARK = "--blink-settings=preferredColorScheme=0"
"""Lets pages see a system that prefers dark colours."""


def opened(page: Path, *options: str, width: int = 1300) -> Opened:
    """Open a page in a window so many pixels wide; skip the test where there is no browser."""
    done = _run("--dump-dom", f"--window-size={width},900", *options, page.resolve().as_uri())
    return Opened(done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line])


def screenshot(page: Path, picture: Path, *options: str, width: int = 1300, height: int = 900) -> Path:
    """Write what the browser shows of a page as a PNG; skip the test where there is no browser."""
    _run(
        "--hide-scrollbars",
        f"--screenshot={picture.resolve()}",
        f"--window-size={width},{height}",
        *options,
        page.resolve().as_uri(),
    )
    return picture
