"""Mean value analysis against the product form and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optsched.prediction.curves.parameter_servers.queueing import closed_throughput


def product_form(customers: int, think: float, demands: list[float]) -> float:
    """Gordon-Newell normalizing constants by convolution (Buzen 1973)."""
    g = [think**n / math.factorial(n) for n in range(customers + 1)]
    for demand in demands:
        for n in range(1, customers + 1):
            g[n] += demand * g[n - 1]
    return g[customers - 1] / g[customers]


@pytest.mark.parametrize("customers", [1, 2, 5, 17])
@pytest.mark.parametrize("demands", [[0.2, 0.2, 0.5], [1.0], [0.0, 3.0]])
def test_equals_the_product_form(customers: int, demands: list[float]) -> None:
    got = closed_throughput(np.array([float(customers)]), np.array([1.3]), np.array(demands)[:, None])
    assert got[0] == pytest.approx(product_form(customers, 1.3, demands), rel=1e-12)


def test_by_hand() -> None:
    # Z = 1, D = 1, two workers: R(2) = 1 (1 + 1/2), X = 2 / 2.5
    assert closed_throughput(np.array([2.0]), np.array([1.0]), np.array([[1.0]]))[0] == pytest.approx(0.8)


def test_grows_with_workers_and_stays_below_the_bounds() -> None:
    workers, demands = np.arange(1.0, 40.0), np.array([0.1, 0.1, 0.3])[:, None]
    got = closed_throughput(workers, np.ones(39), demands * np.ones(39))
    assert np.all(np.diff(got) > 0)
    assert np.all(got <= np.minimum(workers / 1.5, 1 / 0.3) + 1e-12)


def test_between_whole_populations_lies_between() -> None:
    one, both, two = closed_throughput(np.array([3.0, 3.25, 4.0]), np.ones(3), np.full((1, 3), 0.4))
    assert both == pytest.approx(0.75 * one + 0.25 * two)


def test_refuses_no_worker_and_negative_times() -> None:
    with pytest.raises(ValueError, match="population of at least 1"):
        closed_throughput(np.array([0.0]), np.array([1.0]), np.array([[1.0]]))
    with pytest.raises(ValueError, match="negative"):
        closed_throughput(np.array([1.0]), np.array([1.0]), np.array([[-1.0]]))
