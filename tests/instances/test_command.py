"""``optsched instances`` and the networks of ``optsched generate``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from optsched import load
from optsched.cli.commands import generate
from optsched.cli.library import instances
from optsched.errors import InputError

LIBRARY = Path(__file__).resolve().parents[2] / "instances"


def listed(capsys: pytest.CaptureFixture[str], folder: Path, *tags: str) -> dict[str, Any]:
    assert instances(folder, tags, False, None, None, True) == 0
    return {row["instance"]: row for row in json.loads(capsys.readouterr().out)}


def test_instances_by_tags(capsys: pytest.CaptureFixture[str]) -> None:
    known = listed(capsys, LIBRARY, "micro", "network")
    assert "micro/incast" in known
    assert all(row["decides"] == "network" for row in known.values())
    assert listed(capsys, LIBRARY / "micro", "network") == known
    assert listed(capsys, LIBRARY, "micro", "hard") == {}
    with pytest.raises(InputError, match="--tag"):
        instances(LIBRARY, ["huge"], False, None, None, False)


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert instances(LIBRARY / "micro", ["easy"], False, None, None, False) == 0
    assert "micro/affinity" in capsys.readouterr().out


def test_a_changed_file_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("best-known.json", "micro", "solutions"):
        source = LIBRARY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    assert instances(tmp_path, [], True, None, None, False) == 1
    assert "quickstart.json: the file is not there" in capsys.readouterr().out
    assert instances(tmp_path / "micro", [], True, None, None, True) == 0
    shutil.copy(LIBRARY / "quickstart.json", tmp_path / "micro" / "new.json")
    text = (tmp_path / "micro" / "affinity.json").read_text()
    (tmp_path / "micro" / "affinity.json").write_text(text + "\n")
    capsys.readouterr()
    assert instances(tmp_path / "micro", [], True, None, None, True) == 1
    wrong = json.loads(capsys.readouterr().out)
    assert {name for name, reasons in wrong.items() if reasons} == {"micro/affinity.json", "micro/new.json"}


def test_making_by_a_recipe(tmp_path: Path) -> None:
    assert instances(LIBRARY, [], False, "racks-10", tmp_path / "made.json", False) == 0
    made = load(tmp_path / "made.json")
    assert (len(made.jobs), made.decides) == (10, "network")
    with pytest.raises(InputError, match="--make"):
        instances(LIBRARY, [], False, "racks-11", tmp_path / "made.json", False)


def test_generated_networks(tmp_path: Path) -> None:
    sizes = {"jobs": 4, "seed": 1, "name": "", "hours": None, "load": 1.0}
    network = {"racks": 2, "gbps": 10.0, "oversubscription": 2.0, "server_gpus": 4, "decides": "placement"}
    assert generate(LIBRARY / "curves.json", "t4=16", tmp_path / "a.json", network, **sizes) == 0
    made = load(tmp_path / "a.json")
    assert made.decides == "placement"
    assert [link.capacity_gbps for link in made.cluster.links] == [10.0, 10.0]  # 2 servers of 10 Gb/s each, by 2
    for wrong in ({"racks": 2}, {"gbps": 10.0}, {**network, "decides": "everything"}, {**network, "gbps": -1.0}):
        with pytest.raises(InputError):
            generate(LIBRARY / "curves.json", "t4=16", tmp_path / "b.json", wrong, **sizes)
