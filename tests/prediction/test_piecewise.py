"""Curves as pieces: every side, exactness, the fewest pieces by brute force, and the proof on intervals."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optsched.prediction.curves.concave import concave_lines, concave_runs
from optsched.prediction.curves.piecewise import on_integers, on_interval

SIDES = ["on", "under", "over", "within"]
NEAR = st.sampled_from([2.0, 2.1, 2.3, 2.6, 3.0, 3.3, 4.0])
values = st.lists(NEAR, min_size=1, max_size=8) | st.lists(st.floats(0.5, 20.0), min_size=1, max_size=8)
"""Curves that differ by about the errors asked for, and any others."""


def deviation(pieces, x, y):
    return (pieces(x) - y) / y


def line_fits(x, low, high):
    """Tell by all pairs of window ends whether a line passes all windows (no polygon clipping)."""
    if len(x) == 1:
        return low[0] <= high[0]
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j:
                slope = (high[j] - low[i]) / (x[j] - x[i])
                at = low[i] + slope * (x - x[i])
                if np.all(at >= low - 1e-9) and np.all(at <= high + 1e-9):
                    return True
    return False


def fewest_lines(x, low, high):
    """Return the least number of consecutive groups that one line each can pass, over all partitions."""

    @lru_cache
    def best(start):
        if start == len(x):
            return 0
        ends = range(start + 1, len(x) + 1)
        return 1 + min(best(end) for end in ends if line_fits(x[start:end], low[start:end], high[start:end]))

    return best(0)


@pytest.mark.parametrize("side", SIDES)
@settings(max_examples=120, derandomize=True, deadline=None)
@given(y=values, error=st.sampled_from([0.0, 0.01, 0.1, 0.4]))
def test_error_and_side_hold_at_every_integer(side, y, error):
    x, y = np.arange(1, len(y) + 1), np.array(y)
    pieces = on_integers(x, y, error, side)
    off = deviation(pieces, x, y)
    assert np.max(np.abs(off)) <= pieces.error * (1 + 1e-12)
    assert pieces.error <= error + 1e-9
    assert side != "under" or np.max(off) <= 1e-15
    assert side != "over" or np.min(off) >= -1e-15


@settings(max_examples=120, derandomize=True, deadline=None)
@given(y=values, error=st.sampled_from([0.02, 0.1, 0.4]))
def test_pieces_on_the_curve_end_at_its_points(y, error):
    x, y = np.arange(3, len(y) + 3), np.array(y)
    pieces = on_integers(x, y, error)
    for ends, at in ((pieces.left, pieces.at_left), (pieces.right, pieces.at_right)):
        np.testing.assert_array_equal(at, y[(ends - 3).astype(int)])


@pytest.mark.parametrize("side", ["under", "over", "within"])
@settings(max_examples=120, derandomize=True, deadline=None)
@given(y=values, error=st.sampled_from([0.05, 0.2]))
def test_number_of_pieces_is_the_least(side, y, error):
    x, y = np.arange(1.0, len(y) + 1), np.array(y)
    low = y if side == "over" else y * (1 - error)
    high = y if side == "under" else y * (1 + error)
    assert len(on_integers(x.astype(int), y, error, side)) <= fewest_lines(x, low, high)


@settings(max_examples=120, derandomize=True, deadline=None)
@given(y=values, error=st.sampled_from([0.05, 0.2]))
def test_number_of_breakpoints_on_the_curve_is_the_least(y, error):
    x, y = np.arange(1, len(y) + 1), np.array(y)
    counts = []
    for mask in range(2 ** max(0, len(x) - 2)):
        inner = [k for k in range(1, len(x) - 1) if mask >> (k - 1) & 1]
        knots = sorted({0, *inner, len(x) - 1})
        if np.all(np.abs(np.interp(x, x[knots], y[knots]) - y) <= error * y):
            counts.append(len(knots))
    assert len(on_integers(x, y, error).breakpoints[0]) <= min(counts)


def test_a_line_is_one_piece_and_exact():
    x = np.arange(1, 65)
    for side in SIDES:
        pieces = on_integers(x, 2.0 * x + 1, 1e-6, side)
        assert len(pieces) == 1
        np.testing.assert_allclose(pieces(x), 2.0 * x + 1, rtol=2e-6)


def test_outside_the_pieces_nothing_is_claimed():
    pieces = on_integers(np.array([2, 3, 4]), np.array([1.0, 2.0, 3.0]), 0.0)
    assert np.isnan(pieces(np.array([1.0, 5.0]))).all()


@pytest.mark.parametrize(
    ("x", "y", "error"),
    [
        ([], [], 0.1),
        ([1, 1], [1, 2], 0.1),
        ([2, 1], [1, 2], 0.1),
        ([1, 2], [1, 0], 0.1),
        ([1], [np.inf], 0.1),
        ([1], [np.nan], 0.1),
        ([1], [1], -0.1),
    ],
)
def test_curves_that_are_none_are_refused(x, y, error):
    with pytest.raises(ValueError, match="increasing x, positive finite y"):
        on_integers(np.array(x), np.array(y, dtype=float), error)


CURVES = {
    "saturating": (lambda x: x / (x + 5), ()),
    "falling": (lambda x: 3 / x, ()),
    "convex": (lambda x: np.exp(x / 20), ()),
    "jump": (lambda x: np.where(x <= 10, x, x / 2), (10.0,)),
}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("side", ["under", "over", "within"])
@pytest.mark.parametrize("error", [0.2, 0.02])
def test_proof_on_an_interval_holds_between_the_samples(curve, side, error):
    function, jumps = CURVES[curve]
    pieces = on_interval(function, 1.0, 40.0, error, side, jumps)
    x = np.linspace(1.0, 40.0, 50_001)
    off = deviation(pieces, x, function(x))
    assert pieces.error <= error
    assert np.max(np.abs(off)) <= error * (1 + 1e-6)
    assert side != "under" or np.max(off) <= 1e-9
    assert side != "over" or np.min(off) >= -1e-9


def test_fewer_pieces_do_for_a_larger_error():
    function = CURVES["saturating"][0]
    sizes = [len(on_interval(function, 1.0, 100.0, error)) for error in (0.01, 0.05, 0.2)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_intervals_refuse_what_they_cannot_prove():
    with pytest.raises(ValueError, match="monotone"):
        on_interval(lambda x: 2 + np.sin(x), 0.0, 10.0, 0.01)
    with pytest.raises(ValueError, match="jump"):
        on_interval(lambda x: np.where(x <= 10, x, x * 2), 1.0, 40.0, 0.01)
    with pytest.raises(ValueError, match="left < right"):
        on_interval(lambda x: x, 2.0, 1.0, 0.01)
    with pytest.raises(ValueError, match="side"):
        on_interval(lambda x: x, 1.0, 2.0, 0.01, "on")


def envelope(x, y):
    """Return the least concave function above the points, at the points, by all chords."""
    top = y.astype(float).copy()
    for k in range(len(x)):
        for a in range(k):
            for b in range(k + 1, len(x)):
                top[k] = max(top[k], y[a] + (y[b] - y[a]) * (x[k] - x[a]) / (x[b] - x[a]))
    return top


@settings(max_examples=200, derandomize=True, deadline=None)
@given(y=values, error=st.sampled_from([0.0, 0.05, 0.2]), gap=st.integers(0, 8))
def test_concave_runs_are_the_fewest_and_concave_enough(y, error, gap):
    y = np.array(y)
    x = np.arange(1, len(y) + 1) + 3 * (np.arange(len(y)) >= gap)  # a gap that no run may cross
    runs = concave_runs(x, y, error)
    assert [first for first, _ in runs] == [0, *(last + 1 for _, last in runs[:-1])]
    assert runs[-1][1] == len(x) - 1
    step = np.diff(x).min() if len(x) > 1 else 1

    def good(a, b, slack=1e-9):
        run = slice(a, b + 1)
        top = envelope(x[run], y[run])
        return np.all(np.diff(x[run]) == step) and np.all(top <= y[run] * (1 + error) + slack)

    assert all(good(a, b) for a, b in runs)
    longer = ((a, b + 1) for a, b in runs[:-1])
    assert not any(good(a, b, slack=-1e-9) for a, b in longer)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(increments=st.lists(st.floats(0.1, 5.0), min_size=1, max_size=10), error=st.sampled_from([0.0, 0.03, 0.2]))
def test_concave_lines_lie_above_and_near(increments, error):
    y = np.cumsum(sorted(increments, reverse=True))
    x = np.arange(2, len(y) + 2)
    lines = concave_lines(x, y, error)
    assert np.all(lines(x.astype(float)) >= y)
    assert np.all(lines(x.astype(float)) <= y * (1 + lines.error) * (1 + 1e-12))
    assert lines.error <= error + 1e-8
    assert len(lines.slope) <= max(1, len(y))
