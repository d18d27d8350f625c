"""The linear model: names, blocks, and its matrix."""

from __future__ import annotations

import numpy as np

from optsched.solvers.linear import LinearModel


def model():
    m = LinearModel(offset=5.0)
    x = m.add_variables("x", 2, upper=[1, 2], integer=True, cost=[3, 4], label=["a", "b"].__getitem__)
    y = m.add_variables("y", 1, lower=-1)
    m.add_rows("R", ([0, 0, 1, 0], [x[1], x[0], y[0], x[1]], [1, 2, 3, 4]), upper=7, size=2)
    m.add_rows("S", (0, x, 1.0), lower=1, size=1, label=lambda _: "all")
    return m


def test_names_and_columns():
    assert model().variable_names() == ["x[a]", "x[b]", "y[0]"]
    assert model().row_names() == ["R[0]", "R[1]", "S[all]"]
    assert model().columns == 3


def test_bounds_costs_and_integrality():
    m = model()
    assert m.lower.tolist() == [0, 0, -1]
    assert m.upper.tolist() == [1, 2, np.inf]
    assert m.cost.tolist() == [3, 4, 0]
    assert m.integer.tolist() == [True, True, False]


def test_matrix_sums_what_is_named_twice():
    a = model().matrix()
    assert a.start.tolist() == [0, 2, 3, 5]
    assert a.column.tolist() == [0, 1, 2, 0, 1]
    assert a.coefficient.tolist() == [2, 5, 3, 1, 1]
    assert a.lower.tolist() == [-np.inf, -np.inf, 1]
    assert a.upper.tolist() == [7, 7, np.inf]


def test_matrix_without_rows_and_with_empty_rows():
    m = LinearModel()
    m.add_variables("x", 2)
    assert m.matrix().start.tolist() == [0]
    m.add_rows("R", ([1], [0], [2.0]), upper=1, size=3)
    assert m.matrix().start.tolist() == [0, 0, 1, 1]


def test_any_order_of_entries_gives_the_same_matrix():
    rng = np.random.default_rng(7)
    row, column = rng.integers(0, 5, 40), rng.integers(0, 6, 40)
    coefficient = rng.normal(size=40)
    dense = np.zeros((5, 6))
    np.add.at(dense, (row, column), coefficient)
    for _ in range(3):
        order = rng.permutation(40)
        m = LinearModel()
        m.add_variables("x", 6)
        m.add_rows("R", (row[order], column[order], coefficient[order]), size=5)
        a = m.matrix()
        found = np.zeros((5, 6))
        found[np.repeat(np.arange(5), np.diff(a.start)), a.column] = a.coefficient
        np.testing.assert_allclose(found, dense)
