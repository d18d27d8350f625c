"""Tables with the usual names of columns, units in headers, and other spellings of GPU types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optsched.errors import InputError
from optsched.prediction.curves.columns import same_type, translated
from tests.conftest import Run
from tests.support import measured


def rows_of(content: bytes) -> list[dict[str, str]]:
    header, *lines = (line.split(",") for line in content.decode().splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_our_own_tables_stay_as_they_are() -> None:
    content = "\n".join([measured.HEADER, *measured.rows()]).encode()
    assert translated(content, {}) == (type(translated(content, {})))(content)


def test_usual_names_units_and_spellings() -> None:
    text = "Model,GPU,n_gpus,batch_size,step_ms\nbert,V100,1,8,100\nbert,v100,2,8,110\nbert,V100,4,8,120\n"
    found = translated(text.encode(), {})
    assert [row["gpu_type"] for row in rows_of(found.content)] == ["V100"] * 3
    assert [row["step_time_s"] for row in rows_of(found.content)] == ["0.1", "0.11", "0.12"]
    assert {row["nodes"] for row in rows_of(found.content)} == {"1"}
    assert "GPU type v100 = V100" in found.notes
    assert "column 'GPU' is gpu_type" in found.notes
    assert "GPU type V100 = v100" in translated(text.encode(), {}, ("v100",)).notes


@pytest.mark.parametrize(
    "header", ["samples/sec", "Samples / s", "images_per_sec", "throughput (samples/s)", "img/s", "examples/second"]
)
def test_names_of_throughputs(header: str) -> None:
    text = f"model,gpu_type,nodes,gpus,global_batch,{header}\nbert,v100,1,2,16,100\n"
    (row,) = rows_of(translated(text.encode(), {}).content)
    assert (row["throughput_examples_s"], row["local_batch"]) == ("100", "8")


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(InputError) as error:
        translated(b"model,gpu_kind,gpus,speed\nbert,v100,1,5\n", {"model": "model"})
    said = str(error.value)
    assert all(
        word in said for word in ("'gpu_type' (is it 'gpu_kind'?)", "'local_batch'", "'throughput_examples_s'", "--map")
    )


def test_a_map_that_is_wrong() -> None:
    for mapping in ({"gpu_type": "Card"}, {"colour": "model"}):
        with pytest.raises(InputError, match="OURS=THEIRS"):
            translated(b"model,GPU\nbert,v100\n", mapping)


def test_one_type_has_many_spellings() -> None:
    assert {same_type(name) for name in ("V100", "v100", "NVIDIA V100", "Tesla-V100", "nvidia tesla v100")} == {"v100"}
    assert same_type("A100-40GB") != same_type("A100-80GB")


def test_fit_reads_them(run: Run, tmp_path: Path) -> None:
    lines = [line.split(",") for line in measured.rows()]
    table = [f"{m},{t.upper() if k % 2 else t},{n},{g},{b},{r}" for k, (m, t, n, g, b, r) in enumerate(lines)]
    (tmp_path / "mine.csv").write_text("\n".join(["net,GPU,hosts,num_gpus,batch size,samples/sec", *table]) + "\n")
    done = run("fit", "mine.csv", "--map", "model=net", "--out", "c.json")
    assert done.returncode == 0, done.stderr
    assert "column 'samples/sec' is throughput_examples_s" in done.stderr
    assert len({c["gpu_type"] for c in json.loads((tmp_path / "c.json").read_text())["curves"]}) == 2
    table[3] = table[3].rsplit(",", 1)[0] + ",fast"
    (tmp_path / "mine.csv").write_text("\n".join(["net,GPU,hosts,num_gpus,batch size,samples/sec", *table]) + "\n")
    refused = run("fit", "mine.csv", "--map", "model=net", "--out", "d.json")
    assert refused.returncode == 2
    assert "mine.csv: line 5, column throughput_examples_s" in refused.stderr
