"""A formulation from a package of its own: installed by pip, found through its entry point, and solved."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import setuptools

from optsched.instance import save
from optsched.problem.formulation import formulations
from tests.support.builders import instance, job

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "support" / "plugin"
NEW_ENOUGH = tuple(map(int, setuptools.__version__.split(".")[:2])) >= (70, 1)
"""setuptools builds wheels by itself from 70.1 on; before that it needs the package wheel."""

USE = """
import sys
import optsched
from optsched.problem.formulation import DEFAULT, formulations
print(*sorted(formulations()))
case = optsched.load(sys.argv[1])
result = optsched.solve(case, formulation="one-gpu")
print(result.formulation, result.status, result.value, *(f"{a.job}:{a.gpus}" for a in result.allocations))
print(*result.notes)
from optsched.solvers import Limits, RunContext
from optsched.solvers import highs
from optsched.problem.build import build_problem
problem = build_problem(case)
built = formulations()["one-gpu"].forms["linear"](problem, DEFAULT)
rows = built.read(highs.solve(built.model, RunContext(Limits())).values).rows
print(*problem.configurations.columns.gpus[rows])
try:
    optsched.solve(case, formulation="one-gpu", objective="max-min")
except optsched.InputError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the package into a folder of its own, from a copy, so that nothing is left in the tests."""
    if not NEW_ENOUGH and importlib.util.find_spec("wheel") is None:
        pytest.skip(f"setuptools {setuptools.__version__} cannot build a wheel without the package wheel")
    source = tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(PLUGIN, source)
    target = tmp_path_factory.mktemp("target")
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_a_formulation_of_another_package(installed, tmp_path):
    """Three jobs on four GPUs: the model gives one to each; the facade hands out the fourth."""
    save(instance(job("a", weight=3.0), job("b", weight=2.0), job("c")), tmp_path / "instance.json")
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", USE, str(tmp_path / "instance.json")]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    listed, found, _, gpus, refused = done.stdout.splitlines()
    assert listed.split() == ["allocation", "configuration", "network", "one-gpu", "placement"]
    assert found.startswith("one-gpu feasible"), "its plans are good, its bound is loose"
    assert gpus == "1 1 1"
    assert "another formulation than one-gpu: it adds values up" in refused


def test_it_is_not_there_without_being_installed():
    assert set(formulations()) >= {"allocation", "configuration"}
    assert "one-gpu" not in formulations()


SOUND = """
from optsched.problem.formulation import Formulation, Support

def build(problem, options):
    raise ZeroDivisionError("no model today")

FORMULATION = Formulation("fails", "nothing", lambda problem: Support(True), {"linear": build})
"""


def test_a_broken_package_is_named_and_stops_nothing_else(tmp_path):
    """Three entry points of a package: one raises as it is loaded, one is nothing, one builds no model."""
    (tmp_path / "broken-1.0.dist-info").mkdir()
    (tmp_path / "broken-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    points = "[optsched.formulations]\nraises = raising:X\nnothing = json:dumps\nfails = failing:FORMULATION\n"
    (tmp_path / "broken-1.0.dist-info" / "entry_points.txt").write_text(points)
    (tmp_path / "raising.py").write_text("raise RuntimeError('not today')\n")
    (tmp_path / "failing.py").write_text(SOUND)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}

    def run(*arguments):
        command = [sys.executable, "-m", "optsched", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    quickstart = "instances/quickstart.json"
    for words in (["solve", quickstart], ["formulations"], ["bench", "run", quickstart, "--out", f"{tmp_path}/t.csv"]):
        done = run(*words, *(["--formulations", "configuration,fails"] if words[0] == "bench" else []))
        assert done.returncode == (1 if words[0] == "bench" else 0), done.stderr
        assert "raises = raising:X is left out: it cannot be loaded (RuntimeError: not today)" in done.stderr
        assert "nothing = json:dumps is left out: it is no Formulation but <function dumps" in done.stderr
    assert "configuration" in (tmp_path / "t.csv").read_text()
    done = run("solve", quickstart, "--formulation", "raises")
    assert (done.returncode, "not today" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    done = run("solve", quickstart, "--formulation", "fails")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "error: formulation fails is broken (ZeroDivisionError: no model today)" in done.stderr
