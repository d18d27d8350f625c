"""Minutes to quality over numbers of accelerators: reading, predicting the largest, intervals, the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optsched.cli import answer
from optsched.errors import InputError
from optsched.prediction.scaling_series import fit, predict, read_series, read_systems
from optsched.prediction.scaling_series.fit import agreeing, series_of
from optsched.prediction.scaling_series.systems import accelerator_of, accelerators_of, machine_of
from tests.support.server_measurements import data, needs_data

HEADER = "submitter,system,benchmark,platform,global_batch,minutes_to_quality,throughput"


def minutes(nodes: int, batch: float, work: float) -> tuple[float, float]:
    """Return minutes and examples/s of a system by the formula, with constants of its own."""
    examples = work * (1 + batch / 256 / 6.0)
    rate = 100 * nodes / (1 + nodes / (batch / 256) / 8.0)
    return examples / rate / 60, rate


def rows(sizes: tuple[int, ...] = (1, 2, 4, 8, 16)) -> list[str]:
    made = []
    for submitter, work in (("one", 1e5), ("two", 1e5), ("three", 1e5)):
        for benchmark, factor in (("bert", 1.0), ("vision", 4.0)):
            for nodes in sizes:
                batch = 256 * max(1, nodes // 4)
                took, rate = minutes(nodes, batch, work * factor)
                made.append(
                    f"{submitter},rack_n{nodes},{benchmark},{nodes}xNVIDIA HGX H200,{batch},{took:.4f},{rate:.4f}"
                )
    return made


def written(path: Path, lines: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("system", "platform", "accelerator", "count"),
    [
        ("tyche_ngpu512_ngc25.04_nemo", "128xNVIDIA GB200", "GB200", 512),
        ("eos-dfw_n64_ngc25.01_nemo", "64xNVIDIA HGX H100", "H100", 512),
        ("8xXE9712x4GB200", "8xXE9712x4GB200", "GB200", 32),
        ("2xXE9680Lx8H200", "2xXE9680Lx8H200-SXM-141GB", "H200", 16),
        ("MI300X-LLMBoost-4node", "4xMI300X", "MI300X", 32),
        ("box", "box", "", 8),
    ],
)
def test_names_tell_accelerators(system: str, platform: str, accelerator: str, count: int) -> None:
    assert (accelerator_of(system, platform), accelerators_of(system, platform)) == (accelerator, count)


def test_sizes_of_one_machine_are_one() -> None:
    assert machine_of("a", "tyche_ngpu8_ngc25.04_nemo") == machine_of("a", "tyche_ngpu512_ngc25.04_pytorch")
    assert machine_of("a", "hpf_n8") == machine_of("a", "hpf_n16")
    assert machine_of("a", "hpf_n8") != machine_of("b", "hpf_n8")


def test_the_largest_is_predicted_from_the_smaller(tmp_path: Path) -> None:
    everything = read_series(written(tmp_path / "all.csv", rows()))
    largest = [row for row in everything if row.system.accelerators == 128]
    known = fit([row for row in everything if row.system.accelerators < 128])
    middle, low, high = predict(known, [row.system for row in largest])
    true = np.array([row.minutes for row in largest])
    assert np.all(np.abs(middle / true - 1) < 0.12)
    assert np.all((low < true) & (true < high))
    smallest = predict(known, [row.system for row in everything if row.system.accelerators == 8])
    assert np.all(smallest[2] / smallest[1] < high / low)


def test_a_series_alone_is_enough(tmp_path: Path) -> None:
    few = read_series(written(tmp_path / "few.csv", rows((1, 2))[:2]))
    _, systems = read_systems(written(tmp_path / "asked.csv", [rows((4,))[0]]))
    middle, low, high = predict(fit(few), systems)
    assert low[0] < middle[0] < high[0]
    assert middle[0] < few[1].minutes


def test_throughputs_that_contradict_the_minutes_are_left_out(tmp_path: Path) -> None:
    lines = rows()
    lines[3] = lines[3].rpartition(",")[0] + ",9"
    kept = agreeing(read_series(written(tmp_path / "odd.csv", lines)))
    assert [k for k, row in enumerate(kept) if row.throughput is None] == [3]
    assert len(series_of(kept)) == 6


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2, column minutes_to_quality: found '0', expected a number > 0"):
        read_series(written(tmp_path / "zero.csv", ["a,s,bert,1xH100,8,0,"]))
    with pytest.raises(InputError, match="platform"):
        read_systems(written(tmp_path / "short.csv", ["bert,8"], "benchmark,global_batch"))


def test_the_command_line_says_what_is_not_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, curves, out = written(tmp_path / "t.csv", rows()), tmp_path / "c.json", tmp_path / "p.csv"
    assert answer(["fit", str(table), "--out", str(curves)]) == 0
    assert "not verified by MLCommons" in capsys.readouterr().err
    assert answer(["predict", str(curves), str(table), "--out", str(out)]) == 0
    assert "not verified by MLCommons" in capsys.readouterr().err
    name = "predicted_minutes_to_quality"
    found = pl.read_csv(out)
    assert ((found[f"{name}_low"] < found[name]) & (found[name] < found[f"{name}_high"])).all()
    assert answer(["advise", "--curves", str(curves), "--model", "x"]) == 2


@needs_data
def test_public_results_are_predicted_within_the_goal() -> None:
    known = fit(read_series(data("mlperf.csv")))
    assert known.series >= 30
    assert known.unseen_error is not None
    assert known.unseen_error < 12
