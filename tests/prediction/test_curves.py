"""The curve families: values by hand, limits, unknown points, and intervals."""

from __future__ import annotations

import numpy as np
import pytest

from optsched.prediction.curves import AllReduce, Amdahl, Points, Table, TableRow
from tests.support.builders import ALLREDUCE

CURVE = AllReduce(**{name: x for name, x in ALLREDUCE.items() if name != "family"})


def test_amdahl_by_hand():
    curve = Amdahl(single=10.0, serial=0.25)
    rates = curve.throughput(Points.of([1, 2, 3, 4], nodes=1))
    np.testing.assert_allclose(rates, [10, 16, 20, 160 / 7])
    assert Amdahl(single=10.0, serial=0.0).throughput(Points.of(7, nodes=1)) == 70
    assert Amdahl(single=10.0, serial=1.0).throughput(Points.of(7, nodes=1)) == 10


def test_allreduce_by_hand():
    points = Points.of([1, 2, 4, 4], nodes=[1, 1, 1, 2], local_batch=40)
    # compute takes 10 ms + 40 x 1 ms = 50 ms; synchronization 0, 10, 10 sqrt(2), 10 + 40 x 2^(1/4) ms
    steps = 0.05 + np.array([0, 0.01, 0.01 * 2**0.5, 0.01 + 0.04 * 2**0.25])
    np.testing.assert_allclose(CURVE.step_seconds(points), steps)
    np.testing.assert_allclose(CURVE.throughput(points), np.array([40, 80, 160, 160]) / steps)


def test_accumulation_repeats_the_computation_only():
    once, thrice = (CURVE.step_seconds(Points.of(2, nodes=1, local_batch=40, accumulation=s)) for s in (1, 3))
    np.testing.assert_allclose(thrice - once, 2 * 0.05)


def test_overlap_hides_the_shorter_of_the_two():
    def step(overlap):
        fields = {name: x for name, x in ALLREDUCE.items() if name != "family"}
        return AllReduce(**fields, overlap=overlap).step_seconds(Points.of(4, nodes=2, local_batch=40))[0]

    compute, sync = 0.05, 0.01 + 0.04 * 2**0.25
    assert step(1.0) == pytest.approx(compute + sync)
    assert step(2.0) == pytest.approx(np.hypot(compute, sync))
    assert step(30.0) == pytest.approx(max(compute, sync), rel=0.02)


def test_a_large_overlap_is_full_overlap():
    fields = {name: x for name, x in ALLREDUCE.items() if name != "family"}
    curve = AllReduce(**fields, overlap=1000.0)
    assert curve.step_seconds(Points.of(4, nodes=2, local_batch=40))[0] == pytest.approx(
        0.01 + 0.04 * 2**0.25, rel=1e-3
    )


def test_assigned_network_rate():
    points = Points.of(4, nodes=2, local_batch=40, gbps=[5.0, 10.0, 20.0])
    assert np.isnan(CURVE.throughput(points)).all(), "the rate that was measured is unknown"
    fields = {name: x for name, x in ALLREDUCE.items() if name != "family"}
    known = AllReduce(**fields, reference_gbps=10.0).step_seconds(points)
    sync = 0.04 * 2**0.25
    np.testing.assert_allclose(known, [0.06 + 2 * sync, 0.06 + sync, 0.06 + sync / 2])


def test_table_is_exact_where_it_has_rows_and_unknown_elsewhere():
    curve = Table(
        rows=(
            TableRow(gpus=2, nodes=1, throughput=5.0),
            TableRow(gpus=2, throughput=4.0),
            TableRow(gpus=4, local_batch=32.0, servers=1, throughput=7.0),
        )
    )
    points = Points.of(
        [2, 2, 4, 4, 4, 3], nodes=[1, 2, 1, 1, 1, 1], local_batch=[8, 8, 32, 64, 32, 8], servers=[0, 0, 1, 1, 0, 0]
    )
    np.testing.assert_array_equal(curve.throughput(points), [5, 4, 7, np.nan, np.nan, np.nan])


def test_interval_holds_80_percent():
    curve = Amdahl(single=10.0, serial=0.0, spread=0.1)
    low, high = curve.interval(Points.of(1, nodes=1))
    samples = 10 * np.exp(0.1 * np.random.default_rng(1).standard_normal(20_000))
    assert np.mean((low <= samples) & (samples <= high)) == pytest.approx(0.8, abs=0.01)


def test_points_broadcast():
    points = Points.of([1, 2, 3], nodes=1, local_batch=4, accumulation=2)
    np.testing.assert_array_equal(points.examples(), [8, 16, 24])
    assert len(points) == 3
    assert np.isnan(points.gbps).all()
