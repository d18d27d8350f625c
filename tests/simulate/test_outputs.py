"""What is written: rows, tables, pages, traces, files to resume from."""

import json

import numpy as np
import pytest

from optsched.cli import answer
from optsched.errors import InputError
from optsched.simulate.make import made
from optsched.simulate.summary import paired, summary
from optsched.simulate.sweeps import sweep
from optsched.simulate.workload import load, loads, save
from optsched.simulate.world import Options
from tests.support.simulated import rigid

NUMBERS = {
    "policy", "seed", "workload", "average_completion_s", "p50_completion_s", "p99_completion_s", "makespan_s",
    "worst_finish_time_fairness", "restarts", "utilization",
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    save(rigid((0, 2, 10), (1, 4, 5), (2, 2, 8), name="three"), tmp_path / "three.json")
    return tmp_path / "three.json"


def test_rows_as_json(file, capsys):
    assert answer(["simulate", str(file), "--policies", "fifo,backfill", "--seeds", "1-2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["policy"], row["seed"]) for row in rows] == [
        ("fifo", 1), ("backfill", 1), ("fifo", 2), ("backfill", 2),
    ]  # fmt: skip
    assert set(rows[0]) >= NUMBERS
    assert rows[0]["makespan_s"] == 23
    assert rows[1]["makespan_s"] == 15


def test_table(file, capsys):
    assert answer(["simulate", str(file), "--policies", "fifo,backfill", "--seeds", "1"]) == 0
    out = capsys.readouterr().out
    assert "backfill" in out
    assert "0.711" in out  # (10 + 14 + 8) over (10 + 14 + 21)


def test_paired_ratios():
    rows = [
        {"policy": p, "workload": "w", "seed": s, "x": x}
        for p, s, x in (("a", 1, 2.0), ("a", 2, 4.0), ("b", 1, 1.0), ("b", 2, 4.0))
    ]
    mean, error = paired(rows, "b", "a", "x")
    assert mean == pytest.approx(np.sqrt(0.5))
    assert error == pytest.approx(np.sqrt(0.5) * np.log(2) / np.sqrt(2) / np.sqrt(2))


def test_summary_has_a_line_for_each_policy_and_workload():
    rows = list(sweep({"w": rigid((0, 2, 10), (1, 4, 5))}, ["fifo", "backfill"], [1, 2], Options()))
    header, lines = summary(rows)
    assert [line[:2] for line in lines] == [["w", "fifo"], ["w", "backfill"]]
    assert all(len(line) == len(header) for line in lines)


def test_files(file, tmp_path):
    names = {kind: tmp_path / f"out.{kind}" for kind in ("html", "json", "csv")}
    options = ["--html", names["html"], "--trace", names["json"], "--jobs", names["csv"]]
    assert answer(["simulate", str(file), "--policies", "backfill", *map(str, options), "--json"]) == 0
    events = json.loads(names["json"].read_text())["traceEvents"]
    bars = {e["name"]: (e["ts"], e["dur"], e["args"]["gpus"]) for e in events if e["ph"] == "X"}
    assert bars == {"j0": (0, 10**7, 2), "j1": (10**7, 5 * 10**6, 4), "j2": (2 * 10**6, 8 * 10**6, 2)}
    counts = [e["args"]["GPUs"] for e in events if e["ph"] == "C"]
    assert counts == [2, 4, 4, 0]
    lines = names["csv"].read_text().splitlines()
    assert lines[0].startswith("workload,policy,seed,job")
    assert len(lines) == 4
    page = names["html"].read_text()
    assert "vega" in page.lower()
    assert "src=" not in page.split("<script")[0]


def test_names_are_never_markup(tmp_path):
    from msgspec.structs import replace

    workload = rigid((0, 2, 10))
    bad = replace(workload, jobs=(replace(workload.jobs[0], id="<script>alert(1)</script>"),), name="=1+1")
    save(bad, tmp_path / "bad.json")
    options = ["--html", str(tmp_path / "bad.html"), "--jobs", str(tmp_path / "bad.csv")]
    assert answer(["simulate", str(tmp_path / "bad.json"), "--policies", "fifo", *options]) == 0
    assert "<script>alert(1)" not in (tmp_path / "bad.html").read_text()
    assert "'=1+1" in (tmp_path / "bad.csv").read_text()


def test_resume(tmp_path, monkeypatch):
    workload, kept = {"w": rigid((0, 2, 10), (1, 4, 5))}, tmp_path / "rows.jsonl"
    first = list(sweep(workload, ["fifo"], [1, 2], Options(), resume=kept))
    with kept.open("a") as stream:
        stream.write('{"cut off')
    calls = []
    from optsched.simulate import sweeps as module

    whole = module.once
    monkeypatch.setattr(module, "once", lambda *a, **k: calls.append(a[1]) or whole(*a, **k))
    again = list(sweep(workload, ["fifo", "backfill"], [1, 2], Options(), resume=kept))
    assert calls == ["backfill", "backfill"]
    assert [row for row in again if row["policy"] == "fifo"] == first
    list(sweep(workload, ["fifo"], [1], Options(round_s=5.0), resume=kept))
    assert calls[2:] == ["fifo"]  # other options are another simulation


def test_pool_and_order():
    from concurrent.futures import ThreadPoolExecutor

    workload = {"w": rigid((0, 2, 10), (1, 4, 5))}
    alone = list(sweep(workload, ["fifo", "backfill"], [1, 2], Options()))
    with ThreadPoolExecutor(1) as pool:
        pooled = list(sweep(workload, ["fifo", "backfill"], [1, 2], Options(), executor=pool))

    def timeless(rows):
        return [{k: v for k, v in row.items() if "decision" not in k} for row in rows]

    assert timeless(alone) == timeless(pooled)


def test_shuffled_arrivals_keep_times_and_jobs():
    from optsched.simulate.sweeps import shuffled
    from optsched.simulate.tables import tabulate

    tables = tabulate(rigid(*[(k, 1 + k % 4, 10 + k, {"deadline_s": 100.0}) for k in range(9)]))
    other = shuffled(tables, 3)
    assert other.arrival.tolist() == tables.arrival.tolist()
    assert sorted(job.id for job in other.jobs) == sorted(job.id for job in tables.jobs)
    assert [job.id for job in other.jobs] != [job.id for job in tables.jobs]
    assert [job.work for job in other.jobs] == other.work.tolist()
    assert [job.deadline_s for job in other.jobs] == pytest.approx(other.deadline.tolist())


def test_workloads_by_dials():
    light, heavy = made("synthetic:jobs=50,load=0.5"), made("synthetic:jobs=50,load=2")
    assert sum(job.work for job in heavy.jobs) == pytest.approx(4 * sum(job.work for job in light.jobs))
    assert len(made("kueue").jobs) == 15_000
    assert len(made("kueue").queues) == 30
    for text, expected in (
        ("nothing", "synthetic or kueue"),
        ("synthetic:jobs=many", "name=number"),
        ("synthetic:speed=3", "dials of jobs"),
        ("synthetic:elasticity=2", "a number from 0 to 1"),
    ):
        with pytest.raises(InputError, match=expected):
            made(text)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda w: w["jobs"][0].update(application="x"), r"jobs\[0\].application: found 'x'"),
        (lambda w: w["jobs"][1].update(id="j0"), r"jobs\[1\].id: found 'j0'"),
        (lambda w: w["jobs"][0].update(deadline_s=0.0), "a deadline after the arrival"),
        (lambda w: w["jobs"][0].update(gpu_types=["tpu"]), "a GPU type of the cluster"),
        (lambda w: w.update(queues=[{"id": "q"}]), "a queue of this file"),
        (lambda w: w["jobs"][0].update(work=-1), r"jobs\[0\].work: found -1"),
        (lambda w: w.update(maintenance=[{"gpu_type": "gpu", "servers": 1, "begin_s": 5, "end_s": 4}]), "an end after"),
        (lambda w: w["cluster"].append(w["cluster"][0]), "a gpu_type of its own"),
    ],
)
def test_faults_are_named(file, change, expected):
    record = json.loads(file.read_text())
    change(record)
    with pytest.raises(InputError, match=expected):
        loads(json.dumps(record), "three.json")


