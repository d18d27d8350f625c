"""Markets over rounds: prices that follow demand, credits that are conserved, small clouds in equilibrium."""

from __future__ import annotations

from math import factorial

import pytest

from optsched.errors import InputError
from optsched.federation.hiding import probe
from optsched.federation.market import borrow, repeat
from optsched.federation.small_clouds import SmallCloud, best_response, equilibria, usage, utilities
from tests.federation.test_coalitions import THREE, federation


def test_prices_follow_demand_and_balances_sum_to_zero():
    whole = federation(*THREE)
    fewer = federation(*(job for job in THREE if job["home"] != "c"), sites=("a", "b"))
    rounds = repeat([whole, whole, fewer, whole], start={"v@a": 0.0, "w@b": 5.0})
    assert [done.joined for done in rounds] == [("a", "b", "c"), (), (), ("c",)]
    assert [done.left for done in rounds] == [(), (), ("c",), ()]
    for done in rounds:
        assert sum(done.balance.values()) == pytest.approx(0, abs=1e-9)
        assert done.value <= done.bound + 1e-9
    first, second = rounds[:2]
    assert first.demanded["v@a"] > first.supplied["v@a"]
    assert second.prices["v@a"] > first.prices["v@a"] == 0
    assert second.prices["w@b"] < 5
    assert repeat([whole, whole], start={"w@b": 5.0})[1] == repeat([whole, whole], start={"w@b": 5.0})[1]
    with pytest.raises(InputError, match="step"):
        repeat([whole], step=0)


def test_credits_are_conserved_and_favour_who_gave():
    shares = {"a": 4, "b": 4, "c": 4}
    first = borrow({"a": 8, "b": 0, "c": 4}, shares)
    assert first.allocated == {"a": 8, "b": 0, "c": 4}
    assert first.credits == {"a": -4, "b": 4, "c": 0}  # 2 for each, 1 for each GPU lent, less 1 for each borrowed
    assert first.credits["b"] > first.credits["c"] > first.credits["a"]
    second = borrow({"a": 8, "b": 8, "c": 8}, shares, first.credits)
    assert sum(second.allocated.values()) == 12
    assert second.allocated["b"] > second.allocated["c"] >= second.allocated["a"]
    assert min(second.allocated.values()) >= 2


def test_nothing_is_idle_while_somebody_asks():
    found = borrow({"a": 1, "b": 9}, {"a": 5, "b": 2}, instantaneous=1.0)
    assert found.allocated == {"a": 1, "b": 6}


def test_who_joins_has_the_mean_of_credits():
    found = borrow({"a": 0, "b": 0, "c": 0}, {"a": 2, "b": 2, "c": 2}, {"a": 4.0, "b": 8.0, "gone": 99.0})
    assert found.credits == {"a": 5, "b": 9, "c": 7}
    with pytest.raises(InputError):
        borrow({"a": 1}, {"b": 1})


def erlang(servers, load):
    terms = [load**k / factorial(k) for k in range(servers + 1)]
    return terms[-1] / sum(terms)


def test_clouds_that_share_nothing_are_erlangs():
    clouds = [SmallCloud(5, 4.0), SmallCloud(3, 1.0)]
    found = usage(clouds, [0, 0])
    assert found.public.tolist() == pytest.approx([4 * erlang(5, 4.0), erlang(3, 1.0)])
    assert found.borrowed.tolist() == found.lent.tolist() == [0, 0]


def test_clouds_that_share_all_are_one():
    found = usage([SmallCloud(5, 4.0), SmallCloud(3, 1.0)], [5, 3])
    assert found.public.sum() == pytest.approx(5 * erlang(8, 5.0))
    assert found.borrowed.sum() == pytest.approx(found.lent.sum())


def test_equilibria_are_best_responses():
    clouds = [SmallCloud(3, 2.5), SmallCloud(3, 1.0)]
    prices = {"federation_price": 0.4, "public_price": 1.0, "exponent": 0.5}
    found = equilibria(clouds, **prices)
    assert found
    for one in found:
        assert utilities(clouds, one.shared, **prices).tolist() == pytest.approx(list(one.utilities))
        for i in range(2):
            best = best_response(clouds, list(one.shared), i, **prices)
            tried = [*one.shared[:i], best, *one.shared[i + 1 :]]
            assert utilities(clouds, tried, **prices)[i] == pytest.approx(one.utilities[i])


def test_bad_clouds():
    with pytest.raises(InputError, match="servers"):
        usage([SmallCloud(3, 1.0)], [4])
    with pytest.raises(InputError, match="federation"):
        utilities([SmallCloud(3, 1.0)], [1], federation_price=2.0, public_price=1.0)


def test_hiding_is_probed():
    found = probe(federation(*THREE), "b", "shapley", gap=0.0)
    assert [one.what for one in found] == ["servers", "jobs", "servers and jobs"]
    for one in found:
        assert one.gain == pytest.approx(one.reported + one.alone - one.honest)
        assert one.verdict.holds in ("yes", "no", "depends")
    whole = federation(*THREE)
    with pytest.raises(InputError, match="member"):
        probe(whole, "nobody")
