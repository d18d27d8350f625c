"""Places and rates on the screen, models as files, and what builders may be told."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

import optsched
from tests.conftest import ROOT, Run
from tests.support.placement_instances import made


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Return an instance whose best plan has a job with a parameter server on three servers."""
    optsched.save(made(2, "network"), tmp_path / "network.json")
    return tmp_path / "network.json"


def test_places_and_rates_are_shown_and_checked(run: Run, network: Path, tmp_path: Path) -> None:
    solved = run("solve", network, "--out", "plan.json")
    assert solved.returncode == 0, solved.stderr
    plan = json.loads((tmp_path / "plan.json").read_text())
    (job,) = plan["allocations"]
    header, row = (line.split("  ") for line in solved.stdout.splitlines()[:2])
    assert [cell.strip() for cell in header if cell.strip()][-4:] == [
        "Gb/s",
        "examples/s",
        "progress",
        "GPUs on servers",
    ]
    (host,) = job["server_placement"]
    shown = ", ".join(f"{count} on {name}" for name, count in sorted(job["placement"].items(), key=lambda p: -p[1]))
    assert row[-1].strip() == f"{shown}; PS on {host}"
    assert f"{job['gbps']:.4g}" in "  ".join(row).split()
    assert "up-r1" in solved.stdout
    assert "fullest network of a server" in solved.stdout
    assert run("check", network, "plan.json").returncode == 0

    plan["allocations"][0]["gbps"] *= 1.5
    (tmp_path / "faster.json").write_text(json.dumps(plan))
    refused = run("check", network, "faster.json")
    assert refused.returncode == 1
    assert "cross it" in refused.stdout


def test_equal_pieces_are_folded_and_unmeasured_curves_named(run: Run, tmp_path: Path) -> None:
    instance = optsched.load(ROOT / "instances" / "micro" / "shared-link.json")
    shown = run("solve", ROOT / "instances" / "micro" / "shared-link.json").stdout
    assert "1 each on s1 s2" in shown
    assert "reference_gbps" not in shown
    curve = msgspec.structs.replace(instance.curves["ring"], reference_gbps=None)
    optsched.save(msgspec.structs.replace(instance, curves={"ring": curve}), tmp_path / "unmeasured.json")
    shown = run("solve", "unmeasured.json").stdout
    assert "waits: a" in shown
    assert "reference_gbps" in shown


@pytest.mark.parametrize("kind", ["mps", "lp"])
def test_export(run: Run, network: Path, tmp_path: Path, kind: str) -> None:
    written = run("export", network, "--out", f"m.{kind}", "--exclude", "merge, domains", "--encoding", "incremental")
    assert written.returncode == 0, written.stderr
    assert "formulation network" in written.stdout
    text = (tmp_path / f"m.{kind}").read_text()
    assert "encoding incremental; without domains, merge" in text
    assert ("x[" if kind == "mps" else "x(") in text
    told = json.loads(run("export", network, "--out", f"m.{kind}", "--json").stdout)
    assert told["factor"] == (-1 if kind == "mps" else 1)
    assert told["integers"] < told["columns"]


def test_export_of_counts(run: Run, quickstart: Path, tmp_path: Path) -> None:
    assert run("export", quickstart, "--out", "m.pb", "--objective", "max-min").returncode == 0
    assert (tmp_path / "m.pb").stat().st_size > 0
    assert run("export", quickstart, "--out", "m.mps").returncode == 0
    assert "minus_objective" in (tmp_path / "m.mps").read_text()


def test_choices_reach_the_model(run: Run, network: Path, quickstart: Path) -> None:
    plain = json.loads(run("solve", network, "--json").stdout)
    told = json.loads(run("solve", network, "--json", "--encoding", "logarithmic", "--exclude", "patterns").stdout)
    assert told["value"] == pytest.approx(plain["value"], rel=1e-3)
    assert any("logarithmic" in note for note in told["notes"])
    counted = run("solve", quickstart, "--json", "--formulation", "allocation", "--encoding", "incremental")
    assert any("incremental" in note for note in json.loads(counted.stdout)["notes"])


def test_formulations_name_their_choices(run: Run) -> None:
    listed = {f["name"]: f for f in json.loads(run("formulations", "--json").stdout)}
    assert "merge" in listed["network"]["cuts"]
    assert "segments" in listed["allocation"]["encodings"]
    assert "network --exclude: merge" in run("formulations").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solve", "NETWORK", "--encoding", "gray"], ["encoding", "'gray'", "logarithmic"]),
        (["solve", "NETWORK", "--exclude", "merge,C8"], ["exclude", "'C8'", "patterns"]),
        (["solve", "QUICKSTART", "--encoding", "incremental"], ["--formulation"]),
        (["solve", "QUICKSTART", "--formulation", "configuration", "--exclude", "C2"], ["'C2'", "has none"]),
        (["solve", "QUICKSTART", "--formulation", "prices", "--exclude", "C2"], ["'prices'", "configuration"]),
        (["export", "NETWORK", "--out", "m.txt"], [".mps", ".pbtxt"]),
        (["export", "NETWORK", "--out", "m.pb"], ["no form", ".mps, .lp"]),
        (["export", "NETWORK", "--out", "m.mps", "--formulation", "placement"], ["decides on network"]),
        (["export", "QUICKSTART", "--out", "m.mps", "--formulation", "magic"], ["'magic'", "configuration"]),
        (["export", "QUICKSTART", "--out", "m.mps", "--objective", "progress,cost"], ["one objective"]),
        (["export", "QUICKSTART", "--out", "no/such/m.mps"], ["no/such/m.mps"]),
        (["export", "missing.json", "--out", "m.mps"], ["missing.json"]),
    ],
)
def test_what_is_refused(
    run: Run, network: Path, quickstart: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    known = {"NETWORK": str(network), "QUICKSTART": str(quickstart)}
    refused = run(*(known.get(a, a) for a in arguments))
    assert refused.returncode == 2
    assert all(word in refused.stderr for word in words), refused.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["network.json"]
