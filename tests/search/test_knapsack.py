"""The best use of one resource: the exact optimum of its neighbourhood, and never a worse plan."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from optsched.search.prices.dual import evaluate
from optsched.search.prices.knapsack import applies, best_use
from optsched.search.prices.repair import feasible, fill, repair, value_of
from optsched.search.prices.table import price_table
from tests.support.priced_arrays import Row, problem_of


def drawn(seed: int, jobs: int = 5, several: bool = False):
    random = np.random.default_rng(seed)
    rows = [
        [
            Row(float(random.uniform(0.5, 5)), tuple(float(g) * (k == kind or several) for k in range(2)))
            for kind, g in ((0, 1), (0, 3), (1, 2), (1, 3))
        ]
        for _ in range(jobs)
    ]
    return price_table(problem_of(rows, [5, 4]))[0]


def planned(table):
    """Return a feasible plan and the dual that it was made at."""
    seen = evaluate(table, np.full(table.resources, 0.2))
    units = np.zeros(len(table), dtype=np.int64)
    units[seen.best] = 1
    kept = repair(table, seen, units)
    return seen, fill(table, seen, kept)


@pytest.mark.parametrize("seed", range(20))
def test_no_plan_that_changes_one_resource_is_better(seed):
    table = drawn(seed)
    seen, units = planned(table)
    for resource in range(2):
        found = best_use(table, seen, units, resource, np.inf)
        assert feasible(table, found)
        held = np.flatnonzero(units)
        ways = []
        for group, row in enumerate(held.tolist()):
            own = np.arange(table.first[group], table.first[group + 1])
            free = own[(table.resource[own] == resource) | (table.amount[own] == 0)]
            ways.append(sorted({row, *free.tolist()}))
        best = 0.0
        for rows in product(*ways):
            plan = np.zeros(len(table), dtype=np.int64)
            plan[list(rows)] = 1
            if feasible(table, plan):
                best = max(best, value_of(table, plan))
        assert value_of(table, found) == pytest.approx(best)
        assert best >= value_of(table, units) - 1e-12


def test_rows_of_several_resources_are_no_knapsack():
    assert applies(drawn(0))
    assert not applies(drawn(0, several=True))
