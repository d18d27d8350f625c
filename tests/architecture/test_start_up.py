"""Libraries that take long to import load when they are used: a small instance is solved without any of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SLOW = ["altair", "highspy", "networkx", "ortools", "polars", "pyomo", "scipy", "starlette"]
CODE = f"""
import sys
from optsched.cli import answer
code = answer({{arguments}})
print("loaded:", sorted(set({SLOW}) & set(sys.modules)), code)
"""


def loaded(*arguments):
    run = subprocess.run(
        [sys.executable, "-c", CODE.format(arguments=list(arguments))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return run.stdout.splitlines()[-1]


def test_a_small_instance_is_solved_without_slow_imports():
    assert loaded("solve", "instances/quickstart.json") == "loaded: [] 0"


def test_help_loads_nothing_slow():
    assert loaded("--help") == "loaded: [] 0"
