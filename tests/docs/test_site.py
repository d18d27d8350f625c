"""Notebooks run as they stand, links of pages lead somewhere, and the site's navigation names pages that exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "instances/README.md", ROOT / "benchmarks/README.md"]
)
WORDS = ["nobody", "beside", "so many", "whoever", "worths", "is gone on with"]
"""Words that the documentation does without: a reader of the field would stumble over them."""


def _hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOKS = _hooks()


def test_cells_of_a_notebook() -> None:
    source = "# header\n# %% [markdown]\n# # Title\n#\n# text\n\n# %%\nx = 1\nx + 1\n"
    assert list(HOOKS.cells(source)) == [("markdown", "# Title\n\ntext"), ("code", "x = 1\nx + 1")]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_and_print(notebook: Path) -> None:
    found = list(HOOKS.ran(notebook))
    assert found[0][0] == "markdown"
    assert sum(bool(output) for _, _, output in found) >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_navigation_names_pages_that_exist_and_all_of_them() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r": ([\w/-]+\.md)$", text, re.M))
    made = {f"notebooks/{path.stem}.md" for path in NOTEBOOKS} | set(HOOKS.JOINED.values())
    there = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert listed - made - there == set()
    assert (there | made) - listed == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_are_written_in_plain_words(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", page.read_text())
    assert {word for word in WORDS if re.search(rf"(?<![-\w]){word}(?![-\w])", text, re.I)} == set()
