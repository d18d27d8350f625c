"""Fewer breakpoints and coarser grids over-estimate, and by no more than they say."""

from __future__ import annotations

import numpy as np
import pytest

from optsched.problem.piecewise import Pieces
from optsched.problem.piecewise.cover import cover_curve, cover_grid


def drawn(random, shape, bumps=(0.0, 0.01, 0.3)):
    """Draw a concave surface with bumps, or a curve."""
    gpus = 1.0 + np.arange(shape[0])[:, None]
    servers = 1.0 + np.arange(shape[1])[None, :]
    rate = 1 / (0.1 + 1 / gpus + random.uniform(0.01, 0.3) * gpus / servers)
    return rate * random.uniform(1 - (bump := random.choice(bumps)), 1 + bump, shape)


@pytest.mark.parametrize("error", [0.0, 1e-4, 0.01, 0.1, 10.0])
def test_curves(error):
    random = np.random.default_rng(1)
    for _ in range(30):
        first, n = random.integers(1, 5), int(random.integers(2, 40))
        x, y = first + np.arange(n), drawn(random, (n, 1))[:, 0]
        at, value, found = cover_curve(x, y, error)
        ratio = np.interp(x, at, value) / y
        assert ratio.min() >= 1
        assert ratio.max() <= 1 + found + 1e-12
        assert found <= error + 1e-11
        assert (at[0], at[-1]) == (x[0], x[-1])


@pytest.mark.parametrize("error", [0.0, 1e-4, 0.01, 0.1, 10.0])
def test_grids(error):
    random = np.random.default_rng(2)
    for _ in range(30):
        wide, high = random.integers(2, 12, 2)
        truth = drawn(random, (int(wide), int(high)))
        x, y, value, found = cover_grid(truth, error)
        zeros = np.zeros(len(x), int), np.zeros(len(y), int)
        pieces = Pieces.grids(zeros[0], x, zeros[1], y, value.ravel())
        for (i, j), true in np.ndenumerate(truth):
            near = pieces(np.array([[i, j]], dtype=float))[0]
            assert true * (1 - 1e-12) <= near <= true * (1 + found) * (1 + 1e-12)
        assert found <= error + 1e-11


def test_fewer_lines_do_where_they_may():
    truth = drawn(np.random.default_rng(4), (64, 8), (0.0,))
    lines = [sum(map(len, cover_grid(truth, e)[:2])) for e in (0.0, 1e-3, 1e-2, 1e-1)]
    assert lines == sorted(lines, reverse=True)
    assert lines[-1] < lines[0]
    plane = 1.0 + np.arange(9.0)[:, None] + 3 * np.arange(4.0)
    assert [len(axis) for axis in cover_grid(plane, 0.0)[:2]] == [2, 2]
    assert len(cover_curve(np.arange(9), 1 + np.arange(9.0), 0.0)[0]) == 2
