"""Grids that run, are interrupted, go on, and report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from optsched import save
from optsched.bench import Method, Row, Spec, Task, load_spec, methods, read_rows, run, write_rows
from optsched.bench.measure import measure
from optsched.bench.scores import judged
from optsched.cli.commands.bench import report
from optsched.errors import InputError
from optsched.problem.formulation import formulations
from optsched.search.solve import HEURISTICS
from optsched.solvers import BACKENDS
from optsched.solvers.subprocess import client
from tests.support import solver_faults
from tests.support.bench_rows import row
from tests.support.builders import instance, job, listed

ROOT = Path(__file__).resolve().parents[2]
MICRO = ROOT / "instances" / "micro"
SMALL = (MICRO / "node-boundary.json", MICRO / "fragments.json", MICRO / "shared-link-max-min.json")
"""One for each kind of decision."""


@pytest.fixture
def here() -> Iterator[Executor]:
    """Return an executor of this process, whose solvers are warm."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_everything_runs_once(tmp_path: Path, here: Executor) -> None:
    """Every formulation, encoding and backend, on each kind of decision: no failure, and all proofs agree."""
    spec = Spec(instances=tuple(map(str, SMALL)), backends=("all",), encodings=("all",), time_limit=20.0, gap=1e-2)
    done = run(spec, tmp_path / "all.parquet", executor=here)
    rows = read_rows(tmp_path / "all.parquet")
    assert done.failed == ()
    ways = {(one.formulation, one.encoding, one.backend) for one in rows}
    encodings = {f.name: set(f.encodings) or {"auto"} for f in formulations().values()}
    for name, wanted in encodings.items():
        assert {encoding for formulation, encoding, _ in ways if formulation == name} >= wanted - {"pyomo"}
        assert {backend for formulation, _, backend in ways if formulation == name} == set(BACKENDS)
    assert {(name, "auto", "auto") for name in HEURISTICS} <= ways
    values: dict[str, set[float]] = {}
    for one in rows:
        if one.outcome == "unsupported":
            assert one.reason
            continue
        assert (one.verified_status, one.violations) == ("feasible", "")
        assert one.peak_mb is None or one.peak_mb > 1
        assert one.trace[-1][1:] == pytest.approx((one.claimed_objective, one.claimed_bound))
        assert one.first_s <= one.total_s
        if one.claimed_status == "optimal":
            values.setdefault(one.instance, set()).add(one.verified_objective)
    assert len(values) == 3
    for found in values.values():
        assert max(found) == pytest.approx(min(found), rel=2e-2)


def test_what_is_there_is_not_run_again(tmp_path: Path, here: Executor) -> None:
    out, small = tmp_path / "runs.csv", str(MICRO / "affinity.json")
    spec = Spec(instances=(small,), formulations=("configuration",), seeds=(0, 1), time_limit=10.0)
    first = run(spec, out, executor=here)
    again = run(spec, out, executor=here)
    assert (first.kept, len(first.made), again.kept, len(again.made)) == (0, 2, 2, 0)
    more = msgspec.structs.replace(spec, time_limit=11.0, instances=(small, str(MICRO / "moves.json")))
    assert len(run(more, out, executor=here).made) == 4
    assert len(read_rows(out)) == 6


class Broken(Executor):
    """Stops after a number of tasks, as Ctrl-C does."""

    def __init__(self, inner: Executor, after: int) -> None:
        self.inner, self.left = inner, after

    def submit(self, fn, /, *args, **kwargs) -> Future:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return self.inner.submit(fn, *args, **kwargs)


def test_it_goes_on_after_an_interrupt(tmp_path: Path, here: Executor) -> None:
    out = tmp_path / "runs.jsonl"
    spec = Spec(instances=(str(MICRO / "affinity.json"),), formulations=("prices",), seeds=(0, 1, 2), time_limit=10.0)
    first = run(spec, out, executor=Broken(here, 2))
    assert first.interrupted
    assert len(first.made) == len(read_rows(out)) == 2
    second = run(spec, out, executor=here)
    assert (second.kept, len(second.made), second.interrupted) == (2, 1, False)


