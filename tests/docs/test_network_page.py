"""The mathematics on the page is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

import formulations.network.formulation
from formulations.network.formulation import FORMULATION

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "formulations" / "network.md").read_text()


def test_the_page_shows_the_mathematics_of_the_code():
    found = re.search(r"```text\n(.*?)\n```", PAGE, re.S)
    assert found is not None
    said = formulations.network.formulation.__doc__
    assert said is not None
    assert found[1] == said[said.index("Sets\n") : said.index("With classes of one")].rstrip()


def test_the_page_names_all_that_can_be_left_out():
    named = re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.M)
    assert tuple(named) == FORMULATION.cuts
