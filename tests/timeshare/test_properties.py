"""What holds for every market."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optsched.timeshare import Market, Pairs, Shares, finish_time, hierarchical, makespan, market, max_min, throughput
from optsched.timeshare.certificate import level_bound, value_bound
from optsched.timeshare.linear_program import Point
from optsched.timeshare.market import columns, merged
from tests.support.markets import Dense, random_market

few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10_000)


def fits(of: Market, found: Shares) -> None:
    """Assert that shares hold all limits and make the rates that they claim."""
    share = found.fraction
    assert (share >= 0).all()
    use, busy = of.many * of.gang @ share, share.sum(axis=1)
    rate = (of.throughput * share).sum(axis=1)
    if of.pairs is not None:
        for n, (a, b) in enumerate(of.pairs.job):
            use[of.pairs.gpu_type[n]] += of.gang[a] * found.paired[n]
            for j, speed in zip((a, b), of.pairs.throughput[n], strict=True):
                busy[j] += found.paired[n] / of.many[j]
                rate[j] += speed * found.paired[n] / of.many[j]
    assert (use <= of.capacity * (1 + 1e-12)).all()
    assert (busy <= 1 + 1e-12).all()
    assert found.rate == pytest.approx(rate, rel=1e-9, abs=1e-12)


@few
@given(seed=seeds, pairs=st.booleans())
def test_shares_fit(seed: int, pairs: bool) -> None:
    of = random_market(seed, pairs=pairs)
    work = np.random.default_rng(seed).uniform(1, 9, of.jobs)
    for found in (
        max_min(of),
        max_min(of, lexicographic=True),
        makespan(of, work),
        finish_time(of, work, work / 2),
        throughput(of),
        hierarchical(of, [j % 2 for j in range(of.jobs)]),
    ):
        fits(of, found)
        assert found.gap <= 1e-6 or found.status != "optimal"


@few
@given(seed=seeds)
def test_nobody_loses_by_sharing(seed: int) -> None:
    of = random_market(seed)
    of = market(of.throughput, of.capacity, gang=of.gang, many=of.many)
    found = max_min(of, lexicographic=True)
    assert (found.rate >= of.equal_share * (1 - 1e-8)).all()


@few
@given(seed=seeds, factor=st.floats(1e-3, 1e3))
def test_units_do_not_matter(seed: int, factor: float) -> None:
    """A job's throughput may be in any unit of its own, and all GPUs may be counted in pairs."""
    of = random_market(seed)
    unit = np.where(np.arange(of.jobs) % 2, factor, 1.0)
    first = max_min(of, lexicographic=True)
    scaled = market(of.throughput * unit[:, None], of.capacity, gang=of.gang, weight=of.weight, many=of.many)
    assert max_min(scaled, lexicographic=True).rate == pytest.approx(first.rate * unit, rel=1e-6)
    doubled = market(of.throughput, 2 * of.capacity, gang=2 * of.gang, weight=of.weight, many=of.many)
    assert max_min(doubled, lexicographic=True).rate == pytest.approx(first.rate, rel=1e-6)


@few
@given(seed=seeds)
def test_kinds_are_their_jobs(seed: int) -> None:
    of = random_market(seed)
    each = np.repeat(np.arange(of.jobs), of.many.astype(int))
    apart = market(of.throughput[each], of.capacity, gang=of.gang[each], weight=of.weight[each])
    assert max_min(apart, lexicographic=True).rate == pytest.approx(
        max_min(of, lexicographic=True).rate[each], rel=1e-6
    )


@few
@given(seed=seeds, pairs=st.booleans(), data=st.data())
def test_any_prices_bound(seed: int, pairs: bool, data: st.DataObject) -> None:
    """Weak duality of the proofs: whatever prices and pressures are handed over, no shares beat the bound."""
    of = random_market(seed, pairs=pairs)
    numbers = st.floats(0, 3)
    some = Point(
        None,
        prices=np.array(data.draw(st.lists(numbers, min_size=of.types, max_size=of.types))),
        pressure=np.array(data.draw(st.lists(numbers, min_size=of.jobs, max_size=of.jobs))),
    )
    dense, ways = Dense(of), columns(of)
    unit = of.equal_share
    assert level_bound(of, ways, some, np.zeros(of.jobs), unit) >= dense.level(unit) * (1 - 1e-9)
    best = dense.best(of.many / of.fastest, np.zeros(of.jobs))
    assert best is not None
    assert value_bound(of, ways, some, np.zeros(of.jobs), 1 / of.fastest, np.zeros(of.types)) >= best[0] * (1 - 1e-9)


def apart(of: Market) -> tuple[Market, np.ndarray]:
    """Return a market whose kinds are single jobs, with a pair for any two of them that their kinds pair."""
    assert of.pairs is not None
    each = np.repeat(np.arange(of.jobs), of.many.astype(int))
    job, where, rates = [], [], []
    for (a, b), k, (fast, slow) in zip(of.pairs.job, of.pairs.gpu_type, of.pairs.throughput, strict=True):
        for i in np.flatnonzero(each == a):
            for j in np.flatnonzero(each == b):
                if a != b or i < j:
                    job.append((i, j))
                    where.append(k)
                    rates.append((fast, slow))
                if a == b and i < j and fast != slow:  # either of two copies may be the first
                    job.append((j, i))
                    where.append(k)
                    rates.append((fast, slow))
    pairs = Pairs(np.array(job), np.array(where), np.array(rates))
    made = market(of.throughput[each], of.capacity, gang=of.gang[each], weight=of.weight[each], pairs=pairs)
    return made, each


@few
@given(seed=seeds)
def test_kinds_with_pairs_are_their_jobs(seed: int) -> None:
    of = random_market(seed, pairs=True)
    of = market(of.throughput, of.capacity, gang=of.gang, weight=of.weight, many=3 * of.many, pairs=of.pairs)
    if of.pairs is None or not len(of.pairs):
        return
    single, each = apart(of)
    assert merged(single)[0].jobs <= of.jobs or single.jobs < 2 * of.jobs
    for lexicographic in (False, True):
        found, kinds = max_min(single, lexicographic=lexicographic), max_min(of, lexicographic=lexicographic)
        fits(single, found)
        assert found.status == "optimal"
        assert found.value == pytest.approx(kinds.value, rel=1e-6)
    assert found.rate == pytest.approx(kinds.rate[each], rel=1e-5)


def test_many_pairs_are_generated_as_they_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    from optsched.timeshare import simplex

    for seed in range(12):
        of = random_market(seed, pairs=True)
        whole = max_min(of), throughput(of)
        monkeypatch.setattr(simplex, "_MANY_PAIRS", 0)
        monkeypatch.setattr(simplex, "_EACH", 1)
        parts = max_min(of), throughput(of)
        monkeypatch.undo()
        for one, other in zip(whole, parts, strict=True):
            fits(of, other)
            assert other.value == pytest.approx(one.value, rel=1e-7)
            assert other.status == one.status == "optimal"
