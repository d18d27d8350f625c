"""Every command, its exit codes, and what it prints and writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import ROOT, Run
from tests.support import measured


def test_the_whole_way(run: Run, tmp_path: Path) -> None:
    measured.write(tmp_path / "measured.csv")
    fitted = run("fit", "measured.csv", "--out", "curves.json")
    assert fitted.returncode == 0, fitted.stderr
    assert all(word in fitted.stdout for word in ("bert", "ncf", "v100", "rows"))

    queries = ["ncf,t4,2,7,1000", "bert,v100,1,2,8"]
    header = "model,gpu_type,nodes,gpus,local_batch"
    (tmp_path / "queries.csv").write_text("\n".join([header, *queries]) + "\n")
    assert run("predict", "curves.json", "queries.csv", "--out", "predicted.csv").returncode == 0
    assert run("predict", "curves.json", "queries.csv").stdout == (tmp_path / "predicted.csv").read_text()
    table = pl.read_csv(tmp_path / "predicted.csv")
    name = "predicted_throughput_examples_s"
    assert table.columns == [*header.split(","), name, f"{name}_low", f"{name}_high"]
    low, middle, high = (table[name + end].to_numpy() for end in ("_low", "", "_high"))
    assert (low < middle).all()
    assert (middle < high).all()

    sizes = ["--jobs", 12, "--gpus", "t4=16,v100=8", "--seed", 1]
    generated = run("generate", *sizes, "--curves", "curves.json", "--out", "cluster.json")
    assert generated.returncode == 0, generated.stderr
    solved = run("solve", "cluster.json", "--objective", "progress", "--time-limit", 30, "--out", "plan.json")
    assert solved.returncode == 0, solved.stderr
    assert "optimal" in solved.stdout
    checked = run("check", "cluster.json", "plan.json")
    assert (checked.returncode, checked.stderr) == (0, "")

    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["allocations"][0]["gpus"] += 1
    (tmp_path / "broken.json").write_text(json.dumps(plan))
    refused = run("check", "cluster.json", "broken.json")
    assert refused.returncode == 1
    assert plan["allocations"][0]["job"] in refused.stdout


def test_generate_is_the_same_for_the_same_seed(run: Run, tmp_path: Path) -> None:
    curves = ROOT / "instances" / "curves.json"
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        made = run(
            "generate", "--jobs", 5, "--gpus", "t4=8", "--curves", curves, "--seed", seed, "--out", f"{name}.json"
        )
        assert made.returncode == 0, made.stderr
    a, b, c = ((tmp_path / f"{name}.json").read_bytes() for name in "abc")
    assert a == b != c


def test_solve_prints_json_and_nothing_else(run: Run, quickstart: Path) -> None:
    solved = run("solve", quickstart, "--json")
    result = json.loads(solved.stdout)
    assert result["status"] == "optimal"
    assert result["value"] <= result["bound"]
    assert solved.stderr == ""
    assert json.loads(run("solve", quickstart, "--json").stdout)["hash"] == result["hash"]


def test_infeasible_names_the_job_and_the_resource(run: Run, tmp_path: Path) -> None:
    solved = run("solve", ROOT / "instances" / "micro" / "required-too-many.json", "--out", "result.json")
    assert solved.returncode == 1
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"] == "infeasible"
    assert all(word in result["reason"] for word in ("a, b, c", "1 more", "v100"))


def test_formulations_and_schema(run: Run) -> None:
    listed = {f["name"]: f for f in json.loads(run("formulations", "--json").stdout)}
    assert listed["allocation"]["backends"] == ["highs", "cpsat", "pyomo"]
    assert listed["configuration"]["exact"]
    assert not listed["marginal-gain"]["exact"]
    assert "configuration" in run("formulations").stdout
    schema = json.loads(run("schema").stdout)
    assert {"Instance", "Result", "CurveFile"} <= set(schema["$defs"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solve", "missing.json"], ["missing.json", "No such file"]),
        (["solve", "QUICKSTART", "--objective", "speed"], ["'speed'", "progress"]),
        (["solve", "QUICKSTART", "--formulation", "magic"], ["'magic'", "allocation"]),
        (["solve", "QUICKSTART", "--backend", "magic"], ["'magic'", "highs"]),
        (["solve", "QUICKSTART", "--backend", "pyomo:magic"], ["'magic'"]),
        (["solve", "QUICKSTART", "--time-limit", "0"], ["time_limit"]),
        (["solve", "QUICKSTART", "--gap", "-1"], ["gap"]),
        (["solve", "QUICKSTART", "--out", "no/such/folder/x.json"], ["no/such/folder/x.json"]),
        (["solve", "QUICKSTART", "--out", "."], ["folder"]),
        (["check", "QUICKSTART", "QUICKSTART"], ["format", "optsched-result/1"]),
        (["fit", "missing.csv", "--out", "c.json"], ["missing.csv"]),
        (["generate", "--jobs", "0", "--gpus", "t4=4", "--curves", "CURVES", "--out", "x.json"], ["job"]),
        (["generate", "--jobs", "1", "--gpus", "t4", "--curves", "CURVES", "--out", "x.json"], ["TYPE=COUNT"]),
        (["generate", "--jobs", "1", "--gpus", "zx81=4", "--curves", "CURVES", "--out", "x.json"], ["'zx81'"]),
        (["generate", "--jobs", "1", "--gpus", "t4=4", "--curves", "CURVES", "--seed", "-1", "--out", "x"], ["seed"]),
        (
            [
                "generate",
                "--jobs",
                "1",
                "--gpus",
                "t4=4",
                "--curves",
                "CURVES",
                "--racks",
                "2",
                "--gbps",
                "0",
                "--out",
                "x",
            ],
            ["--gbps: found 0.0, expected float > 0.0"],
        ),
        (["generate", "--jobs", "1", "--gpus", "t4=4", "--curves", "CURVES", "--racks", "2", "--out", "x"], ["--gbps"]),
        (
            ["suggest-measurements", "CURVES", "--model", "bert", "--gpu", "t4", "--max-gpus", "0"],
            ["max_gpus: found 0"],
        ),
        (["schedule", "QUICKSTART", "--seed", "-1"], ["seed: found -1"]),
        (["bench", "run", "QUICKSTART", "--out", "x.csv", "--gap", "-1"], ["--gap: found -1.0, expected float >= 0"]),
    ],
)
def test_bad_input(run: Run, quickstart: Path, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    known = {"QUICKSTART": str(quickstart), "CURVES": str(ROOT / "instances" / "curves.json")}
    refused = run(*(known.get(a, a) for a in arguments))
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr
    assert all(word in refused.stderr for word in words), refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["solve", "INPUT", "--out", "INPUT"],
        ["export", "INPUT", "--formulation", "configuration", "--out", "INPUT"],
        ["pareto", "INPUT", "--objectives", "progress,max-min", "--plot", "INPUT"],
        ["pareto", "INPUT", "--objectives", "progress,max-min", "--out", "same", "--plot", "same"],
        ["share", "INPUT", "--out", "./INPUT"],
        ["schedule", "INPUT", "--out", "INPUT"],
        ["fit", "INPUT", "--out", "INPUT"],
        ["generate", "--jobs", "1", "--gpus", "t4=4", "--curves", "INPUT", "--out", "INPUT"],
        ["predict", "INPUT", "other", "--out", "INPUT"],
        ["bench", "run", "INPUT", "--out", "INPUT"],
    ],
)
def test_an_output_never_replaces_an_input(run: Run, quickstart: Path, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "INPUT").write_bytes(quickstart.read_bytes())
    refused = run(*arguments)
    assert refused.returncode == 2
    assert "expected a file of its own" in refused.stderr
    assert (tmp_path / "INPUT").read_bytes() == quickstart.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["INPUT"]


def test_outputs_go_into_pipes(quickstart: Path) -> None:
    command = [sys.executable, "-m", "optsched", "solve", str(quickstart), "--out", "/dev/stdout"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (made.returncode, made.stderr) == (0, "")
    assert '"format": "optsched-result/1"' in made.stdout


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["bert,t4,1,1,8"], ["line 2", "5 cells", "expected 6 cells"]),
        (["bert,t4,1,1,8,"], ["line 2", "throughput_examples_s", "nothing"]),
        (["bert,t4,1,0,8,10"], ["line 2", "gpus", "0"]),
        (["bert,t4,1,1,8,10", "bert,t4,1,2,8,-3"], ["line 3", "throughput_examples_s", "-3"]),
        (["bert,t4,1,1,8,fast"], ["line 2", "'fast'"]),
        (["bert,t4,4,2,8,10"], ["line 2", "nodes", "4"]),
        (["bert,t4,1,1.5,8,10"], ["line 2", "gpus", "1.5"]),
        ([",t4,1,1,8,10"], ["line 2", "model"]),
        ([], ["line 2"]),
    ],
)
def test_bad_measurements(run: Run, tmp_path: Path, lines: list[str], words: list[str]) -> None:
    measured.write(tmp_path / "bad.csv", lines)
    refused = run("fit", "bad.csv", "--out", "curves.json")
    assert refused.returncode == 2
    assert all(word in refused.stderr for word in ["bad.csv", *words]), refused.stderr
    assert not (tmp_path / "curves.json").exists()


def test_a_missing_column(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("model,nodes,gpus,local_batch,step_time_s\nbert,1,1,8,0.1\n")
    refused = run("fit", "bad.csv", "--out", "curves.json")
    assert refused.returncode == 2
    assert "'gpu_type'" in refused.stderr


@pytest.mark.parametrize("kind", ["quoted lines", "utf-16"])
def test_a_table_of_one_column_is_named_in_few_words(run: Run, tmp_path: Path, kind: str) -> None:
    text = "model,gpu_type,nodes,gpus,local_batch,throughput_examples_s\n" + "bert,t4,1,1,8,10\n" * 50
    if kind == "quoted lines":
        text = "".join(f'"{line}"\n' for line in text.splitlines())
    (tmp_path / "table.csv").write_bytes(text.encode("utf-16" if kind == "utf-16" else "utf-8"))
    refused = run("fit", "table.csv", "--out", "curves.json")
    assert refused.returncode == 2
    assert ("expected a column" if kind != "utf-16" else "in UTF-8") in refused.stderr
    assert len(refused.stderr) < 600
    assert ("commas part columns" in refused.stderr) == (kind != "utf-16")


def test_a_table_with_semicolons_is_read(run: Run, tmp_path: Path) -> None:
    text = "model,gpu_type,nodes,gpus,local_batch,throughput_examples_s\n" + "bert,t4,1,1,8,10\n" * 5
    (tmp_path / "table.csv").write_text(text.replace(",", ";"))
    assert run("fit", "table.csv", "--out", "curves.json").returncode == 0


def test_contradicting_units(run: Run, tmp_path: Path) -> None:
    header = "model,gpu_type,nodes,gpus,local_batch,throughput_examples_s,step_time_s"
    (tmp_path / "bad.csv").write_text(f"{header}\nbert,t4,1,1,8,80,100\n")  # milliseconds
    refused = run("fit", "bad.csv", "--out", "curves.json")
    assert refused.returncode == 2
    assert "units" in refused.stderr


def test_predict_refuses_an_unknown_pair(run: Run, tmp_path: Path) -> None:
    (tmp_path / "queries.csv").write_text("model,gpu_type,nodes,gpus,local_batch\nbert,t4,1,1,8\nbert,zx81,1,1,8\n")
    refused = run("predict", ROOT / "instances" / "curves.json", "queries.csv", "--out", "p.csv")
    assert refused.returncode == 2
    assert all(word in refused.stderr for word in ("line 3", "bert/zx81"))


def test_suggested_measurements_and_pictures(run: Run, tmp_path: Path) -> None:
    measured.write(tmp_path / "measured.csv")
    assert run("fit", "measured.csv", "--out", "curves.json", "--plot", "curves.html").returncode == 0
    page = (tmp_path / "curves.html").read_text()
    assert "bert/t4" in page
    assert "src=" not in page.partition("<body")[2]  # nothing to fetch
    for gpu in ("v100", "h100"):  # measured, and new
        plan = json.loads(run("suggest-measurements", "curves.json", "--model", "ncf", "--gpu", gpu, "--json").stdout)
        spread = [plan["spread_before"], *(row["spread_after"] for row in plan["measure"])]
        assert len(spread) == 4
        assert spread == sorted(spread, reverse=True)
    assert run("suggest-measurements", "curves.json", "--model", "m", "--gpu", "g", "--budget", 0).returncode == 2


def test_earlier_curves_are_the_prior_and_are_kept(run: Run, tmp_path: Path) -> None:
    rows = measured.rows()
    measured.write(tmp_path / "first.csv", [row for row in rows if not row.startswith("bert,v100")])
    few = [row for row in rows if row.startswith("bert,v100")][::9]
    measured.write(tmp_path / "second.csv", few)
    assert run("fit", "first.csv", "--out", "first.json").returncode == 0
    assert run("fit", "second.csv", "--earlier", "first.json", "--out", "both.json").returncode == 0
    names = [f"{c['model']}/{c['gpu_type']}" for c in json.loads((tmp_path / "both.json").read_text())["curves"]]
    assert names == ["bert/t4", "bert/v100", "ncf/t4"]


def test_goodput_and_time_to_a_target(run: Run, tmp_path: Path) -> None:
    measured.write(tmp_path / "measured.csv")
    assert run("fit", "measured.csv", "--out", "curves.json").returncode == 0
    header = "model,global_batch,epoch,progress,iteration,metric,grad_sqr,grad_var"
    runs = []
    for batch in (8, 32):
        for epoch in range(1, 9):  # by a noise scale of 64: a step of 32 is worth (64 + 8) / (64 / 4 + 8) = 3 of 8
            steps = 1000 * epoch / {8: 1, 32: 3}[batch]
            runs.append(f"bert,{batch},{epoch},{1000 * epoch},{steps:.6g},{90 - 40 / epoch},1,8")
    (tmp_path / "runs.csv").write_text("\n".join([header, *runs]) + "\n")
    (tmp_path / "queries.csv").write_text("model,gpu_type,nodes,gpus,local_batch\nbert,t4,1,2,8\nncf,t4,1,1,512\n")
    predicted = run(
        "predict", "curves.json", "queries.csv", "--out", "p.csv", "--convergence", "runs.csv", "--target", 80
    )
    assert predicted.returncode == 0, predicted.stderr
    bert, ncf = pl.read_csv(tmp_path / "p.csv").to_dicts()
    rate = bert["predicted_throughput_examples_s"]
    assert 0 < bert["predicted_efficiency"] <= 1
    assert bert["predicted_goodput_examples_s"] == pytest.approx(rate * bert["predicted_efficiency"])
    assert bert["predicted_time_to_target_s"] == pytest.approx(bert["predicted_examples_to_target"] / rate)
    assert str(ncf["predicted_goodput_examples_s"]) in ("nan", "NaN", "None")
    alone = run("predict", "curves.json", "queries.csv", "--out", "p.csv", "--target", 80)
    assert alone.returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("backend", ["highs", "cpsat"])
def test_interrupt_returns_the_best_plan(tmp_path: Path, backend: str) -> None:
    run = [sys.executable, "-m", "optsched"]
    curves = ROOT / "instances" / "curves.json"
    sizes = ["--jobs", "3000", "--gpus", "t4=512,v100=512,a100=256"]
    subprocess.run([*run, "generate", *sizes, "--curves", curves, "--out", "big.json"], cwd=tmp_path, check=True)
    options = ["--gap", "0", "--backend", backend, "--out", "plan.json"]
    process = subprocess.Popen([*run, "solve", "big.json", *options], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    # on a fast machine it may have ended, and on a slow one not have begun
    assert process.returncode in (0, 130)
    if process.returncode == 0:
        result = json.loads((tmp_path / "plan.json").read_text())
        assert result["status"] in ("feasible", "optimal")
        assert subprocess.run([*run, "check", "big.json", "plan.json"], cwd=tmp_path).returncode == 0


def test_the_help_is_quick_and_whole() -> None:
    """Nothing that takes long to import, and no description that is cut off."""
    code = (
        "import sys; from optsched.cli import main\n"
        "try: main()\n"
        "except SystemExit: print({name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=60)
    assert "solve" in done.stdout
    assert "..." not in done.stdout.partition("Commands:")[2]
    for slow in ("numpy", "scipy", "polars", "msgspec", "rich", "highspy", "ortools", "pyomo"):
        assert f"'{slow}'" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="pipes")
def test_a_reader_who_has_enough_is_no_negative_answer(quickstart: Path) -> None:
    command = [sys.executable, "-m", "optsched", "solve", str(quickstart), "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_without_an_answer_says_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.json")
    command = [sys.executable, "-m", "optsched", "check", "never.json", "never.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    writer = os.open(tmp_path / "never.json", os.O_WRONLY)  # from now on it reads, and nothing comes
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, said) == (130, "interrupted before there was an answer\n")
