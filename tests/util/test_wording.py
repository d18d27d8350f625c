"""Sentences of what was proven, times that add up, ends and costs of jobs, folded lists, and what counts promise."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsched._util.wording import clock, percent_up, sentence, times
from tests.conftest import Run
from tests.support.builders import cluster, listed, record


@pytest.mark.parametrize(
    ("status", "gap", "stopped", "said"),
    [
        ("optimal", 0.0, "gap", "optimal"),
        ("optimal", 9.4e-11, "gap", "optimal within 0.0001 %"),
        ("optimal", 9.93e-5, "gap", "optimal within 0.01 %"),
        ("optimal", 1e-4, "gap", "optimal within 0.01 %"),
        ("feasible", 0.0291, "time_limit", "feasible, at most 3 % from the best; stopped by the time limit"),
        ("feasible", 0.125, "interrupted", "feasible, at most 13 % from the best; interrupted"),
        ("feasible", None, "heuristic", "feasible, no bound is known"),
        ("infeasible", None, "infeasible", "infeasible"),
        ("unknown", None, "time_limit", "no plan was found; stopped by the time limit"),
    ],
)
def test_sentences(status: str, gap: float | None, stopped: str, said: str) -> None:
    assert sentence(status, gap, stopped) == said


@given(st.floats(1e-11, 1e3))
def test_percents_never_say_more_than_is_proven(part: float) -> None:
    said = float(percent_up(part).removesuffix(" %"))
    assert 100 * part * (1 - 1e-6) <= said <= max(100 * part * 1.1 + 1e-9, 1e-4)


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1e4))
def test_times_add_up(build: float, solve: float, other: float) -> None:
    *parts, whole = map(float, re.findall(r"[\d.]+(?= s)", times(build + solve + other, build=build, solve=solve)))
    assert sum(parts) == pytest.approx(whole, abs=1e-6)
    assert whole == pytest.approx(build + solve + other, abs=0.021)


def test_clocks() -> None:
    assert [clock(s) for s in (0, 3661.4, -59.6)] == ["0:00:00", "1:01:01", "-0:01:00"]


def written(path: Path, *jobs: dict[str, object], **more: object) -> Path:
    path.write_text(json.dumps(record(*jobs, **more)))
    return path


def test_jobs_with_work_have_an_end_and_a_cost(run: Run, tmp_path: Path) -> None:
    """72,000 examples at 10 examples/s are 2 hours, of 2 GPUs for 3 an hour each: 12."""
    job = {"id": "a", "configurations": listed(0, 10.0), "remaining_examples": 72_000}
    priced = {**cluster(4), "gpu_types": [{"id": "v", "hourly_price": 3.0}]}
    said = run("solve", written(tmp_path / "i.json", job, {"id": "b", "configurations": listed(1.0)}, cluster=priced))
    header, first, second = (re.split(r"\s{2,}", line.strip()) for line in said.stdout.splitlines()[:3])
    assert header[-2:] == ["done in", "total cost"]
    assert first[-2:] == ["2:00:00", "12.00"]
    assert second[-1] == "1.000"
    plain = run("solve", written(tmp_path / "j.json", {"id": "a", "configurations": listed(1.0)}))
    assert "done in" not in plain.stdout


def test_long_lists_are_folded(run: Run, tmp_path: Path) -> None:
    jobs = [{"id": f"j{k}", "configurations": listed(1.0)} for k in range(34)]
    said = run("solve", written(tmp_path / "i.json", *jobs)).stdout
    assert said.count("waits: ") == 10
    assert "20 more wait" in said


@pytest.mark.parametrize(("count", "packs"), [(2, True), (3, False)])
def test_counts_say_what_they_promise(run: Run, tmp_path: Path, count: int, packs: bool) -> None:
    """Jobs of 5 GPUs on two servers of 8: two fit; three have 15 of 16 GPUs, and no servers."""
    jobs = [{"id": f"j{k}", "configurations": listed(0, 0, 0, 0, 1.0)} for k in range(count)]
    path = written(tmp_path / "i.json", *jobs, cluster=cluster(8, 8))
    said = run("solve", path).stdout
    assert "decided on counts" in said
    assert ("5 GPUs on 1 nodes: no packing of v@main" in said) is not packs
    notes = json.loads(run("solve", path, "--json").stdout)["notes"]
    assert any("decides: placement" in note for note in notes) is not packs


def test_a_packing_is_searched_for(run: Run, tmp_path: Path) -> None:
    """33 GPUs need all of five servers of 8, with 7 to spare on one of them or spread over several."""
    sizes = (33, 4, 3)
    jobs = [{"id": f"j{g}", "configurations": listed(*[0] * (g - 1), 1.0)} for g in sizes]
    said = run("solve", written(tmp_path / "i.json", *jobs, cluster=cluster(8, 8, 8, 8, 8))).stdout
    assert "decided on counts" in said
    assert "no packing" not in said
