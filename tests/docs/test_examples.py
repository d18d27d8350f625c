"""Every shell and Python example of the pages runs as it stands."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from optsched.cli import answer
from tests.support import measured

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("instances/*.md")])


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the instances and a table of measurements, as the examples expect them."""
    for folder in ("instances", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    measured.write(tmp_path / "measurements.csv")
    asked = [row.rpartition(",")[0] for row in (measured.HEADER, *measured.rows()[:20])]
    (tmp_path / "queries.csv").write_text("\n".join(asked) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_shell(page: Path, place: Path) -> None:
    """What needs no shell runs in this process, where libraries are imported once."""
    for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.M | re.S):
        for line in block.splitlines():
            command, *arguments = shlex.split(line)
            code = answer(arguments) if command == "optsched" else subprocess.run([command, *arguments]).returncode
            assert code == 0, line


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python(page: Path, place: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
