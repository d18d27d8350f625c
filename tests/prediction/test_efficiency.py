"""The noise scale and what follows from it, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optsched.prediction.convergence import best_batches, efficiency, gain, noise_scale
from optsched.prediction.convergence.efficiency import noise_scale_from_steps, repaired
from optsched.prediction.curves.allreduce import AllReduce
from optsched.prediction.curves.configurations import Points
from tests.support.training_runs import run


def test_by_hand() -> None:
    assert noise_scale([2.0], [6.0], 32) == pytest.approx([96.0])
    assert efficiency(64.0, 64.0, 64.0) == pytest.approx(1.0)
    assert efficiency([192.0, 16.0], 64.0, 64.0) == pytest.approx([0.5, 1.6])
    assert gain(192.0, 64.0, 64.0) == pytest.approx(1.5)


def test_bad_statistics_are_refused() -> None:
    for sqr, var, base in ((0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, 0.0)):
        with pytest.raises(ValueError, match="must be positive"):
            noise_scale([sqr], [var], base)


def test_counters_give_back_the_noise_scale() -> None:
    phi, base, batch = 300.0, 32.0, 256.0
    steps = np.arange(1.0, 5.0) * 100
    progress = steps * gain(batch, phi, base)
    assert noise_scale_from_steps(progress, steps * batch, batch, base) == pytest.approx([phi] * 4)
    assert np.isnan(noise_scale_from_steps(steps, steps * base, base, base)).all()


def test_repair_trusts_counters_at_large_batches_and_lifts_the_first_value_at_small_ones() -> None:
    wrong = np.concatenate([[1e-3], np.full(39, 1000.0)])
    runs = [replace(run(b), noise_scale=wrong) for b in (32, 512)]
    ((small, large),) = repaired([runs], [runs])
    assert large.noise_scale == pytest.approx(np.full(40, 1000.0))
    assert small.noise_scale == pytest.approx(np.full(40, 1000.0))  # the counters showed a ratio of 1
    ((alone,),) = repaired([[runs[0]]], [])
    assert alone.noise_scale[0] == pytest.approx(500.0)


def curve(local: float = 1e-3, passes: float = 0.1, most: int | None = None) -> AllReduce:
    return AllReduce(
        pass_s=passes,
        example_s=local,
        local_sync_s=0.0,
        local_exponent=0.0,
        sync_s=0.0,
        node_exponent=0.0,
        gpu_exponent=0.0,
        max_local_batch=most,
    )


def test_best_batch_balances_throughput_and_efficiency() -> None:
    # one GPU: rate m / (0.1 + 0.001 m), so that goodput is best at m = sqrt(100 phi)
    got = best_batches(curve(), Points.of(1, nodes=1), 400.0, 32.0, largest=4096)
    assert got.batch[0] == pytest.approx(200.0, rel=0.05)
    assert got.goodput[0] == pytest.approx(got.throughput[0] * efficiency(got.batch[0], 400.0, 32.0))


def test_best_batches_keep_every_limit_and_are_those_of_one_by_one() -> None:
    points = Points.of([1, 2, 4, 64], nodes=1, accumulation=[1, 2, 1, 1])
    got = best_batches(curve(most=50), points, 400.0, 32.0, smallest=40, largest=60)
    assert np.all((got.batch[:3] >= 40) & (got.batch[:3] <= 60) & (got.local_batch[:3] <= 50))
    assert got.batch[:3] == pytest.approx(got.local_batch[:3] * [1, 4, 4])
    assert np.isnan(got.batch[3])  # 64 GPUs cannot share 60 examples
    for i in range(3):
        one = best_batches(curve(most=50), points.take(np.array([i])), 400.0, 32.0, smallest=40, largest=60)
        assert one.goodput[0] == got.goodput[i]


def test_best_batches_refuses_an_empty_range() -> None:
    with pytest.raises(ValueError, match="smallest <= largest"):
        best_batches(curve(), Points.of(1, nodes=1), 1.0, 1.0, smallest=9, largest=8)
