"""The record of a batch: division of the plane, curvature, codes, interpolation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optsched.problem.piecewise import Pieces
from optsched.problem.piecewise.gray import bits, gray, length
from optsched.problem.piecewise.logarithmic import codes
from tests.support.function_batches import curves, grids, inside


def test_gray_codes_of_neighbours_differ_in_one_bit():
    code = gray(np.arange(64))
    assert sorted(code.tolist()) == list(range(64))
    assert {bin(a ^ b).count("1") for a, b in itertools.pairwise(code.tolist())} == {1}
    assert gray(np.arange(8)).tolist() == [0b000, 0b001, 0b011, 0b010, 0b110, 0b111, 0b101, 0b100]


def test_lengths_and_bits():
    counts = np.arange(1, 70)
    assert length(counts).tolist() == [(n - 1).bit_length() for n in counts.tolist()]
    assert bits(np.array([5, 2]), 3).tolist() == [[True, False, True], [False, True, False]]


def test_the_union_jack_covers_each_cell_by_two_triangles():
    pieces = grids(np.random.default_rng(0), [(1, 1), (3, 4), (4, 1)], ["neither"] * 3)
    low, high = pieces.box
    corner = pieces.at[pieces.corner]
    across, up = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = np.abs(across[:, 0] * up[:, 1] - across[:, 1] * up[:, 0]) / 2
    covered = np.bincount(pieces.owner, weights=area)
    np.testing.assert_allclose(covered, np.prod(high - low, axis=1))
    assert pieces.count.tolist() == [2, 24, 8]
    assert pieces.cells.tolist() == [[1, 1], [3, 4], [4, 1]]


def test_the_union_jack_mirrors_neighbouring_cells():
    """The crossing in the middle of 2 x 2 cells is a corner of all eight triangles, or of four."""
    pieces = Pieces.grids(np.zeros(3, int), np.arange(3), np.zeros(3, int), np.arange(3), np.zeros(9))
    assert np.bincount(pieces.corner.ravel()).tolist() == [2, 2, 2, 2, 8, 2, 2, 2, 2]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7), (8, 4)])
def test_a_code_leaves_the_corners_of_its_polytope(size):
    """The independent branching of Vielma and Nemhauser: every code, used or not, leaves one polytope or a part."""
    pieces = grids(np.random.default_rng(1), [size], ["neither"])
    code, width = codes(pieces)
    adjacent = [[code[p] for p in range(len(code)) if v in pieces.corner[p]] for v in range(len(pieces.of))]
    simplices = [set(corner) for corner in pieces.corner.tolist()]
    own = {tuple(c): s for c, s in zip(code.tolist(), simplices, strict=True)}
    assert len(own) == len(simplices)
    for word in itertools.product([False, True], repeat=int(width[0])):
        left = {
            v
            for v, near in enumerate(adjacent)
            if all(any(c[bit] == word[bit] for c in near) for bit in range(len(word)))
        }
        if word in own:
            assert left == own[word]
        else:
            assert any(left <= simplex for simplex in simplices)


def test_curvature():
    random = np.random.default_rng(2)
    shapes = ["concave", "convex", "neither"] * 5
    for pieces in (curves(random, [5] * 15, shapes), grids(random, [(3, 2)] * 15, shapes)):
        assert pieces.concave.tolist() == [s == "concave" for s in shapes]
        assert pieces.convex.tolist() == [s == "convex" for s in shapes]
    line = Pieces.curves(np.zeros(3, int), np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.2, 0.3]) * 3 + 7)
    assert line.concave.all()
    assert line.convex.all()


def test_interpolation():
    random = np.random.default_rng(3)
    pieces = curves(random, [1, 4, 9], ["neither"] * 3)
    for _ in range(20):
        t = inside(random, pieces)
        expected = [np.interp(t[k, 0], pieces.at[pieces.of == k, 0], pieces.value[pieces.of == k]) for k in range(3)]
        np.testing.assert_allclose(pieces(t), expected)
    flat = Pieces.grids(np.zeros(3, int), np.arange(3), np.zeros(2, int), np.arange(2), [0.0, 1, 2, 3, 4, 5])
    for x, y in random.uniform(0, 1, (20, 2)) * (2, 1):
        assert flat(np.array([[x, y]]))[0] == pytest.approx(2 * x + y)


def test_a_part_of_a_batch_is_the_batch_of_the_parts():
    random = np.random.default_rng(4)
    for pieces in (curves(random, [1, 2, 5, 3], ["neither"] * 4), grids(random, [(1, 2), (3, 3), (2, 1)], [""] * 3)):
        which = np.arange(pieces.functions) % 2 == 0
        part, t = pieces.take(which), inside(random, pieces)
        np.testing.assert_allclose(part(t[which]), pieces(t)[which])
        assert part.count.tolist() == pieces.count[which].tolist()


@pytest.mark.parametrize(
    ("of", "at"),
    [([0], [1.0]), ([0, 0, 1], [0.0, 1, 2]), ([0, 0], [1.0, 1.0]), ([1, 1, 0, 0], [0.0, 1, 0, 1])],
)
def test_what_is_no_function_is_refused(of, at):
    with pytest.raises(ValueError, match="breakpoints"):
        Pieces.curves(np.array(of), np.array(at), np.zeros(len(of)))


def test_a_grid_without_a_value_is_refused():
    with pytest.raises(ValueError, match="crossing"):
        Pieces.grids(np.zeros(2, int), np.arange(2), np.zeros(2, int), np.arange(2), [0.0, 1, 2])
