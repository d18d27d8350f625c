"""Proportional fairness: by hand, by its optimality conditions, and refused where it does not apply."""

from __future__ import annotations

import numpy as np
import pytest

from optsched import load
from optsched.errors import InputError
from optsched.timeshare import market, proportional
from optsched.timeshare.policies import POLICIES
from optsched.timeshare.reading import market_of
from tests.conftest import ROOT
from tests.support.markets import random_market


def test_weights_divide_one_type() -> None:
    """Six GPUs for eight jobs of weight 1 and four of weight 2, none of which reaches all of the time: 3/8 and 6/8."""
    of = market(np.ones((2, 1)), [6], weight=[1.0, 2.0], many=[8, 4])
    found = proportional(of)
    assert found.status == "optimal"
    assert found.rate == pytest.approx([3 / 8, 6 / 8], rel=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_no_small_exchange_gains(seed: int) -> None:
    of = random_market(seed)
    of = market(of.throughput, of.capacity, weight=of.weight, many=of.many)
    found = proportional(of)
    assert found.status == "optimal"
    assert found.value <= found.bound <= found.value + 1e-5 * float(of.many @ of.weight)
    assert (of.many @ found.fraction <= of.capacity * (1 + 1e-9)).all()
    assert (found.fraction.sum(axis=1) <= 1 + 1e-9).all()
    assert found.rate == pytest.approx((of.throughput * found.fraction).sum(axis=1))


def test_the_policy_of_an_instance_and_what_it_refuses() -> None:
    instance = load(ROOT / "instances" / "timeshare" / "gavel-three.json")
    assert POLICIES["proportional"](instance, market_of(instance)).status == "optimal"
    with pytest.raises(InputError, match="equal gangs"):
        proportional(market(np.ones((2, 1)), [4], gang=[1, 2]))
