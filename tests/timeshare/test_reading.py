"""Markets of instances, the command, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from optsched import load, loads
from optsched.cli.commands.share import share
from optsched.errors import InputError
from optsched.instance import Instance
from optsched.timeshare import Pairs, cost, hierarchical, makespan, market, max_min
from optsched.timeshare.policies import POLICIES
from optsched.timeshare.reading import ignored, market_of, with_pairs
from tests.conftest import ROOT, Run

THREE = ROOT / "instances" / "timeshare" / "gavel-three.json"
PAIRS = ROOT / "instances" / "timeshare" / "gavel-three-pairs.csv"


def test_the_example_as_a_file(run: Run, tmp_path: Path) -> None:
    done = run("share", THREE, "--out", "shares.json")
    assert done.returncode == 0, done.stderr
    assert "1.09091" in done.stdout
    record = json.loads((tmp_path / "shares.json").read_text())
    assert record["status"] == "optimal"
    assert record["jobs"][1]["shares"] == pytest.approx({"v100@main": 5 / 11, "k80@main": 1 / 11})


@pytest.mark.parametrize("policy", ["max-min", "makespan", "finish-time", "throughput", "fifo", "cost", "hierarchical"])
def test_pairs_are_no_loss(policy: str) -> None:
    instance = load(THREE)
    read = market_of(instance)
    alone, both = (POLICIES[policy](instance, of) for of in (read, with_pairs(read, PAIRS)))
    assert alone.status == both.status == "optimal"
    if policy == "hierarchical":
        return
    if policy in ("makespan", "finish-time"):
        assert both.value <= alone.value * (1 + 1e-9)
    else:
        assert both.value >= alone.value * (1 - 1e-9)


def test_json_and_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    assert share(THREE, "max-min", lexicographic=True, pairs=PAIRS, as_json=True) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["value"] > 12 / 11
    assert record["pairs"]


def test_a_page_with_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    assert share(THREE, "hierarchical", pairs=PAIRS) == 0
    assert "optimal: hierarchical" in capsys.readouterr().out


def test_deadlines_that_cannot_be_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each job alone would end in 50 s on one of the GPUs, but all three together would need 1.3 V100 or so."""
    text = json.loads(THREE.read_text())
    for job in text["jobs"][:2]:
        job["deadline_s"] = 100
    text["jobs"][0]["remaining_examples"], text["jobs"][1]["remaining_examples"] = 3900, 800
    (tmp_path / "late.json").write_text(json.dumps(text))
    assert share(tmp_path / "late.json", "cost") == 1
    assert "of the least rates can be had together" in capsys.readouterr().out


