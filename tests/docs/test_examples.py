"""Every shell and Python example of the pages runs as it stands."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from optsched.curves import Points
from optsched.curves.fitted import load_curves

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("instances/*.md")])


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the instances and a table of measurements, as the examples expect them."""
    shutil.copytree(ROOT / "instances", tmp_path / "instances")
    rows = ["model,gpu_type,nodes,gpus,local_batch,throughput_examples_s"]
    noise = np.random.default_rng(0)
    for fitted in load_curves(ROOT / "instances" / "curves.json").curves:
        for gpus in range(1, 9):
            nodes = -(-gpus // 4)
            batch = fitted.local_batches[0]
            rate = fitted.curve.throughput(Points.of(gpus, nodes=nodes, local_batch=batch))[0]
            rate *= np.exp(0.03 * noise.standard_normal())
            rows.append(f"{fitted.model},{fitted.gpu_type},{nodes},{gpus},{batch:g},{rate}")
    (tmp_path / "measurements.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "queries.csv").write_text("\n".join(r.rpartition(",")[0] for r in rows[:20]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_shell(page: Path, place: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.M | re.S):
        for line in block.splitlines():
            done = subprocess.run(line, shell=True, cwd=place, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python(page: Path, place: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
