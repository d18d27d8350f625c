"""The commands ``explain`` and ``audit``: what they print, their JSON, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from optsched.explain import Audit, Conflict, Explanation, Sensitivity, Worth
from tests.conftest import Run

MICRO = Path(__file__).parents[2] / "instances" / "micro"


def test_explain(run: Run) -> None:
    code, said, _ = run("explain", MICRO / "one-gpu-two-jobs.json", "--marginal-values")
    assert code == 0
    assert "light waits" in said
    assert "+1 v100 in main" in said
    assert "weight of light x 3.01" in said
    assert "adds to progress" in said


def test_explain_in_json(run: Run) -> None:
    code, said, _ = run(
        "explain", MICRO / "one-gpu-two-jobs.json", "--marginal-values", "--json", "--meaning", "no-job-loses"
    )
    found = json.loads(said)
    (one,) = msgspec.convert(found["explanations"], list[Explanation])
    assert (code, one.job, one.relaxations[0].lever) == (0, "light", "gpus:v100@main")
    (worth,) = msgspec.convert(found["worths"], list[Worth])
    assert worth.value == pytest.approx(1.0)


def test_a_conflict(run: Run) -> None:
    code, said, _ = run("explain", MICRO / "required-too-many.json")
    assert code == 1
    assert "job b must run" in said
    assert "+1 v100 in main" in said
    code, said, _ = run("explain", MICRO / "required-too-many.json", "--json")
    found = msgspec.convert(json.loads(said)["conflict"], Conflict)
    assert (code, found.status, len(found.constraints)) == (1, "minimal", 4)


def test_audit(run: Run) -> None:
    code, said, _ = run("audit", MICRO / "one-gpu-two-jobs.json", "--sensitivity")
    assert code == 0
    assert "Pareto-efficient: yes" in said
    assert "job light: progress 0, and 0.25 alone" in said
    assert "light what heavy holds: 0.3333 instead of 0" in said
    assert "nothing is uncertain" in said
    said = run("audit", MICRO / "one-gpu-two-jobs.json", "--sensitivity", "--json").stdout
    found = json.loads(said)
    assert msgspec.convert(found["audit"], Audit).pareto.status == "efficient"
    assert msgspec.convert(found["sensitivity"], Sensitivity).worlds == ()


def test_a_plan_with_limits(run: Run, tmp_path: Path) -> None:
    """The limits that a plan was asked for under are explained, too."""
    record = json.loads((MICRO / "one-gpu-two-jobs.json").read_text())
    record["cluster"]["servers"][0]["gpus"] = 2
    record["cluster"]["gpu_types"][0]["hourly_price"] = 2.0
    (tmp_path / "two.json").write_text(json.dumps(record))
    run("solve", tmp_path / "two.json", "--limit", "cost<=3", "--out", tmp_path / "plan.json")
    said = run("explain", tmp_path / "two.json", tmp_path / "plan.json", "--json").stdout
    (one,) = msgspec.convert(json.loads(said)["explanations"], list[Explanation])
    assert "limit" in {reason.kind for reason in one.reasons}
    assert "limit:0:at_most" in {change.lever for change in one.relaxations}


def test_bad_input(run: Run) -> None:
    for says, *arguments in (
        ("the id of a job", "explain", MICRO / "one-gpu-two-jobs.json", "--job", "nobody"),
        ("optimal or no-job-loses", "explain", MICRO / "one-gpu-two-jobs.json", "--meaning", "any"),
    ):
        refused = run(*arguments)
        assert refused.returncode == 2
        assert says in refused.stderr


@pytest.mark.parametrize("command", [["audit"], ["pareto", "--objectives", "progress,max-min"]])
def test_that_there_is_no_plan_is_an_answer(run: Run, command: list[str]) -> None:
    none = run(command[0], MICRO / "required-too-many.json", *command[1:])
    assert none.returncode == 1
    assert none.stdout.startswith("no plan: the required jobs a, b, c cannot run together")
    none = run(command[0], MICRO / "required-too-many.json", *command[1:], "--json")
    found = json.loads(none.stdout)
    assert (none.returncode, found["plan"]) == (1, None)
    assert "1 more" in found["reason"]
