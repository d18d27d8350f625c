"""What is imported when, each in a fresh process: both orders of the solvers, and none before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from optsched.instance import save
from tests.support.builders import instance, job

ROOT = Path(__file__).parents[2]
SOLVERS = ("highspy", "ortools", "pyomo")

SOLVE = """
import sys
order = sys.argv[1].split(",")
for name in order:
    __import__({"highspy": "highspy", "ortools": "ortools.sat.python.cp_model"}[name])
import optsched
case = optsched.load(sys.argv[2])
for backend in ("highs", "cpsat") if order[0] == "highspy" else ("cpsat", "highs"):
    result = optsched.solve(case, backend=backend)
    print(backend, result.status, format(result.value, ".6f"))
"""

LOADED = """
import sys
import optsched
if len(sys.argv) > 1:
    optsched.load(sys.argv[1])
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"highspy", "ortools", "pyomo"}))
"""


def run(code, *arguments):
    """Run code in a fresh interpreter and return what it prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def file(tmp_path):
    """Return an instance file: two jobs of Amdahl's curve on 4 GPUs, 1.6 + 1.6 at the best."""
    save(instance(job("a"), job("b")), tmp_path / "instance.json")
    return tmp_path / "instance.json"


@pytest.mark.parametrize("order", ["highspy,ortools", "ortools,highspy"])
def test_both_solvers_work_in_one_process(order, file):
    lines = sorted(run(SOLVE, order, file))
    assert lines == ["cpsat optimal 3.200000", "highs optimal 3.200000"]


def test_importing_and_loading_bring_no_solver(file):
    assert run(LOADED) == [""]
    assert run(LOADED, file) == [""]


def test_solvers_are_loaded_in_processes_of_their_own(file):
    code = LOADED.replace("optsched.load(sys.argv[1])", "optsched.solve(optsched.load(sys.argv[1]), backend='highs')")
    assert run(code, file) == [""]
