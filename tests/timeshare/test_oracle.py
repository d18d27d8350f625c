"""Every policy on random small markets, beside dense programs that share no code with it."""

from __future__ import annotations

import numpy as np
import pytest

from optsched.timeshare import cost, finish_time, first_in_first_out, hierarchical, makespan, max_min, throughput
from tests.support.markets import Dense, random_market

CASES = [(seed, pairs) for pairs in (False, True) for seed in range(30)]
NEAR = {"rel": 2e-7, "abs": 1e-9}


@pytest.mark.parametrize(("seed", "pairs"), CASES)
def test_levels(seed: int, pairs: bool) -> None:
    of = random_market(seed, pairs=pairs)
    dense = Dense(of)
    unit = of.weight * of.equal_share
    found = max_min(of)
    assert found.status == "optimal"
    assert found.value == pytest.approx(dense.level(unit), **NEAR)
    work = np.random.default_rng(seed).uniform(1, 9, of.jobs)
    found = makespan(of, work)
    assert found.status == "optimal"
    assert found.value == pytest.approx(1 / dense.level(work), **NEAR)


@pytest.mark.parametrize(("seed", "pairs"), CASES)
def test_finish_times(seed: int, pairs: bool) -> None:
    """At the value all needs can be met with nothing to spare: the largest common factor of them is 1."""
    of = random_market(seed, pairs=pairs)
    rng = np.random.default_rng(seed)
    work, past = rng.uniform(1, 9, of.jobs), rng.choice([0.0, 1.0, 20.0], of.jobs)
    found = finish_time(of, work, past)
    assert found.status == "optimal"
    fair = past + work / of.equal_share
    assert Dense(of).level(work / (found.value * fair - past)) == pytest.approx(1.0, rel=1e-5)
    assert found.value <= 1 + 1e-9  # an equal share is a feasible one


@pytest.mark.parametrize(("seed", "pairs"), CASES)
def test_sums(seed: int, pairs: bool) -> None:
    of = random_market(seed, pairs=pairs)
    dense, rng = Dense(of), np.random.default_rng(seed)
    least = rng.choice([0.0, 0.2, 0.6], of.jobs) * of.fastest
    worth = of.many / of.fastest
    known = dense.best(worth, least)
    found = throughput(of, least=least)
    price = rng.uniform(0.5, 2.0, of.types)
    ratio = cost(of, price, least=least)
    if known is None:
        assert (found.status, ratio.status) == ("infeasible", "infeasible")
        return
    assert found.status == ratio.status == "optimal"
    assert found.value == pytest.approx(known[0], **NEAR)
    assert np.all(ratio.rate >= least * (1 - 1e-8))
    best = dense.solve(worth @ dense.rate - ratio.value * (price @ dense.use), least)
    assert best is not None
    assert best[0] == pytest.approx(0.0, abs=1e-6)  # at the best ratio nothing is worth more than it costs


@pytest.mark.parametrize("seed", range(30))
def test_queues(seed: int) -> None:
    of = random_market(seed, kinds=False)
    place = np.random.default_rng(seed).permutation(of.jobs)
    known = Dense(of).best((of.jobs - place) / of.fastest, np.zeros(of.jobs))
    found = first_in_first_out(of, place)
    assert found.status == "optimal"
    assert known is not None
    assert found.value == pytest.approx(known[0], **NEAR)


@pytest.mark.parametrize(("seed", "pairs"), CASES)
def test_water_filling(seed: int, pairs: bool) -> None:
    """The one lexicographic optimum, by itself, and as one tenant a job."""
    of = random_market(seed, pairs=pairs)
    known = Dense(of).filled(of.weight * of.equal_share)
    found = max_min(of, lexicographic=True)
    assert found.status == "optimal"
    assert found.rate == pytest.approx(known, rel=1e-6)
    weight = {j: float(of.weight[j] * of.many[j]) for j in range(of.jobs)}
    tenants = hierarchical(of, range(of.jobs), weight=weight)
    assert tenants.status == "optimal"
    assert tenants.rate == pytest.approx(known, rel=1e-6)


def stepped(of, tenant, weight, queued):
    """Return hierarchical rates as Gavel finds them: raise until one stops, see by programs who can rise, go on."""
    dense, unit = Dense(of), of.equal_share
    stays, rate = np.zeros(of.jobs, dtype=bool), np.zeros(of.jobs)
    while not stays.all():
        speed = np.zeros(of.jobs)
        for t in set(tenant):
            going = [j for j in range(of.jobs) if tenant[j] == t and not stays[j]]
            for j in going[:1] if queued[t] else going:
                speed[j] = unit[j] * weight[t] * (1.0 if queued[t] else of.weight[j] / of.weight[going].sum())
        rate = rate + speed * dense.level(speed, rate * (1 - 1e-10))
        for j in np.flatnonzero((speed > 0) & ~stays):
            most = dense.best(np.eye(of.jobs)[j], rate * (1 - 1e-10))
            assert most is not None
            stays[j] = most[0] < rate[j] + 1e-6 * of.fastest[j]
    return rate


@pytest.mark.parametrize("seed", range(30))
def test_tenants(seed: int) -> None:
    of = random_market(seed, kinds=False)
    rng = np.random.default_rng(seed)
    tenant = rng.integers(0, 2, of.jobs).tolist()
    weight, queued = {0: 1.0, 1: float(rng.choice([1.0, 3.0]))}, {0: False, 1: bool(rng.integers(2))}
    found = hierarchical(of, tenant, weight=weight, inside={t: "fifo" if q else "fair" for t, q in queued.items()})
    assert found.status == "optimal"
    assert found.rate == pytest.approx(stepped(of, tenant, weight, queued), rel=1e-5, abs=1e-6)
