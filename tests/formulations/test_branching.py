"""Options and meetings of jobs as splits, against brute force and by hand."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from formulations.network.branching import Class, Held, Meeting, Splits
from formulations.network.server_patterns import patterns_of
from optsched.checker import check
from optsched.problem.build import build_problem
from optsched.problem.formulation import formulation
from optsched.problem.problem import allocate
from optsched.search.placement.rate_levels import CHOICES
from optsched.solvers import Limits, RunContext, branch_and_bound
from optsched.solvers.highs import dense, request_of
from tests.support.placement_instances import made
from tests.support.placement_oracle import best_placed

BLOCK = 10


@pytest.mark.parametrize("block", range(12))
def test_bounds_and_plans_agree_with_brute_force(block):
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        one = made(seed, "network")
        problem = build_problem(one, error=1e-4)
        if problem.objective.aggregate not in ("sum", "min"):
            continue
        truth = best_placed(one)
        built = formulation("network").forms["linear"](problem, CHOICES)
        if truth is None or built.model.columns == 0:
            continue
        request = branch_and_bound.Request(request_of(built.model), built.disjunctions(), -1e30)
        outcome = branch_and_bound.run(request, RunContext(Limits(time.monotonic() + 60)))
        best = problem.objective.sign * truth[0]
        slack = 2e-6 * max(abs(best), 1e-6)
        assert outcome.bound * built.scale >= best - slack, seed
        assert outcome.values is not None, seed
        plan = built.read(outcome.values)
        assert problem.total(plan) <= best + slack, seed
        report = check(one, allocate(problem, plan))
        assert report.ok or {v.rule for v in report.violations} == {"required"}, (seed, report.violations)


def fits(items, counts, gpus, network, apart):
    """Tell whether pieces share a server, with at most one of each job's rings."""
    jobs = [job for (job, _, _), n in zip(items, counts, strict=True) for _ in range(n) if job >= 0]
    return (
        sum(n * size for (_, size, _), n in zip(items, counts, strict=True)) <= gpus
        and sum(n * rate for (_, _, rate), n in zip(items, counts, strict=True)) <= network
        and len(jobs) == len(set(jobs))
        and not any(never <= set(jobs) for never in apart)
    )


@pytest.mark.parametrize("seed", range(20))
def test_patterns_cover_all_that_fits_a_server_and_nothing_else(seed):
    random = np.random.default_rng(seed)
    rings = {
        (int(job), int(random.integers(1, 4)), float(random.choice([0, 3, 6]))) for job in random.integers(0, 4, 5)
    }
    items = tuple(sorted({*rings, *((-1, int(size), 0.0) for size in random.integers(1, 5, 2))}))
    apart = frozenset({frozenset({0, 1})}) if seed % 2 else frozenset()
    patterns = patterns_of(items, 4, 10.0, apart)
    for column in patterns.counts.T.astype(int).tolist():
        assert fits(items, column, 4, 10.0, apart)
    for counts in itertools.product(*(range(2 if job >= 0 else 5) for job, _, _ in items)):
        if fits(items, counts, 4, 10.0, apart):
            assert (patterns.counts >= np.array(counts)[:, None]).all(axis=0).any()


def test_too_many_patterns_are_none():
    items = tuple((job, 1, 0.0) for job in range(40))
    assert patterns_of(items, 8, np.inf, frozenset()) is None


ITEMS = ((-1, 1, 0.0), (-1, 2, 0.0), (-1, 3, 0.0), (0, 1, 0.0), (1, 2, 0.0), (2, 1, 0.0))
COUNTS = np.array([1.0, 1.0, 1.0, 4.0, 2.0, 2.0])
"""16 GPUs on four servers of 4. Job 0 is on all of them. Job 1 needs two without the piece of three GPUs, and at one of
these two at least is job 2, since the others of these three servers have room for one more GPU, and two."""
CLASS = Class(4, 4, 25.0, np.arange(6), ITEMS)
SPLITS = Splits((), {0: np.array([6]), 1: np.array([7]), 2: np.array([8])}, (CLASS,))
MEETING = Meeting((0, 1, 2), 25.0)


def point(*rates):
    return np.concatenate([COUNTS, rates])


def test_jobs_that_need_not_meet_leave_nothing_to_decide():
    assert SPLITS.look(point(10.0, 10.0, 5.0), frozenset(), dense) == ([], {})


def test_jobs_that_must_meet_and_send_too_much_are_a_split():
    rows, splits = SPLITS.look(point(10.0, 10.0, 10.0), frozenset(), dense)
    assert rows == []
    assert list(splits) == [MEETING]


def test_the_fewest_jobs_that_send_too_much_are_asked():
    _, splits = SPLITS.look(point(20.0, 10.0, 0.0), frozenset(), dense)
    assert list(splits) == [Meeting((0, 1), 25.0)]


def test_a_meeting_bounds_the_rates():
    never, ever = SPLITS.sides(MEETING)
    assert never.rows == ()
    (row,) = ever.rows
    assert (row.column.tolist(), row.coefficient.tolist(), row.upper) == ([6, 7, 8], [1, 1, 1], 25.0)


def test_a_meeting_on_slower_servers_says_nothing_of_faster_ones():
    slower = frozenset({(Meeting((0, 1, 2), 10.0), 0)})
    assert list(SPLITS.look(point(10.0, 10.0, 10.0), slower, dense)[1]) == [MEETING]


def test_what_servers_cannot_hold_is_less_of_something_or_nothing():
    taken = frozenset({(MEETING, 0)})
    rows, splits = SPLITS.look(point(10.0, 10.0, 10.0), taken, dense)
    keys = [Held(0, item, int(count)) for item, count in zip(ITEMS, COUNTS, strict=True)]
    assert (rows, set(splits)) == ([], set(keys))
    no_less = taken | {(key, 1) for key in keys}
    (row,) = SPLITS.look(point(10.0, 10.0, 10.0), no_less, dense)[0]
    assert (len(row.column), row.upper) == (0, -1.0)
    assert row.needs == no_less


def test_the_sides_of_what_is_held():
    fewer, as_many = SPLITS.sides(Held(0, (0, 1, 0.0), 4))
    assert [(r.column.tolist(), r.coefficient.tolist(), r.upper) for r in fewer.rows] == [([3], [1.0], 3.0)]
    assert [(r.column.tolist(), r.coefficient.tolist(), r.upper) for r in as_many.rows] == [([3], [-1.0], -4.0)]


def test_pieces_that_no_patterns_hold_violate_a_row_that_all_keep():
    """Two jobs that never meet, on all of two servers each: of three servers."""
    items = ((0, 1, 0.0), (1, 1, 0.0))
    splits = Splits((), {0: np.array([2]), 1: np.array([3])}, (Class(3, 4, 25.0, np.arange(2), items),))
    key = Meeting((0, 1), 25.0)
    rows, _ = splits.look(np.array([2.0, 1.5, 20.0, 20.0]), frozenset({(key, 0)}), dense)
    (row,) = rows
    assert row.needs == {(key, 0)}
    assert (row.column.tolist(), row.coefficient.round(6).tolist(), row.upper) == ([0, 1], [1.0, 1.0], 3.0)
