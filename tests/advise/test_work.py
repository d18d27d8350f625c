"""The work: examples, or a target that earlier runs reached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optsched.advise.work import Work
from optsched.errors import InputError

HEADER = "model,global_batch,epoch,progress,metric,grad_sqr,grad_var"


def runs(path: Path) -> Path:
    """Write runs of a model whose metric rises, and of one whose metric is a loss."""
    lines = [HEADER]
    for batch in (32, 128):
        for epoch in range(1, 7):
            progress = epoch * 1000 * (32 / batch) ** 0.1
            lines.append(f"up,{batch},{epoch},{progress:.1f},{80 + 2 * epoch},1,20")
            lines.append(f"down,{batch},{epoch},{progress:.1f},{5 - epoch / 2},1,20")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_target_takes_more_examples_at_a_larger_batch(tmp_path: Path) -> None:
    work = Work.of("up", None, 88.0, runs(tmp_path / "runs.csv"))
    needed = work.examples(np.array([32.0, 128.0, 4096.0]))
    assert np.all(np.diff(needed.examples) > 0)
    assert np.all(np.diff(needed.efficiency) < 0)
    assert np.all(needed.deviation > 0)


def test_a_loss_is_named_for_the_model_alone(tmp_path: Path) -> None:
    table = runs(tmp_path / "runs.csv")
    assert Work.of("down", None, 3.0, table, smaller_is_better=True).target == 3.0
    with pytest.raises(InputError, match="metric of model 'down'"):
        Work.of("down", None, 3.0, table)


def test_examples_are_at_the_efficiency_of_the_smallest_batch(tmp_path: Path) -> None:
    work = Work.of("up", 1e6, None, runs(tmp_path / "runs.csv"))
    needed = work.examples(np.array([32.0, 128.0]))
    assert needed.examples == pytest.approx(1e6 / needed.efficiency)
    assert Work.of("any", 5.0, None, None).examples(np.array([8.0])).examples.tolist() == [5.0]


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    table = runs(tmp_path / "runs.csv")
    with pytest.raises(InputError, match="the best is 92"):
        Work.of("up", None, 99.0, table)
    with pytest.raises(InputError, match="runs of model 'other'"):
        Work.of("other", None, 99.0, table)
    with pytest.raises(InputError, match="either --target or --examples"):
        Work.of("up", 1.0, 88.0, table)
    with pytest.raises(InputError, match="--convergence"):
        Work.of("up", None, 88.0, None)
