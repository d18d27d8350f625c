"""The catalogue, what reaching a quality costs, and tables of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optsched.advise.catalogue import Model, from_timm, load_catalogue, shipped, write_catalogue
from optsched.advise.discover import discover
from optsched.cli import answer
from optsched.errors import InputError

IMAGES = "image classification"


def model(name: str, quality: float, rate: float, **more: object) -> Model:
    return Model(
        name=name,
        task="sorting",
        quality=quality,
        epochs=10,
        examples_per_epoch=3.6e6,
        gpu_type="rtx 3090",
        examples_s=rate,
        **more,  # type: ignore[arg-type]
    )


OWN = (model("slow", 90.0, 100.0), model("fast", 80.0, 1000.0), model("middle", 85.0, 500.0, epochs_known=False))


def test_the_catalogue_is_whole() -> None:
    catalogue = shipped()
    assert len(catalogue) >= 60
    assert len({one.name for one in catalogue}) == len(catalogue)
    assert all(one.source and one.examples_s > 0 and 50 < one.quality < 91 for one in catalogue)


def test_cost_is_examples_over_rate_times_price() -> None:
    found = discover(OWN, "Sorting", accuracy=84, gpu_type="RTX 3090", hourly_price=2.0)
    assert [one.model.name for one in found.models] == ["middle", "slow"]
    assert [one.cost for one in found.models] == pytest.approx([40.0, 200.0])
    assert [one.time_s for one in found.models] == pytest.approx([72_000, 360_000])
    middle, slow = found.models
    assert middle.cost_high / middle.cost_low > slow.cost_high / slow.cost_low


def test_a_moved_rate_has_a_wider_interval() -> None:
    here = discover(OWN, "sorting", hourly_price=1.0).models[0]
    there = discover(OWN, "sorting", gpu_type="h100", hourly_price=1.0).models[0]
    assert there.moved
    assert there.examples_s == pytest.approx(here.examples_s * 3.35 / 0.936)
    assert there.time_high_s / there.time_low_s > here.time_high_s / here.time_low_s


def test_what_is_over_the_budget_is_named() -> None:
    found = discover(OWN, "sorting", accuracy=84, budget=10.0, hourly_price=2.0)
    assert found.models == ()
    assert discover(OWN, "sorting", budget=20.0, hourly_price=2.0).models[0].chance == 0.5
    assert found.over_budget is not None
    assert found.over_budget.model.name == "middle"
    beyond = discover(OWN, "sorting", accuracy=99, hourly_price=2.0)
    assert (beyond.models, beyond.over_budget, beyond.best_quality) == ((), None, 90.0)
    assert any("no model" in note for note in beyond.notes)


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="a task of the catalogue: image classification"):
        discover(shipped(), "image classfication")
    with pytest.raises(InputError, match="a GPU type whose data are known"):
        discover(OWN, "sorting", gpu_type="abacus", hourly_price=1.0)


def test_a_catalogue_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_catalogue(shipped(), tmp_path / "all.csv")
    assert load_catalogue(tmp_path / "all.csv") == shipped()


def test_timm_tables_are_read(tmp_path: Path) -> None:
    results = [
        "net.a1_in1k,288,81,25.5",
        "net.a3_in1k,224,78,25.5",
        "net.in21k_ft_in1k,224,84,25.5",
        "net.x_in1k,448,83,9",
    ]
    (tmp_path / "results.csv").write_text("\n".join(["model,img_size,top1,params_m", *results]) + "\n")
    (tmp_path / "rates.csv").write_text("model,train_samples_per_sec,train_img_size\nnet,1200,224\nelse,5,224\n")
    (one,) = from_timm(tmp_path / "results.csv", tmp_path / "rates.csv")
    assert (one.name, one.quality, one.epochs, one.epochs_known, one.examples_s) == ("net.a1_in1k", 81, 600, True, 1200)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["discover", "--task", IMAGES, "--accuracy", "80", "--budget", "60", "--gpu", "rtx 3090"]
    assert answer([*wanted, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(one["model"]["quality"] >= 80 and one["cost_low"] <= 60 for one in found["models"])
    costs = [one["cost"] for one in found["models"]]
    assert costs == sorted(costs)
    assert answer(wanted) == 0
    said = capsys.readouterr()
    assert "optsched advise --model" in said.out
    assert "assumed prices" in said.err
    assert answer([*wanted[:-4], "--budget", "0.01"]) == 1
    assert "no model within the budget" in capsys.readouterr().out
    table = tmp_path / "mine.csv"
    table.write_text("name,task,quality,gpu_type,examples_s,epochs,examples_per_epoch\nx,sums,1,t4,10,1,100\n")
    assert answer(["discover", "--task", "sums", "--catalogue", str(table), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][0]["time_s"] == 10


def test_a_discovered_model_is_advised(capsys: pytest.CaptureFixture[str]) -> None:
    found = discover(shipped(), IMAGES, accuracy=81, gpu_type="v100", hourly_price=1.0).models[0]
    assert answer(["advise", *found.advise, "--json"]) == 0
    advice = json.loads(capsys.readouterr().out)
    assert advice["recommended"]["gpu_type"] == "v100"
    assert any("catalogue" in note for note in advice["notes"])
    alone = [one for one in advice["front"] if one["gpus"] == 1]
    assert alone
    assert alone[0]["throughput_examples_s"] == pytest.approx(found.examples_s, rel=0.1)
