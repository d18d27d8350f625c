"""``optsched solve --what-if``: changes in words, their plans side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import optsched
from optsched.errors import InputError
from optsched.explain.what_if import edited
from optsched.instance.pools import pools
from tests.conftest import Run
from tests.support.builders import cluster, instance, job, listed, record


def gpus(made: optsched.Instance) -> int:
    return sum(pool.capacity for pool in pools(made))


@pytest.mark.parametrize(
    ("change", "total", "servers"),
    [("+4 v", 12, 3), ("+3 v", 11, 5), ("-4 v", 4, 1), ("- 3 v@main", 5, 2), ("+0 v", 8, 2), ("-8 v", None, 0)],
)
def test_gpus(change: str, total: int | None, servers: int) -> None:
    made = instance(job("a"), cluster=cluster(4, 4))
    if total is None:
        with pytest.raises(InputError, match="--what-if"):
            edited(made, change)
        return
    then = edited(made, change)
    assert gpus(then) == total
    assert sum(group.count for group in then.cluster.servers) == servers


def test_jobs() -> None:
    made = instance(job("a b"), job("c"))
    assert edited(made, "job a b weight=2 min_gpus=2").jobs[0].weight == 2
    assert edited(made, "job a b weight=2 min_gpus=2").jobs[0].min_gpus == 2
    assert [one.id for one in edited(made, "without job c").jobs] == ["a b"]


@pytest.mark.parametrize(
    "change",
    ["", "more", "+4 w", "-9 v", "job x weight=2", "job c weight=-1", "job c colour=red", "without job x", "job c"],
)
def test_what_means_nothing_is_refused(change: str) -> None:
    with pytest.raises(InputError, match="--what-if"):
        edited(instance(job("a b"), job("c"), cluster=cluster(4, 4)), change)


def test_side_by_side(run: Run, tmp_path: Path) -> None:
    """Two jobs of 4 GPUs on 4: one waits. Of weights 1.5 and 2 the second runs; with 4 more, both do."""
    jobs = [{"id": name, "configurations": listed(0, 0, 0, 8.0)} for name in "ab"]
    jobs[0]["weight"] = 1.5
    (tmp_path / "i.json").write_text(json.dumps(record(*jobs, objective={"name": "progress"})))
    changes = ("--what-if", "+4 v", "--what-if", "job b weight=2", "--what-if", "without job a")
    said = run("solve", "i.json", *changes)
    assert said.returncode == 0, said.stderr
    assert "(as it is)" in said.stdout
    assert "+4 v: starts b" in said.stdout
    assert "job b weight=2: stops a" in said.stdout
    found = json.loads(run("solve", "i.json", *changes, "--json").stdout)
    assert found["result"]["value"] == pytest.approx(1.5)
    more, heavy, less = found["what_if"]
    assert (more["value"], more["difference"]) == (pytest.approx(2.5), pytest.approx(1.0))
    assert more["proven_from_to"] == pytest.approx([1.0, 1.0], abs=1e-3)
    assert (heavy["starts"], heavy["stops"]) == (["b"], ["a"])
    assert less["difference"] == pytest.approx(-0.5)
    refused = run("solve", "i.json", "--what-if", "+4 x")
    assert (refused.returncode, "one of v@main" in refused.stderr) == (2, True)
