"""Both engines on the same programs, larger ones, and how proofs notice what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optsched.timeshare import Market, makespan, market, max_min
from optsched.timeshare import interior_point as interior
from optsched.timeshare import simplex as vertex
from optsched.timeshare.certificate import Stage, held, level_bound, possible_gain, repaired
from optsched.timeshare.linear_program import linear_needs, linear_program
from optsched.timeshare.market import columns, merged


def large(seed: int, jobs: int = 300, types: int = 4) -> Market:
    """Return jobs of which one in five cannot use a type, for a fifth of them GPUs."""
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.normal(0, 0.5, (jobs, types))) * np.arange(1, types + 1)
    rates[:, :-1][rng.random((jobs, types - 1)) < 0.2] = 0.0
    return market(rates, np.full(types, max(4.0, jobs / 5 / types)), gang=rng.choice([1, 2, 4], jobs))


@pytest.mark.parametrize("seed", range(5))
def test_engines_agree(seed: int) -> None:
    of = large(seed)
    unit = of.equal_share
    asked = linear_program(of, linear_needs(np.zeros(of.jobs), unit), gain=1.0)
    inner, corner = interior.solve(asked), vertex.solve(asked)
    assert inner.level == pytest.approx(corner.level, rel=1e-8)
    for point in (inner, corner):
        bound = level_bound(of, asked.columns, point, np.zeros(of.jobs), unit)
        assert bound == pytest.approx(corner.level, rel=1e-8)


def test_many_types() -> None:
    found = max_min(large(1, jobs=200, types=12), lexicographic=True)
    assert found.status == "optimal"


def test_equal_jobs_are_merged_and_treated_equally() -> None:
    of = market([[2.0, 1.0]] * 5 + [[1.0, 1.0]] * 5, [2, 2])
    small, kind, _ = merged(of)
    assert (small.jobs, small.many.tolist(), kind.tolist()) == (2, [5.0, 5.0], [1] * 5 + [0] * 5)
    shares = makespan(of, np.arange(10) + 1.0)
    assert shares.fraction.shape == (10, 2)
    rates = max_min(of).fraction
    assert np.ptp(rates[:5], axis=0) == pytest.approx(0.0)


def test_a_wrong_stage_is_noticed() -> None:
    """A job said to be stuck by prices that do not say so could gain, as far as is proven."""
    of = large(2, jobs=30)
    ways, unit = columns(of), of.equal_share
    point = interior.solve(linear_program(of, linear_needs(np.zeros(of.jobs), unit), gain=1.0))
    assert point.time is not None
    time = repaired(of, ways, point.time)
    assert time is not None
    rate, everyone = held(of, ways, time).rate, np.ones(of.jobs, dtype=bool)
    assert possible_gain(of, ways, (Stage((point,), everyone),), rate) < 1e-6
    wrong = replace(point, prices=point.prices * 1.01)
    assert possible_gain(of, ways, (Stage((wrong,), everyone),), rate) > 1e-3
    idle = replace(point, pressure=np.where(np.arange(of.jobs) == 3, 0.0, point.pressure))
    assert possible_gain(of, ways, (Stage((idle,), everyone),), rate) == np.inf


def test_overuse_is_repaired_or_refused() -> None:
    of = market([[1.0]], [1])
    ways = columns(of)
    assert repaired(of, ways, np.array([0.5])) == pytest.approx([0.5])
    shrunk = repaired(of, ways, np.array([1 + 1e-8]))
    assert shrunk is not None
    assert shrunk[0] <= 1.0
    assert repaired(of, ways, np.array([1.1])) is None