def test_gangs_of_an_instance() -> None:
    instance = load(ROOT / "instances" / "quickstart.json")
    assert set(market_of(instance).market.gang) == {1.0}
    four = market_of(instance, 4)
    assert (four.market.gang <= 8).all()
    assert four.market.gang.max() >= 4


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("job-9,job-1,v100,1,1", "line 2, column job"),
        ("job-0,job-1,t4,1,1", "line 2, column gpu_type"),
        ("job-0,job-1,v100,x,1", "line 2, column throughput: found 'x', expected a number >= 0"),
        ("job-0,job-0,v100,1,1", "two jobs"),
        ("job-0,job-1,v100,-1,1", "line 2, column throughput: found '-1', expected a number >= 0"),
    ],
)
def test_wrong_pairs(row: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(f"job,other,gpu_type,throughput,other_throughput\n{row}\n")
    with pytest.raises(InputError, match=says) as caught:
        with_pairs(market_of(load(THREE)), file)
    assert caught.value.file == str(file)


@pytest.mark.parametrize(
    ("policy", "lexicographic", "pairs", "says"),
    [
        ("min-max", False, None, "policy"),
        ("makespan", True, None, "lexicographic"),
        ("max-min", False, Path("nowhere.csv"), "nowhere.csv"),
    ],
)
def test_wrong_options(policy: str, lexicographic: bool, pairs: Path | None, says: str) -> None:
    with pytest.raises(InputError, match=says):
        share(THREE, policy, lexicographic, pairs)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: market([1.0], [1]), "one row a job"),
        (lambda: market([[1.0]], [1, 2]), "one row a job"),
        (lambda: market([[1.0]], ["x"]), "numbers"),
        (lambda: market([[np.nan]], [1]), "finite numbers"),
        (lambda: market([[-1.0]], [1]), "finite numbers"),
        (lambda: market([[1.0]], [1], weight=0), "numbers > 0"),
        (lambda: market([[1.0]], [1], gang=[1, 2]), "one for each job"),
        (lambda: market([[1.0]], [1], many=1.5), "whole numbers"),
        (lambda: market([[0.0]], [1]), r"throughput\[0\]"),
        (lambda: market([[1.0]], [1], gang=2), r"throughput\[0\]"),
        (lambda: market([[1.0], [1.0]], [2], gang=[1, 2], pairs=PAIR), "equal gangs"),
        (lambda: market([[1.0]], [2], pairs=PAIR), "numbers of jobs"),
        (lambda: makespan(market([[1.0]], [1]), [0]), "steps"),
        (lambda: makespan(market([[1.0]], [1]), [1, 2]), "one for each of 1 jobs"),
        (lambda: cost(market([[1.0]], [1]), [0]), "price"),
        (lambda: hierarchical(market([[1.0]], [1]), ["a", "b"]), "a tenant for each"),
        (lambda: hierarchical(market([[1.0]], [1]), ["a"], inside="lottery"), "'fair' or 'fifo'"),
        (lambda: hierarchical(market([[1.0]], [1]), ["a"], weight={"a": -1}), "weights > 0"),
        (lambda: hierarchical(market([[1.0]], [1], many=2), ["a"], inside="fifo"), "single jobs"),
    ],
)
def test_wrong_arrays(call: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()  # type: ignore[operator]


PAIR = Pairs(np.array([[0, 1]]), np.array([0]), np.array([[1.0, 1.0]]))


def test_a_type_without_gpus_serves_nobody() -> None:
    found = max_min(market([[9.0, 1.0]], [0, 1]))
    assert (found.status, found.fraction.tolist()) == ("optimal", [[0.0, pytest.approx(1.0)]])


def _small(jobs: list[dict[str, object]], **more: object) -> Instance:
    cluster = {
        "gpu_types": [{"id": "g"}],
        "servers": [{"id": "n", "count": 2, "gpu_type": "g", "gpus": 4, "memory_gb": 64}],
    }
    return loads(json.dumps({"format": "optsched/1", "cluster": cluster, "jobs": jobs, **more}))


def _job(name: str, gpus: int = 1, **more: object) -> dict[str, object]:
    return {"id": name, "configurations": [{"gpu_type": "g", "gpus": gpus, "throughput": gpus}], **more}


def test_tenants_share_by_their_weights() -> None:
    """Eight GPUs for eight jobs of one tenant and eight of another that weighs twice as much."""
    tenants = [{"id": "p", "weight": 1}, {"id": "q", "weight": 2}]
    of = _small([_job(f"{name}{n}", tenant=name) for name in "pq" for n in range(8)], tenants=tenants)
    found = POLICIES["hierarchical"](of, market_of(of))
    assert [found.rate[:8].sum(), found.rate[8:].sum()] == pytest.approx([8 / 3, 16 / 3])


def test_a_job_that_can_never_run_is_left_out_and_changes_nothing() -> None:
    two = [_job("a"), _job("b")]
    late = _job("late", remaining_examples=1000.0, deadline_s=10.0)
    dear = _job("dear", memory_gb_per_gpu=64.0)
    fat = _job("fat", gpus=2, memory_gb_per_gpu=80.0)
    alone, read = (market_of(_small(jobs, decides="placement")) for jobs in ([*two, dear], [*two, dear, late, fat]))
    assert list(read.left_out) == ["late", "fat"]
    assert "deadline" in read.left_out["late"]
    assert max_min(read.market).rate.tolist() == max_min(alone.market).rate.tolist()


def test_what_is_not_divided_is_said() -> None:
    jobs = [_job(f"m{n}", memory_gb_per_gpu=30.0) for n in range(8)]
    jobs += [_job("late", gpus=4, remaining_examples=399.0, deadline_s=100.0)]
    of = _small(jobs)
    read = market_of(of)
    found = max_min(read.market)
    memory, deadlines = ignored(of, read, found)
    used = 30 * found.fraction[:8].sum()
    assert used > 128
    assert f"take {used:.4g} on average, and there are 128" in memory
    assert "late would end late" in deadlines
    assert ignored(of, market_of(_small(jobs[:2])), max_min(market_of(_small(jobs[:2])).market)) == ()
