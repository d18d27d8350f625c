"""The curve that a file holds."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from optsched._util.files import decode
from optsched.errors import InputError
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.parameter_servers import AsyncMva, ParameterServer, fit_servers
from tests.support.server_measurements import grid, measured

BY_HAND = b"""{"family": "parameter-server", "members": [
    {"form": "async-mva", "example_s": 0.01, "server_s": 0.02, "transfer_share": 0.8}]}"""


def fitted() -> ParameterServer:
    truth = AsyncMva(example_s=0.01, server_s=0.02, transfer_share=0.8)
    return fit_servers({"a/v100": measured(truth, grid(6), 0.03)}, "async")["a/v100"].curve


def test_only_parameters_are_required() -> None:
    curve = decode(BY_HAND, ParameterServer)
    points = Points.of([1, 2], nodes=1, servers=[1, 0], local_batch=5)
    assert curve.throughput(points)[0] == pytest.approx(5 / 0.07)
    assert np.isnan(curve.throughput(points)[1])  # no servers: not covered
    low, high = curve.interval(points.take(np.array([0])))
    assert low == high == curve.throughput(points)[0]  # nothing is said of how sure it is


def test_round_trip_predicts_the_same() -> None:
    curve = fitted()
    again = decode(msgspec.json.encode(curve), ParameterServer)
    points = grid(40, (1, 3, 16))
    assert again == curve
    for ask in ("throughput", "log_deviation"):
        assert getattr(again, ask)(points) == pytest.approx(getattr(curve, ask)(points), rel=1e-9)


def test_chunks_and_order_change_nothing() -> None:
    curve, points = fitted(), grid(64, tuple(range(1, 200)))
    order = np.random.default_rng(0).permutation(len(points))
    shuffled = points.take(order)
    assert curve.throughput(shuffled) == pytest.approx(curve.throughput(points)[order], rel=1e-12)
    assert curve.log_deviation(shuffled) == pytest.approx(curve.log_deviation(points)[order], rel=1e-9)


def test_no_points() -> None:
    none = grid(2).take(np.array([], dtype=np.int64))
    assert len(fitted().throughput(none)) == len(fitted().log_deviation(none)) == 0


def test_the_band_is_narrow_where_measured_and_wide_far_away() -> None:
    curve = fitted()
    near, far = curve.log_deviation(Points.of([4, 64], nodes=1, servers=1, local_batch=8))
    assert 0.0 < near < far


def test_an_assigned_rate_needs_the_measured_one() -> None:
    points = replace(grid(4, (1,)), gbps=np.full(4, 20.0))
    curve = decode(BY_HAND, ParameterServer)
    assert np.isnan(curve.throughput(points)).all()
    known = msgspec.structs.replace(curve, reference_gbps=10.0)
    assert np.all(known.throughput(points) > known.throughput(grid(4, (1,))))
    half = replace(points, gbps=np.full(4, 10.0))
    assert known.throughput(half) == pytest.approx(known.throughput(grid(4, (1,))))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b'"transfer_share": 0.8', b'"transfer_share": 1.8', r"members\[0\].transfer_share"),
        (b'"server_s": 0.02, ', b"", "'server_s', which is missing"),
        (b"async-mva", b"mva", "'async-mva'"),
        (b"0.8}", b'0.8, "posterior": {"covariance": [[1.0, 0.0], [0.0, 1.0]]}}', "3 rows and columns"),
    ],
)
def test_faults_are_named(old: bytes, new: bytes, named: str) -> None:
    with pytest.raises(InputError, match=named):
        decode(BY_HAND.replace(old, new), ParameterServer)
