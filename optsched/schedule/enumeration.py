"""Schedules of few jobs, all of them: a proof of optimality that no tick of time rounds.

For a regular objective some order of the jobs, each in some configuration and placed as early as what is left allows,
is a best schedule (Kolisch, EJOR 90 (1996), sec. 2). The orders form a tree; a branch ends where what its jobs cost,
and the others alone in the cluster, is no less than the best schedule (Balas, Operations Research 17 (1969)).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from optsched.schedule.problem import Plan, Question
from optsched.schedule.sgs import Profile

__all__ = ["enumerated", "few"]

_MOST_NODES = 12_000
"""Most partial schedules that are tried."""


def few(question: Question) -> bool:
    """Tell whether all schedules can be tried in seconds; those on servers are too many."""
    if question.servers is not None:
        return False
    nodes, left = 0.0, np.diff(question.first)[np.diff(question.first) > 0]
    choices = np.where(question.must[np.diff(question.first) > 0], left, left + 1).astype(np.float64)
    level = 1.0
    for size in range(len(choices), 0, -1):
        level *= size * float(choices.mean())
        nodes += level
    return nodes <= _MOST_NODES


def enumerated(
    question: Question, plan: Plan | None, stopping: Callable[[], bool], deadline: float | None
) -> tuple[Plan | None, bool]:
    """Return the best schedule of all, and whether every one was tried.

    Parameters
    ----------
    plan
        A schedule that is known, which a better one is looked for to.
    stopping, deadline
        When to end: asked at every branch, and on the clock of ``time.monotonic``.
    """
    best = _Best(question, plan, stopping, math.inf if deadline is None else deadline)
    able = tuple(np.flatnonzero(np.diff(question.first) > 0).tolist())
    nothing = np.full(question.jobs, -1, dtype=np.int64), np.full(question.jobs, np.nan)
    best.go_on(able, Profile(question), *nothing)
    return best.plan, not best.ended


class _Best:
    """The best schedule so far, and the search for a better one."""

    def __init__(self, question: Question, plan: Plan | None, stopping: Callable[[], bool], deadline: float) -> None:
        self.question, self.plan, self.stopping, self.deadline = question, plan, stopping, deadline
        self.cost = math.inf if plan is None else question.cost(plan)
        self.ended = False
        soonest = question.earliest + question.duration
        cost = question.costs(question.job, soonest)
        self.least = np.full(question.jobs, np.inf)  # of each job, alone in the cluster; left out if it may be
        np.minimum.at(self.least, question.job, cost)
        self.least = np.where(question.must, self.least, np.minimum(self.least, 0.0))

    def go_on(self, left: tuple[int, ...], profile: Profile, row: np.ndarray, start: np.ndarray) -> None:
        """Try all orders of the jobs that are left after some that are placed."""
        question = self.question
        if not left:
            plan = question.plan(row.copy(), start.copy())
            if (cost := question.cost(plan)) < self.cost:
                self.plan, self.cost = plan, cost
            return
        for job in left:
            if self.ended or self.stopping() or time.monotonic() > self.deadline:
                self.ended = True
                return
            others = tuple(one for one in left if one != job)
            for r in question.rows(job):
                begin = profile.earliest(question.need[r], float(question.duration[r]), float(question.earliest[r]))
                if begin > question.latest[r]:
                    continue
                row[job], start[job] = r, begin
                if self.bound(others, row, start) < self.cost:
                    after = profile.copy()
                    after.take(begin, begin + float(question.duration[r]), question.need[r])
                    self.go_on(others, after, row, start)
            row[job], start[job] = -1, np.nan
            optional = not question.must[job] and job == left[0]  # left out: in one order is enough
            if optional and self.bound(others, row, start) < self.cost:
                self.go_on(others, profile, row, start)

    def bound(self, others: tuple[int, ...], row: np.ndarray, start: np.ndarray) -> float:
        """Return what a branch costs at least."""
        question = self.question
        ran = np.flatnonzero(row >= 0)
        placed = question.costs(ran, start[ran] + question.duration[row[ran]])
        return question.goal.total(np.concatenate([placed, self.least[list(others)]]))