def test_a_table_of_rigid_jobs(tmp_path, capsys):
    table = tmp_path / "trace.csv"
    table.write_text(
        "submitted,duration_s,gpus,virtual_cluster\n2020-01-01 00:00:10,5,4,a\n2020-01-01 00:00:00,10,2,b\n"
    )
    out = tmp_path / "trace.json"
    assert answer(["simulate", str(table), "--gpus", "gpu=4/4", "--out", str(out)]) == 0
    workload = load(out)
    assert [(job.arrival_s, job.work, job.gpus, job.queue) for job in workload.jobs] == [
        (10, 5, 4, "a"),
        (0, 10, 2, "b"),
    ]
    assert answer(["simulate", str(table), "--gpus", "gpu=4/3", "--json"]) == 2
    table.write_text("submitted,duration_s,gpus\nyesterday,5,4\n")
    assert answer(["simulate", str(table)]) == 2
    assert "line 2, column submitted" in capsys.readouterr().err


def test_a_table_of_arrivals_with_curves(tmp_path):
    from optsched.prediction.curves import AllReduce
    from optsched.prediction.curves.fitted import CurveFile, Fitted, save_curves
    from optsched.simulate.make import read_workload
    from optsched.simulate.tables import tabulate

    curve = AllReduce(
        pass_s=0.01, example_s=0.01, local_sync_s=0.02, local_exponent=0.3, sync_s=0.1, node_exponent=0.1,
        gpu_exponent=0.1, max_local_batch=64,
    )  # fmt: skip
    one = Fitted(
        model="bert",
        gpu_type="t4",
        curve=curve,
        rows=1,
        error=0.0,
        unseen_error=None,
        choice="",
        max_gpus=8,
        gpus_per_node=4,
        local_batches=(1.0, 64.0),
    )
    save_curves(CurveFile(curves=(one,)), tmp_path / "curves.json")
    table = tmp_path / "arrivals.csv"
    table.write_text("name,time,application,num_replicas,batch_size\nb0,5,bert,3,96\nx0,9,other,2,100\n")
    workload = read_workload(table, gpus="t4=8/4", curves=tmp_path / "curves.json")
    assert "other has no curves and runs as bert" in workload.source
    tables = tabulate(workload)
    first = tables.first[tables.table[0]]
    rows = range(first, first + tables.count[tables.table[0]])
    assert [(tables.row_gpus[r], tables.row_asked[r]) for r in rows] == [(1, 0), (2, 0), (4, 0), (8, 0), (3, 1)]
    (asked,) = (r for r in rows if tables.row_asked[r])
    from optsched.prediction.curves import Points

    assert tables.rate[asked, 0] == pytest.approx(curve.throughput(Points.of(3, nodes=1, local_batch=32))[0])


def test_numbers_of_options_are_refused_by_name(file, capsys):
    assert answer(["simulate", str(file), "--noise", "-1"]) == 2
    assert "--noise" in capsys.readouterr().err
    assert answer(["simulate", str(file), "--seeds", "4-1"]) == 2
    assert "--seeds" in capsys.readouterr().err
    assert answer(["simulate", str(file), "--policies", "nothing"]) == 2
    assert "expected one of afs" in capsys.readouterr().err
    assert answer(["simulate"]) == 2
