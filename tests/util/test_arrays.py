"""Arrays in groups, each against the loop that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from optsched._util.arrays import (
    by_group,
    components,
    distinct,
    foremost,
    members,
    offsets,
    positions,
    run_starts,
    stretches,
)


@pytest.mark.parametrize("count", [[], [0], [3], [2, 0, 3], [0, 0, 1, 4, 0]])
def test_groups(count):
    count = np.array(count, dtype=np.int64)
    assert offsets(count).tolist() == [sum(count[:k]) for k in range(len(count) + 1)]
    group, number = members(count)
    pairs = [(k, i) for k, n in enumerate(count.tolist()) for i in range(n)]
    assert list(zip(group.tolist(), number.tolist(), strict=True)) == pairs
    begin = 10 * np.arange(len(count))
    assert stretches(begin, count).tolist() == [10 * k + i for k, i in pairs]


@pytest.mark.parametrize("group", [[], [0], [2, 0, 2, 1, 0, 2]])
def test_members_by_group_keep_their_order(group):
    start, order = by_group(np.array(group, dtype=np.int64), 4)
    found = [order[start[k] : start[k + 1]].tolist() for k in range(4)]
    assert found == [[i for i, of in enumerate(group) if of == k] for k in range(4)]


@pytest.mark.parametrize("most", [1, 2, 9])
@pytest.mark.parametrize("group", [[], [0], [2, 0, 2, 4, 0, 2]])
def test_the_foremost_of_each_group(group, most):
    worth = np.random.default_rng(0).permutation(len(group)).astype(float)
    found = foremost(np.array(group, dtype=np.int64), worth, most).tolist()
    best = sorted(range(len(group)), key=lambda i: (group[i], -worth[i]))
    assert found == [i for i in best if sum(group[k] == group[i] and worth[k] > worth[i] for k in best) < most]


def test_a_run_begins_where_any_key_changes():
    assert run_starts(np.array([-1, -1, 0, 0, 0]), np.array([1.0, 2.0, 2.0, 2.0, 1.0])).tolist() == [0, 1, 2, 4]
    assert run_starts(np.empty(0)).tolist() == []


@pytest.mark.parametrize("rows", [[], [[1.0, 2.0]], [[2, 1], [np.nan, 3], [1, 9], [2, 1], [np.nan, 3], [2, 0]]])
def test_distinct_rows(rows):
    first, number = distinct(np.array(rows, dtype=np.float64).reshape(-1, 2))
    keys = [tuple(-np.inf if x != x else x for x in row) for row in rows]
    sets = sorted(set(keys))
    assert first.tolist() == [keys.index(key) for key in sets]
    assert number.tolist() == [sets.index(key) for key in keys]


def test_positions():
    assert positions(np.array([3, 0]), 5).tolist() == [1, -1, -1, 0, -1]
    assert positions(np.empty(0, dtype=np.int64), 2).tolist() == [-1, -1]


@pytest.mark.parametrize("seed", range(20))
def test_components_are_those_of_scipy(seed):
    random = np.random.default_rng(seed)
    count, edges = int(random.integers(1, 60)), int(random.integers(0, 60))
    one, other = random.integers(0, count, (2, edges))
    graph = coo_array((np.ones(edges), (one, other)), shape=(count, count))
    _, expected = connected_components(graph, directed=False)
    found = components(count, one, other)
    assert ((found[:, None] == found) == (expected[:, None] == expected)).all()
    chain = np.arange(count - 1)
    assert (components(count, chain[::-1] + 1, chain[::-1]) == 0).all()
