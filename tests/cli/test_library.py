"""``optsched instances`` and the networks of ``optsched generate``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from optsched import load
from optsched.cli.commands.library import generate, instances
from optsched.errors import InputError

LIBRARY = Path(__file__).resolve().parents[2] / "instances"


def listed(capsys: pytest.CaptureFixture[str], folder: Path, *tags: str) -> dict[str, Any]:
    assert instances(folder, list(tags), as_json=True) == 0
    return {row["instance"]: row for row in json.loads(capsys.readouterr().out)}


def test_instances_by_tags(capsys: pytest.CaptureFixture[str]) -> None:
    known = listed(capsys, LIBRARY, "micro", "network")
    assert "micro/incast" in known
    assert all(row["decides"] == "network" for row in known.values())
    assert listed(capsys, LIBRARY / "micro", "network") == known
    assert listed(capsys, LIBRARY, "micro", "hard") == {}
    with pytest.raises(InputError, match="one of micro"):
        instances(LIBRARY, ["huge"])


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert instances(LIBRARY / "micro", ["easy"]) == 0
    assert "micro/affinity" in capsys.readouterr().out


def test_a_changed_file_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("best-known.json", "micro", "solutions"):
        source = LIBRARY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    assert instances(tmp_path, verify=True) == 1
    assert "quickstart.json: the file is not there" in capsys.readouterr().out
    assert instances(tmp_path / "micro", verify=True, as_json=True) == 0
    shutil.copy(LIBRARY / "quickstart.json", tmp_path / "micro" / "new.json")
    text = (tmp_path / "micro" / "affinity.json").read_text()
    (tmp_path / "micro" / "affinity.json").write_text(text + "\n")
    capsys.readouterr()
    assert instances(tmp_path / "micro", verify=True, as_json=True) == 1
    wrong = json.loads(capsys.readouterr().out)
    assert {name for name, reasons in wrong.items() if reasons} == {"micro/affinity.json", "micro/new.json"}


def test_making_by_a_recipe(tmp_path: Path) -> None:
    assert instances(LIBRARY, make="racks-10", out=tmp_path / "made.json") == 0
    made = load(tmp_path / "made.json")
    assert (len(made.jobs), made.decides) == (10, "network")
    with pytest.raises(InputError, match="--make"):
        instances(LIBRARY, make="racks-11", out=tmp_path / "made.json")


def test_generated_networks(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"jobs": 4, "gpus": "t4=16", "curves": LIBRARY / "curves.json", "seed": 1}
    network: dict[str, Any] = {"racks": 2, "gbps": 10.0, "oversubscription": 2.0, "server_gpus": 4}
    network["decides"] = "placement"
    assert generate(out=tmp_path / "a.json", **sizes, **network) == 0
    made = load(tmp_path / "a.json")
    assert made.decides == "placement"
    assert [link.capacity_gbps for link in made.cluster.links] == [10.0, 10.0]  # 2 servers of 10 Gb/s each, by 2
    for wrong in ({"racks": 2}, {"gbps": 10.0}, {**network, "decides": "everything"}, {**network, "gbps": -1.0}):
        with pytest.raises(InputError):
            generate(out=tmp_path / "b.json", **sizes, **wrong)
