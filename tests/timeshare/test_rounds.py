"""Rounds follow the shares."""

from __future__ import annotations

import numpy as np
import pytest

from optsched.errors import InputError
from optsched.timeshare import Pairs, Shares, market, max_min
from optsched.timeshare.rounds import Rounds, rounds
from tests.support.markets import random_market

EXAMPLE = np.array([[0.6, 0.4, 0.0], [0.2, 0.6, 0.2], [0.2, 0.0, 0.8]])
"""The shares of the example in Gavel, sec. 3.1: three jobs on a V100, a P100 and a K80."""


def of_shares(share: np.ndarray) -> Rounds:
    of = market(np.ones(share.shape), np.ones(share.shape[1]))
    none = np.empty(0)
    return rounds(of, Shares("given", "optimal", share, none, share.sum(axis=1), 1.0, 1.0, none))


def legal(state: Rounds, ran: np.ndarray) -> None:
    """Assert that no job runs twice and no type is overused."""
    jobs = np.concatenate([state.ways.first[ran], state.ways.second[ran]])
    jobs = jobs[jobs >= 0]
    assert len(set(jobs.tolist())) == len(jobs)
    used = np.bincount(state.ways.gpu_type[ran], weights=state.ways.gang[ran], minlength=len(state.capacity))
    assert (used <= state.capacity).all()


def test_the_example_of_gavel() -> None:
    """After five rounds the jobs could have got 3, 2, 0; 1, 3, 1; 1, 0, 4 rounds; after many, each has its share."""
    state = of_shares(EXAMPLE).play(200)
    assert np.abs(state.behind).max() <= 0.02


def test_first_come_the_largest_shares() -> None:
    state = of_shares(EXAMPLE)
    ran = state.next()
    assert [(int(j), int(k)) for j, k in zip(state.ways.first[ran], state.ways.gpu_type[ran], strict=True)] == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]
    assert state.after(ran).priority.min() < np.inf


@pytest.mark.parametrize("seed", range(20))
def test_received_time_converges(seed: int) -> None:
    """Gangs of one, alone or in pairs: what is behind shrinks like one over the number of rounds."""
    of = random_market(seed, kinds=False)
    pairs = None
    if of.jobs > 1 and of.throughput[0, 0] * of.throughput[1, 0] > 0:
        pairs = Pairs(np.array([[0, 1]]), np.array([0]), 0.8 * of.throughput[None, :2, 0])
    of = market(of.throughput, of.capacity, weight=of.weight, pairs=pairs)
    state = rounds(of, max_min(of, lexicographic=True))
    for _ in range(20):
        ran = state.next()
        legal(state, ran)
        state = state.after(ran)
    early, late = np.abs(state.behind).max(), np.abs(state.play(380).behind).max()
    assert late <= max(0.02, early / 4)


def test_gangs_converge_in_a_cluster() -> None:
    rng = np.random.default_rng(0)
    of = market(np.exp(rng.normal(0, 0.5, (200, 3))), [32, 32, 32], gang=rng.choice([1, 2, 4, 8], 200))
    shares = max_min(of, lexicographic=True)
    state = rounds(of, shares).play(300)
    rate = np.bincount(state.ways.first, weights=state.ways.rate_first * state.received, minlength=of.jobs) / 300
    assert (rate / shares.rate).min() > 0.95
    assert np.abs(state.behind).max() < 0.03


def test_kinds_are_no_jobs() -> None:
    of = market([[1.0]], [1], many=2)
    with pytest.raises(InputError, match="single jobs"):
        rounds(of, max_min(of))