def test_the_methods_of_a_grid() -> None:
    spec = Spec(
        formulations=("configuration", "prices", "auto"), backends=("highs", "cpsat"), encodings=("auto", "segments")
    )
    assert methods(spec) == [
        Method("configuration", "auto", "highs"),
        Method("configuration", "segments", "highs"),
        Method("configuration", "auto", "cpsat"),
        Method("configuration", "segments", "cpsat"),
        Method("prices"),
        Method("auto"),
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [("formulations", ("none",)), ("backends", ("gurobi",)), ("encodings", ("morse",)), ("without", (("none",),))],
)
def test_unknown_names(field: str, value: tuple[object, ...]) -> None:
    with pytest.raises(InputError, match=field):
        methods(Spec(**{field: value}))


def test_a_spec_as_a_file(tmp_path: Path) -> None:
    save(instance(job("a", configurations=listed(1))), tmp_path / "one.json")
    record = {"format": "optsched-bench/1", "instances": ["one.json"], "formulations": ["prices"], "gap": 0.01}
    (tmp_path / "spec.json").write_text(json.dumps(record))
    spec = load_spec(tmp_path / "spec.json")
    assert spec.instances == (str(tmp_path / "one.json"),)
    assert (spec.gap, spec.time_limit) == (0.01, 60.0)
    (tmp_path / "spec.json").write_text(json.dumps({**record, "gap": -1}))
    with pytest.raises(InputError, match="gap"):
        load_spec(tmp_path / "spec.json")


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    out = tmp_path / "runs.csv"
    command = [
        sys.executable,
        "-m",
        "optsched",
        "bench",
        "run",
        str(MICRO / "affinity.json"),
        "--formulations",
        "prices",
        "--seeds",
        ",".join(map(str, range(200))),
        "--time-limit",
        "10",
        "--out",
        str(out),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "3/200" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "goes on" in errors
    assert "Traceback" not in errors
    rows = read_rows(out)
    assert 3 <= len(rows) < 200
    assert {one.verified_status for one in rows} == {"feasible"}
    assert not out.with_name("runs.csv.journal").exists()


def test_a_page_of_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(), row("two", total_s=3.0), row("three", decides="network", fingerprint="n", claimed_status="feasible")]
    write_rows(tmp_path / "runs.csv", rows)
    assert report(tmp_path / "runs.csv", against=tmp_path / "runs.csv", plot=tmp_path / "page.html") == 0
    assert "time x 1.000" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text()
    assert "Performance profile, network" in page
    assert "src=" not in page.partition("<body")[2]  # nothing to fetch


def test_a_worse_table_has_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    write_rows(before, [row(), row("two", outcome="failed", reason="x")])
    write_rows(after, [row(total_s=9.0), row("three", claimed_bound=9.0)])
    assert report(after, against=before, every=True) == 1
    said = capsys.readouterr().out
    assert "5.00 times as slow" in said
    assert "refuted: i, three/highs, seed 0: the bound 9 is claimed, and a plan of 10 is known" in said
    assert report(before, against=after, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["comparison"]["pairs"][0]["verdict"] == "faster"
    with pytest.raises(InputError, match="ratio > 1"):
        report(before, threshold=1.0)


def deadly(task: Task) -> Row:
    """Measure, but end the process for one seed."""
    if task.seed == 1:
        os._exit(1)
    return measure(task)


def test_a_process_that_dies_is_one_failed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optsched.bench.grid.measure", deadly)
    spec = Spec(instances=(str(MICRO / "affinity.json"),), formulations=("prices",), seeds=(1, 0), time_limit=10.0)
    done = run(spec, tmp_path / "runs.csv")
    assert [(one.seed, one.outcome) for one in done.made] == [(1, "failed"), (0, "done")]
    (failed,) = done.failed
    assert "its process died" in failed.reason


def test_a_claim_that_the_search_refutes_is_refuted(
    tmp_path: Path, here: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A solver that calls everything infeasible: the search disbelieves it, and the table says so."""
    monkeypatch.setitem(client.ENTRIES, "highs", solver_faults.entry(solver_faults.infeasible))
    spec = Spec(instances=(str(SMALL[0]),), formulations=("configuration",), time_limit=10.0)
    run(spec, tmp_path / "t.csv", executor=here)
    (one,) = read_rows(tmp_path / "t.csv")
    assert "of which a point is known: not believed" in one.disbelieved
    (judgement,) = judged([one])
    assert judgement.refuted == one.disbelieved
    assert not judgement.proven
