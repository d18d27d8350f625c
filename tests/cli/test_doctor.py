"""``optsched doctor``, and the library of instances where there is no clone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optsched.bench.library import packaged
from optsched.cli.commands import doctor as doctor_module


def test_doctor_tests_every_solver(run) -> None:
    done = run("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ok"]
    assert [test["test"] for test in found["tests"]] == ["highs", "cpsat", "pyomo", "prices"]
    assert {"highspy", "ortools", "python", "optsched"} <= found["versions"].keys()
    assert {"dask", "plot", "ray", "serve"} <= found["extras"].keys()


def test_doctor_says_what_fails(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> str:
        raise OSError("the library is not there")

    monkeypatch.setattr(doctor_module, "_solves", broken)
    done = run("doctor")
    assert done.returncode == 1
    assert "test highs: OSError: the library is not there" in done.stdout
    assert "some tests failed" in done.stdout


def test_instances_without_a_clone(run, tmp_path: Path) -> None:
    """The command runs in a folder without instances."""
    listed = run("instances", "--json")
    assert listed.returncode == 0, listed.stderr
    names = {row["instance"] for row in json.loads(listed.stdout)}
    assert {"quickstart", "micro/restart"} <= names
    for name in ("quickstart", "micro/restart"):
        assert run("instances", "--make", name, "--out", "made.json").returncode == 0
        assert (tmp_path / "made.json").read_bytes() == (packaged() / f"{name}.json").read_bytes()
