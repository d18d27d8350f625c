"""Convergence tables: what is read, and how faults are named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from optsched.errors import InputError
from optsched.prediction.convergence import learn_convergence, read_runs

HEAD = "model,global_batch,epoch,progress,metric,grad_sqr,grad_var"
ROWS = (
    "m,64,1,10,0.5,2.0,6.0",
    "m,64,2,20,0.7,2.0,6.0",
    "m,32,2,20,0.6,2.0,6.0",
    "m,32,1,10,0.4,2.0,6.0",
    "y,8,1,10,3.0,1.0,0.0",
    "y,8,2,20,2.0,1.0,0.0",
)


def written(folder: Path, rows: tuple[str, ...] = ROWS, head: str = HEAD) -> Path:
    path = folder / "runs.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_runs_by_model_and_batch(tmp_path: Path) -> None:
    runs = read_runs(written(tmp_path), smaller_is_better=["y"])
    assert [r.batch for r in runs["m"]] == [32, 64]
    assert runs["m"][0].base_batch == runs["m"][1].base_batch == 32
    assert runs["m"][0].metric == pytest.approx([0.4, 0.6])
    assert runs["m"][0].noise_scale == pytest.approx([96, 96])
    assert runs["y"][0].metric == pytest.approx([-3, -2])
    assert runs["y"][0].sign == -1
    # without counters: 10 units at batch 64 take 10 x 32 / efficiency = 320 x 160 / 128 examples
    assert runs["m"][1].examples == pytest.approx([400, 800])


@pytest.mark.parametrize(("name", "factor"), [("iteration", 64.0), ("examples", 1.0)])
def test_counters_are_read(tmp_path: Path, name: str, factor: float) -> None:
    rows = tuple(f"{row},{7 * (i + 1)}" for i, row in enumerate(ROWS[:2]))
    assert read_runs(written(tmp_path, rows, f"{HEAD},{name}"))["m"][0].examples == pytest.approx(
        [7 * factor, 14 * factor]
    )


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("m,64,3,30,high,2.0,6.0", "line 8, column metric: found 'high', expected a finite number"),
        ("m,64,3,30,0.8,0.0,6.0", "line 8, column grad_sqr"),
        ("m,64,3,30,0.8,1.0,-6.0", "line 8, column grad_var"),
        ("m,0,3,30,0.8,1.0,6.0", "line 8, column global_batch"),
        ("m,64,3,15,0.8,1.0,6.0", "line 8, column progress: found 15, expected more than the 20"),
        ("m,64,2,30,0.8,1.0,6.0", "column epoch"),
        (",64,3,30,0.8,1.0,6.0", "line 8, column model"),
    ],
)
def test_faults_are_named(tmp_path: Path, row: str, named: str) -> None:
    path = written(tmp_path, (*ROWS, row))
    with pytest.raises(InputError, match=named) as caught:
        read_runs(path, smaller_is_better=["y"])
    assert str(path) in str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a column 'grad_var'"):
        read_runs(written(tmp_path, tuple(r.rpartition(",")[0] for r in ROWS), HEAD.removesuffix(",grad_var")))


def test_the_direction_of_the_metric_must_be_right(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'y': expected one that gets better; it falls in 1 of 1 runs"):
        read_runs(written(tmp_path))
    with pytest.raises(InputError, match="one of the models m, y"):
        read_runs(written(tmp_path), smaller_is_better=["z"])


@pytest.mark.skipif("OPTSCHED_DATA" not in os.environ, reason="OPTSCHED_DATA names no folder")
def test_real_runs() -> None:
    path = Path(os.environ["OPTSCHED_DATA"]) / "curves.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    models = read_runs(path, smaller_is_better=["yolov3"])
    runs = models["cifar10"]
    rest = {**models, "cifar10": runs[:-1]}
    known = learn_convergence(rest, only=["cifar10"])["cifar10"]
    left = runs[-1]
    got = known.forecast(left.until(0.25 * left.now), left.examples[-1])
    assert np.abs(got.metric[0] / left.metric[-1] - 1) < 0.05
