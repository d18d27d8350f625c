"""Results of every command, written once for all tests of reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optsched.cli import answer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the commands write, each beside its instance where it has one."""
    folder = tmp_path_factory.mktemp("results")
    for name in ("network-8.json", "schedule/deadlines-10.json", "federation-3.json", "quickstart.json"):
        (folder / Path(name).name).write_bytes((ROOT / "instances" / name).read_bytes())

    def written(*words: str) -> None:
        assert answer([str(folder / word) if word.endswith((".json", ".csv")) else word for word in words]) == 0

    written("solve", "network-8.json", "--time-limit", "5", "--out", "plan.json")
    written("solve", "quickstart.json", "--time-limit", "5", "--out", "counts.json")
    written("schedule", "deadlines-10.json", "--formulation", "lists", "--out", "schedule.json")
    written("federate", "federation-3.json", "--rule", "shapley", "--out", "federation.json")
    written(
        "pareto", "quickstart.json", "--objectives", "progress,throughput", "--points", "3", "--out", "frontier.json"
    )
    written("share", "quickstart.json", "--out", "shares.json")
    work = ("--make", "synthetic:jobs=6,load=0.3", "--policies", "fifo,sia")
    written("simulate", *work, "--jobs", "jobs.csv")
    rows = [
        {"workload": "w", "policy": policy, "seed": seed, "average_completion_s": 3600.0 * (k + seed), "restarts": k}
        for k, policy in enumerate(("fifo", "sia"))
        for seed in (1, 2)
    ]
    (folder / "rows.json").write_text(json.dumps(rows))
    bench = ("--formulations", "configuration", "--time-limit", "5", "--quiet")
    small = str(ROOT / "instances" / "micro" / "budget.json")
    assert answer(["bench", "run", small, *bench, "--out", str(folder / "runs.csv")]) == 0
    return folder
