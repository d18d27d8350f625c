"""C8apart: no dealing out to servers breaks it, and what cannot be dealt out does."""

from __future__ import annotations

import numpy as np
import pytest

from formulations.network.patterns import full_patterns, holds
from formulations.network.separation import Apart

RATES = (0.0, 2.5, 5.0, 7.5, 10.0)


def dealt(random, servers, gpus, network):
    """Return contents of servers at random, (job, size, rate) each: a job has one rate, and a piece on a server."""
    rate_of = {job: float(random.choice(RATES)) for job in range(5)}
    contents = []
    for _ in range(servers):
        mine, left, over = [], gpus, network
        for job in random.permutation(5).tolist():
            size = int(random.integers(1, 4))
            if size <= left and rate_of[job] <= over and random.random() < 0.8:
                mine.append((job, size, rate_of[job]))
                left, over = left - size, over - rate_of[job]
        contents.append(mine)
    return contents


def point(contents, gpus, network):
    """Return pieces and patterns of a class, and the values of z and w that contents of its servers mean."""
    kinds = sorted({piece for mine in contents for piece in mine})
    items = {(size, rate) for _, size, rate in kinds} | {(1, 5.0), (2, 10.0), (1, 10.0)}
    patterns = full_patterns(gpus, network, tuple(sorted(items, reverse=True)))
    z = np.array([sum(piece in mine for mine in contents) for piece in kinds], dtype=float)
    w = np.zeros(len(patterns))
    for mine in contents:
        held = [(size, rate) for _, size, rate in mine]
        w[next(q for q, pattern in enumerate(patterns) if holds(pattern, held))] += 1
    job, size, rate = (np.array(part) for part in zip(*kinds, strict=True))
    return Apart(gpus, network, patterns, job, size, rate, np.ones(len(kinds), dtype=bool)), z, w


@pytest.mark.parametrize("seed", range(100))
def test_what_is_dealt_out_breaks_no_row(seed):
    random = np.random.default_rng(seed)
    contents = dealt(random, int(random.integers(2, 8)), 4, 15.0)
    if not any(contents):
        return
    apart, z, w = point(contents, 4, 15.0)
    for spread in apart.each():
        counted, room = apart.row(spread)
        assert z[counted].sum() <= room @ w + 1e-9, spread
    assert not list(apart.violated(z, w))
    # what other points break holds here, too
    other = z + random.integers(0, 3, len(z))
    for spread in apart.violated(other, w):
        counted, room = apart.row(spread)
        assert other[counted].sum() > room @ w
        assert z[counted].sum() <= room @ w + 1e-9, spread


def whole(pieces, patterns, gpus, network):
    """Return a class whose servers hold patterns, some of each, and pieces (job, size, rate, how many) on it."""
    job, size, rate, count = (np.array(part) for part in zip(*pieces, strict=True))
    slots = list(patterns)
    w = np.array(list(patterns.values()), dtype=float)
    return Apart(gpus, network, slots, job, size, rate, count > 1), count.astype(float), w


def test_pieces_of_a_rate_that_fits_beside_none_take_servers_from_a_job():
    # three pieces at 12.5 and two at 25 on four servers of 25: slots at 25 would serve the former, too
    apart, z, w = whole([(7, 1, 12.5, 3), (12, 1, 25.0, 2)], {((1, 25.0),): 2, ((1, 12.5), (1, 12.5)): 2}, 4, 25.0)
    rows = [apart.row(spread) for spread in apart.each()]
    assert any(z[counted].sum() > room @ w for counted, room in rows)


def test_two_jobs_need_servers_apart():
    # three pieces of each of two jobs: a server of four slots takes one of each, and two of one slot are too few
    apart, z, w = whole([(0, 1, 0.0, 3), (1, 1, 0.0, 3)], {((1, 0.0),) * 4: 1, ((3, 0.0), (1, 0.0)): 2}, 4, 25.0)
    rows = [apart.row(spread) for spread in apart.each()]
    assert all(z[counted].sum() <= room @ w for counted, room in rows), "each alone finds three servers"
    (spread,) = apart.violated(z, w)
    assert spread.jobs == {0, 1}
    counted, room = apart.row(spread)
    assert z[counted].sum() == 6
    assert room @ w == 4


def test_pieces_of_several_sizes_of_a_job_stand_apart():
    apart, z, w = whole([(0, 2, 0.0, 1), (0, 1, 0.0, 2)], {((2, 0.0), (2, 0.0)): 1, ((1, 0.0),) * 4: 1}, 4, 25.0)
    rows = [apart.row(spread) for spread in apart.each()]
    assert any(z[counted].sum() > room @ w for counted, room in rows)
