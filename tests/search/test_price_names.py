"""The next round begins from the prices of the last one: the same answers, in fewer passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.prices import next_round, problem
from optsched import load, solve
from optsched.errors import InputError
from optsched.problem.build import build_problem
from optsched.search.prices import named, numbered, price
from tests.support.builders import instance, job

QUICKSTART = Path(__file__).parents[2] / "instances" / "quickstart.json"


@pytest.mark.parametrize("part", [0.05, 1.0])
def test_the_next_round_is_as_good_in_fewer_passes(part: float) -> None:
    now = problem(5_000, seed=3)
    last = price(now, deadline=None, gap=1e-5)
    then = next_round(now, part)
    cold = price(then, deadline=None, gap=1e-5)
    warm = price(then, deadline=None, gap=1e-5, start=last.prices)
    assert max(cold.gap, warm.gap) <= 1e-5
    assert warm.passes < cold.passes
    assert warm.value == pytest.approx(cold.value, rel=2e-5)


@pytest.mark.parametrize("factor", [0.0, 1e-3, 1e3])
def test_prices_from_another_world_cost_time_and_no_quality(factor: float) -> None:
    now = problem(2_000, seed=4)
    last = price(now, deadline=None, gap=1e-5)
    found = price(now, deadline=None, gap=1e-5, start=factor * last.prices)
    assert found.gap <= 1e-5
    assert np.allclose(found.prices, last.prices, rtol=0.02)


def test_unknown_prices_begin_anew() -> None:
    now = problem(500, seed=5)
    last = price(now, deadline=None, gap=1e-5)
    some = np.where(np.arange(len(last.prices)) == 0, np.nan, last.prices)
    for start in (some, np.full(len(some), np.nan)):
        assert price(now, deadline=None, gap=1e-5, start=start).gap <= 1e-5


def test_results_keep_the_prices_of_what_is_limited() -> None:
    first = solve(load(QUICKSTART), formulation="prices")
    assert first.prices.keys() == {"GPUs of t4@main", "GPUs of v100@main"}
    assert all(worth >= 0 for worth in first.prices.values())
    again = solve(load(QUICKSTART), formulation="prices", prices={**first.prices, "a server that is gone": 1.0})
    assert again.value == pytest.approx(first.value, rel=1e-4)


def test_one_more_gpu_is_worth_its_price() -> None:
    """Jobs of one GPU each, worth 5, 4, 3, 2, for two GPUs: what a third adds is 3."""
    jobs = [
        job(
            f"j{k}",
            configurations=[{"gpu_type": "v", "gpus": 1, "throughput": 1.0}],
            weight=5.0 - k,
            reference={"goodput": 1.0},
        )
        for k in range(4)
    ]
    two = instance(*jobs, cluster={"gpu_types": [{"id": "v"}], "servers": [{"id": "s", "gpu_type": "v", "gpus": 2}]})
    found = solve(two, formulation="prices")
    assert found.value == pytest.approx(9.0)
    assert 3.0 - 1e-6 <= found.prices["GPUs of v@main"] <= 4.0 + 1e-6


def test_the_price_of_moves_has_a_name() -> None:
    held = {"site": "main", "gpu_type": "v", "gpus": 1}
    moving = instance(job("a", holds=held), job("b"), max_moves=0)
    posed = build_problem(moving)
    found = price(posed, deadline=None, gap=1e-6)
    names = named(posed, found)
    assert names["moves"] == found.move_price
    start, move = numbered(posed, names)
    assert move == found.move_price
    assert np.array_equal(start[~np.isnan(start)], found.prices[~np.isnan(start)])


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_prices_below_nothing_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="prices >= 0"):
        solve(load(QUICKSTART), prices={"GPUs of v100@main": bad})
