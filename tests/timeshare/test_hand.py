"""Examples solved by hand, those of the paper among them."""

from __future__ import annotations

import numpy as np
import pytest

from optsched.timeshare import (
    Pairs,
    cost,
    finish_time,
    first_in_first_out,
    hierarchical,
    makespan,
    market,
    max_min,
    throughput,
)

GAVEL = market([[40, 10], [12, 4], [100, 50]], [1, 1])
"""Gavel, sec. 4.1: three jobs on one V100 and one K80, steps/s."""


def near(value: object) -> object:
    return pytest.approx(value, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("lexicographic", [False, True])
def test_three_jobs_of_gavel(lexicographic: bool) -> None:
    """With a third of both GPUs the jobs run at 50/3, 16/3 and 50.

    Relative to that, a whole V100 is worth 2.4, 2.25 and 2, a whole K80 0.6, 0.75 and 1. Job 2 is best on the K80 and
    job 0 on the V100; job 1 mixes: 5/11 on the V100 and 1/11 on the K80 make (11.25 + 0.75)/11 = 12/11, which
    leaves 5/11 (times 2.4) to job 0 and 1/11 and 10/11 to job 2: 12/11 for all. The paper prints the shares
    as 0.45, 0; 0.45, 0.09; 0.09, 0.91, and says "about 10 %".
    """
    found = max_min(GAVEL, lexicographic=lexicographic)
    assert (found.status, found.value, found.bound) == ("optimal", near(12 / 11), near(12 / 11))
    assert found.fraction == near(np.array([[5, 0], [5, 1], [1, 10]]) / 11)


def test_finish_times_without_a_past_are_levels() -> None:
    """With no time gone, rho = equal / rate: the least largest rho is one over the max-min level, for any work."""
    found = finish_time(GAVEL, [1000, 50, 7])
    assert (found.status, found.value) == ("optimal", near(11 / 12))
    assert found.fraction == near(np.array([[5, 0], [5, 1], [1, 10]]) / 11)


def test_finish_times_with_a_past() -> None:
    """One GPU, speed 1. Job a waited 10 for nothing and has 5 to do, job b has 10 to do.

    Equal shares take 10 and 20. 5/(10 rho - 10) + 10/(20 rho) = 1 is 2 rho^2 - 4 rho + 1 = 0: rho = 1 + sqrt(1/2).
    """
    found = finish_time(market([[1], [1]], [1]), [5, 10], elapsed=[10, 0], isolated=[0, 0])
    assert (found.status, found.value, found.bound) == ("optimal", near(1 + 0.5**0.5), near(1 + 0.5**0.5))


def test_makespan() -> None:
    """One GPU, speed 1: 1 + 2 + 3 of work take 6, and the shares are as the work."""
    found = makespan(market([[1], [1], [1]], [1]), [1, 2, 3])
    assert (found.status, found.value) == ("optimal", near(6.0))
    assert found.fraction[:, 0] == near(np.array([1, 2, 3]) / 6)


def test_makespan_by_a_jobs_own_limit() -> None:
    """4 steps at 2 a second at best take 2 seconds, whatever the others do."""
    found = makespan(market([[2, 1], [1, 1]], [1, 1]), [4, 1])
    assert (found.status, found.value) == ("optimal", near(2.0))


def test_first_in_first_out() -> None:
    """The first has the V100 (2 x 4/4), the second the K80 (1 x 1/3); the other way round 2/4 + 1 is less."""
    found = first_in_first_out(market([[4, 1], [3, 1]], [1, 1]), [0, 1])
    assert (found.status, found.value) == ("optimal", near(7 / 3))
    assert found.fraction == near(np.eye(2))


def test_throughput() -> None:
    """Relative to the fastest the jobs are worth 1 on a V100, and 1/4, 1/3 and 1/2 on a K80: one and job 2's half."""
    assert throughput(GAVEL).value == near(1.5)
    assert throughput(GAVEL, worth=1).value == near(110.0)


def test_cost() -> None:
    """Job 0 must run half of the time of a V100 (1/2 for 1), job 1 may have a K80 (1 for 1): 1.5 for 2."""
    of = market([[4, 1], [0, 1]], [1, 1])
    assert cost(of, [2, 1], least=[2, 0]).value == near(0.75)
    alone = cost(of, [2, 1])
    assert (alone.status, alone.value) == ("optimal", near(1.0))


def test_least_rates_that_cannot_be_had() -> None:
    for found in (throughput(GAVEL, least=[30, 10, 0]), cost(GAVEL, [1, 1], least=[30, 10, 0])):
        assert found.status == "infeasible"
        assert "GPU types" in found.reason


def test_a_pair_on_one_gpu() -> None:
    """Two jobs at 3/4 each while they share: 1.5 times their equal share of 1/2."""
    pairs = Pairs(np.array([[0, 1]]), np.array([0]), np.array([[0.75, 0.75]]))
    found = max_min(market([[1], [1]], [1], pairs=pairs))
    assert (found.status, found.value, found.paired) == ("optimal", near(1.5), near([1.0]))


def test_a_pair_of_one_kind() -> None:
    pairs = Pairs(np.array([[0, 0]]), np.array([0]), np.array([[0.75, 0.75]]))
    found = max_min(market([[1]], [1], many=2, pairs=pairs), lexicographic=True)
    assert (found.status, found.value, found.rate) == ("optimal", near(1.5), near([0.75]))


def test_water_filling_goes_on() -> None:
    """Four jobs that know only type A share it; on B, e and f (whose equal share is twice as much) take 1/3 and 2/3."""
    of = market([[1, 0]] * 4 + [[0, 1], [1, 1]], [1, 1])
    found = max_min(of, lexicographic=True)
    assert (found.status, found.rate) == ("optimal", near([1 / 4] * 4 + [1 / 3, 2 / 3]))


def test_water_filling_past_a_jobs_own_limit() -> None:
    """The first cannot use more than its whole time; the others share what is left, by weight."""
    found = max_min(market([[1], [1], [1]], [2], weight=[9, 1, 2]), lexicographic=True)
    assert (found.status, found.rate) == ("optimal", near([1, 1 / 3, 2 / 3]))


@pytest.mark.parametrize(
    ("gpus", "inside", "rates"),
    [
        (1, "fair", [1 / 6, 1 / 6, 2 / 3]),
        (1, "fifo", [1 / 3, 0, 2 / 3]),
        (2, "fair", [1 / 2, 1 / 2, 1]),
        (2, {"b": "fair", "a": "fifo"}, [1, 0, 1]),
    ],
)
def test_tenants(gpus: int, inside: object, rates: list[float]) -> None:
    """Tenant b weighs twice as much as a. Of two GPUs its one job can use but one, and the rest is a's."""
    of = market([[1]] * 3, [gpus])
    found = hierarchical(of, ["a", "a", "b"], weight={"b": 2.0}, inside=inside)  # type: ignore[arg-type]
    assert (found.status, found.rate) == ("optimal", near(rates))


def test_a_queue_by_place() -> None:
    found = hierarchical(market([[1]] * 2, [1]), ["a", "a"], inside="fifo", place=[5, 2])
    assert found.rate == near([0, 1])
