"""The benchmark runs on the measured data, where they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.server_measurements import data, needs_data

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@needs_data
def test_prediction_servers() -> None:
    command = [
        sys.executable,
        str(BENCHMARKS / "prediction_servers.py"),
        "--quick",
        "--data",
        str(data("ps.csv").parent),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ours (mean of forms)" in done.stdout


@needs_data
def test_accuracy() -> None:
    command = [sys.executable, str(BENCHMARKS / "accuracy.py"), "--quick", "--data", str(data("curves.csv").parent)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Brier score" in done.stdout


@needs_data
def test_advise_and_mlperf() -> None:
    for script, file, said in (("advise.py", "throughput.csv", "regret"), ("mlperf.py", "mlperf.csv", "not verified")):
        command = [sys.executable, str(BENCHMARKS / script), "--quick", "--data", str(data(file).parent)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
