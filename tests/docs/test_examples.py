"""Every shell and Python example of the pages runs as it stands."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from optsched.cli import answer

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("instances/*.md"), ROOT / "benchmarks" / "README.md"]
)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with what a clone has for examples: they run in a bare clone, and need nothing else."""
    for folder in ("instances", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
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


def test_tables_of_examples_are_made_by_their_script(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "examples" / "make.py", tmp_path], check=True)
    made = sorted(tmp_path.glob("*.csv"))
    assert made
    for table in made:
        assert table.read_bytes() == (ROOT / "examples" / table.name).read_bytes(), table.name
