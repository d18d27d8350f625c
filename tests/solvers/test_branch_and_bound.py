"""The search, on integer programs whose optima enumeration knows."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from optsched.solvers import Limits, RunContext, branch_and_bound
from optsched.solvers.disjunctions import Row, Side
from optsched.solvers.highs import request_of
from optsched.solvers.linear import LinearModel
from optsched.solvers.lp_relaxation import Relaxation
from optsched.solvers.subprocess import client
from tests.support import solver_faults as faults


class Nothing:
    """No split of its own: all is in the columns."""

    def sides(self, key):
        raise AssertionError(key)

    def look(self, values, taken, small):
        return [], {}


class Cliques:
    """At most one of each pair of columns, as rows that wait; and splits of the first of each: it is 0, or 1."""

    def __init__(self, pairs):
        self.pairs = pairs

    def sides(self, key):
        column = np.array([self.pairs[key][0]])
        return Side(column, np.zeros(1), np.zeros(1)), Side(column, np.ones(1), np.ones(1))

    def look(self, values, taken, small):
        rows = [
            Row(np.array(pair), np.ones(2), 1.0) for pair in self.pairs if values[pair[0]] + values[pair[1]] > 1 + 1e-4
        ]
        splits = {
            k: min(values[i], 1 - values[i]) for k, (i, _) in enumerate(self.pairs) if 1e-4 < values[i] < 1 - 1e-4
        }
        return rows, splits


class Forbidden:
    """A point with both of two columns is on neither side of a split that needs a row: rows hold on sides only."""

    def sides(self, key):
        nothing = np.empty(0)
        none = nothing.astype(np.int64)
        return tuple(Side(none, nothing, nothing, (Row(np.array([k]), np.ones(1), 0.0),)) for k in (0, 1))

    def look(self, values, taken, small):
        return [], {"either": 1.0} if min(values[0], values[1]) > 1e-6 else {}


def made(seed, columns=7, rows=4):
    """Return a random program in small whole numbers, and its optimum by enumeration (-inf: none)."""
    random = np.random.default_rng(seed)
    cost, matrix = random.integers(-3, 9, columns), random.integers(0, 7, (rows, columns))
    limit, least = random.integers(4, 16, rows), random.integers(0, 4)
    model = LinearModel(offset=float(random.integers(0, 3)))
    x = model.add_variables("x", columns, upper=2.0, integer=True, cost=cost)
    r, c = np.nonzero(matrix)
    model.add_rows("a", (r, x[c], matrix[r, c]), upper=limit, size=rows)
    model.add_rows("some", (np.zeros(columns, dtype=np.int64), x, 1.0), lower=float(least), size=1)
    points = np.array(list(itertools.product(range(3), repeat=columns)))
    fits = (points @ matrix.T <= limit).all(axis=1) & (points.sum(axis=1) >= least)
    return model, points[fits], cost, model.offset


def context(seconds=30.0):
    return RunContext(Limits(time.monotonic() + seconds))


@pytest.mark.parametrize("seed", range(40))
def test_columns_alone_lead_to_the_optimum(seed):
    model, points, cost, offset = made(seed)
    outcome = branch_and_bound.run(branch_and_bound.Request(request_of(model), Nothing(), -1e9), context())
    if len(points) == 0:
        assert outcome.values is None
        assert outcome.bound <= -1e9
        return
    best = offset + (points @ cost).max()
    assert outcome.stopped == "gap"
    assert outcome.objective == pytest.approx(best, abs=1e-6)
    assert best - 1e-9 <= outcome.bound <= best + 1e-5


@pytest.mark.parametrize("seed", range(40))
def test_rows_that_wait_and_splits_lead_to_the_optimum(seed):
    model, points, cost, offset = made(seed)
    pairs = [(0, 1), (1, 2), (3, 4), (0, 5)]
    allowed = points[np.all([points[:, i] + points[:, j] <= 1 for i, j in pairs], axis=0)]
    outcome = branch_and_bound.run(branch_and_bound.Request(request_of(model), Cliques(pairs), -1e9), context())
    best = offset + (allowed @ cost).max() if len(allowed) else -1e9
    assert outcome.bound == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_rows_hold_on_their_side_only(seed):
    model, points, cost, offset = made(seed)
    allowed = points[(points[:, 0] == 0) | (points[:, 1] == 0)]
    outcome = branch_and_bound.run(branch_and_bound.Request(request_of(model), Forbidden(), -1e9), context())
    best = offset + (allowed @ cost).max() if len(allowed) else -1e9
    assert outcome.bound == pytest.approx(best, abs=1e-5)


def test_what_is_good_enough_ends_the_search_at_once():
    model, points, cost, offset = made(1)
    best = offset + (points @ cost).max()
    outcome = branch_and_bound.run(branch_and_bound.Request(request_of(model), Nothing(), best + 0.5), context())
    assert outcome.values is None
    assert outcome.bound == best + 0.5


def test_without_time_the_bound_is_none():
    model, *_ = made(2)
    outcome = branch_and_bound.run(branch_and_bound.Request(request_of(model), Nothing(), -1e9), context(0.0))
    assert (outcome.values, outcome.stopped) == (None, "time_limit")
    assert outcome.bound == np.inf


def test_in_a_process_of_its_own_points_are_checked():
    model, points, cost, offset = made(3)
    outcome = branch_and_bound.solve(model, Nothing(), context(), -1e9)
    best = offset + (points @ cost).max()
    assert outcome.objective == pytest.approx(best, abs=1e-6)
    assert outcome.bound == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("fault", faults.ENDS, ids=lambda fault: fault.__name__)
def test_a_process_that_ends_is_a_failure_with_a_message(fault, monkeypatch):
    monkeypatch.setitem(client.ENTRIES, "branch_and_bound", faults.entry(fault))
    outcome = branch_and_bound.solve(made(3)[0], Nothing(), context(), -1e9)
    assert (outcome.stopped, outcome.bound) == ("failed", None)
    assert outcome.message.startswith("branch and bound failed: ")


def test_a_model_without_columns_is_answered():
    model = LinearModel(offset=2.0)
    assert branch_and_bound.solve(model, Nothing(), context(), -1e9).objective == 2.0


def test_decisions_that_leave_a_column_no_value_have_no_point():
    model, *_ = made(1)
    cliques = Cliques([(0, 1), (0, 2)])
    relaxation = Relaxation(request_of(model), cliques.sides)
    relaxation.at(frozenset({(0, 0), (1, 1)}))
    assert relaxation.solve(None, 10.0) == (-np.inf, None)


def test_columns_without_bounds_get_them_from_rows():
    """No row may wait that alone keeps a column from running away."""
    model = LinearModel()
    x = model.add_variables("x", 1, upper=3.0, integer=True)
    y = model.add_variables("y", 2, cost=1.0)
    model.add_rows("a", ([0, 0], [y[0], x[0]], [1.0, -2.0]), upper=0.0, size=1)
    model.add_rows("b", ([0, 0], y, [1.0, -1.0]), lower=0.0, size=1)
    outcome = branch_and_bound.run(branch_and_bound.Request(request_of(model), Nothing(), -1e9), context())
    assert outcome.objective == pytest.approx(12.0)
    assert outcome.bound == pytest.approx(12.0)


@pytest.mark.parametrize("seed", range(10))
def test_going_on_from_a_basis_of_before_rows_were_forgotten_changes_nothing(seed, monkeypatch):
    """Whatever is in the relaxation, the bound of a node is that of the node."""
    model, *_ = made(seed, columns=7, rows=6)
    cliques = Cliques(list(itertools.combinations(range(7), 2)))
    monkeypatch.setattr("optsched.solvers.lp_relaxation._GROWN", 0)
    forgetful = Relaxation(request_of(model), cliques.sides)
    monkeypatch.setattr("optsched.solvers.lp_relaxation._GROWN", 1000)
    other = Relaxation(request_of(model), cliques.sides)
    for pair in cliques.pairs:
        row = Row(np.array(pair), np.ones(2), 1.0)
        forgetful.add(row)
        other.add(row)
    random, bases = np.random.default_rng(seed), []
    for _ in range(30):
        taken = frozenset((int(k), int(random.integers(2))) for k in random.choice(21, 3, replace=False))
        bounds = []
        for relaxation in (forgetful, other):
            relaxation.at(taken)
        basis = bases[random.integers(len(bases))] if bases else None
        bounds = [forgetful.solve(basis, 10.0)[0], other.solve(None, 10.0)[0]]
        assert bounds[0] == pytest.approx(bounds[1], abs=1e-6)
        bases.append(forgetful.basis())
