"""Which file is what, the instance that belongs to it, and files that are nothing of these."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from optsched.instance.result import load_result
from optsched.report.read import find_instance
from tests.support.png import pixels


def test_the_instance_is_found_beside_the_result(results: Path, tmp_path: Path) -> None:
    result = load_result(results / "plan.json")
    found = find_instance(result.instance, results / "plan.json", None)
    assert found is not None
    assert found.name == "network-8"
    (tmp_path / "plan.json").write_bytes((results / "plan.json").read_bytes())
    assert find_instance(result.instance, tmp_path / "plan.json", None) is None


def test_without_an_instance_the_page_says_what_it_leaves_out(run: Any, results: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes((results / "plan.json").read_bytes())
    assert run("report", "plan.json").returncode == 0
    text = Path("report.html").read_text()
    assert "The instance is not at hand" in text
    assert "not here: the instance is not at hand" in text
    assert "Who runs where" in text


def test_a_plan_of_another_instance_is_called_so(run: Any, results: Path) -> None:
    instance = json.loads((results / "network-8.json").read_text()) | {"round_s": 61.0}
    Path("other.json").write_text(json.dumps(instance))
    assert run("report", results / "plan.json", "--instance", "other.json").returncode == 0
    assert "made for another instance" in Path("report.html").read_text()


def test_a_plan_that_breaks_rules_is_called_so(run: Any, results: Path) -> None:
    plan = json.loads((results / "plan.json").read_text())
    plan["value"] *= 2
    Path("plan.json").write_text(json.dumps(plan))
    assert run("report", "plan.json", "--instance", results / "network-8.json").returncode == 0
    assert "BREAKS" in Path("report.html").read_text()


def test_several_results_are_one_page(run: Any, results: Path) -> None:
    done = run("report", results / "plan.json", results / "federation.json", "--title", "Both", "--out", "both.html")
    assert done.returncode == 0
    text = Path("both.html").read_text()
    assert text.count("<article") == 2
    assert "<title>Both</title>" in text


def test_pictures_without_a_browser(run: Any, results: Path) -> None:
    for name in ("p.svg", "p.png", "folder"):
        assert run("report", results / "schedule.json", "--out", name).returncode == 0
    assert run("report", results / "plan.json", "--out", "plan.svg").returncode == 0
    ElementTree.parse("plan.svg")
    ElementTree.parse("p.svg")
    assert len(_colours(Path("p.png"))) > 10
    names = {file.name for file in Path("folder").iterdir()}
    assert {"report.html", "gantt-0.svg", "gantt-0.png", "use-0.svg"} <= names


def _colours(path: Path) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in pixels(path)[::4, ::4].reshape(-1, 3).tolist()}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "JSON"),
        ("[]", "a result (optsched-result/1)"),
        ('{"format": "optsched/1"}', "a result (optsched-result/1)"),
        ('{"format": "optsched-federation/1"}', "KeyError"),
        ('{"format": "optsched-result/1"}', "instance"),
        ("a,b\n1,2\n", "line 1"),
    ],
)
def test_files_that_are_none(run: Any, content: str, words: str) -> None:
    Path("f.json").write_text(content)
    done = run("report", "f.json")
    assert done.returncode == 2
    assert words in done.stderr
    assert "f.json" in done.stderr
    assert not Path("report.html").exists()


@pytest.mark.parametrize("out", ["r.pdf", "nowhere/r.html", "-"])
def test_outputs_that_cannot_be(run: Any, results: Path, out: str) -> None:
    assert run("report", results / "plan.json", "--out", out).returncode == 2
