"""First schedules: list scheduling in several orders and ways to choose a configuration, then random exchanges.

Orders: earliest due date (Jackson 1955), weighted shortest processing time (Smith 1956), largest area first and longest
first (Graham 1969; Garey and Graham 1975 for several resources), least slack, first come. Moldable choice:
the configuration that ends first, or that with the least of end + lambda x area (the trade-off between a job's own end
and what it takes from others: Turek, Wolf and Yu, SPAA'92), or the least area that keeps the due date.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.schedule.objectives import SLACK
from optsched.schedule.problem import Plan, Question
from optsched.schedule.sgs import Choice, placed

__all__ = ["areas", "list_schedules"]

_EXCHANGES = 300
"""Random exchanges after the lists; a count and no time, so that equal input gives equal schedules."""


def areas(question: Question) -> FloatArray:
    """Return for how many seconds each row fills the cluster: duration x the largest share of a resource."""
    if len(question.capacity) == 0:
        return np.zeros(len(question))
    share: FloatArray = (question.need / np.maximum(question.capacity, 1e-12)).max(axis=1)
    return question.duration * share


def list_schedules(
    question: Question, seed: int = 0, deadline: float | None = None, exchanges: int | None = None
) -> Iterator[Plan]:
    """Yield better and better plans; the first list is always finished, the rest end at the deadline.

    Parameters
    ----------
    deadline
        On the clock of ``time.monotonic``.
    exchanges
        Most random exchanges of two jobs, or moves of one, in the best order; None: 20 a job, at most 300.
    """
    area = areas(question)
    worth: tuple[int, float] = (question.jobs + 1, np.inf)
    found = False
    for one, how in _lists(question, area):
        plan = placed(question, one.tolist(), how)
        if not found or _worth(question, plan) < worth:
            found, worth, order, choice = True, _worth(question, plan), one, how
            yield plan
        if deadline is not None and time.monotonic() > deadline:
            return
    random = np.random.default_rng(seed)
    steps = min(_EXCHANGES, 20 * question.jobs) if exchanges is None else exchanges
    for _ in range(steps if len(order) > 1 else 0):
        if deadline is not None and time.monotonic() > deadline:
            return
        a, b = random.choice(len(order), 2, replace=False).tolist()
        tried = order.copy()
        if random.random() < 0.5:
            tried[[a, b]] = tried[[b, a]]
        else:
            tried = np.insert(np.delete(tried, a), b, order[a])
        plan = placed(question, tried.tolist(), choice)
        if (now := _worth(question, plan)) <= worth:  # an equal one may lead on
            worth, order = now, tried
            yield plan


def _worth(question: Question, plan: Plan) -> tuple[int, float]:
    """Return how many jobs that have to run do not, and the cost of the others: less is better."""
    missing = int(np.sum(question.must & (plan.row < 0)))
    ran = np.flatnonzero(plan.row >= 0)
    ends = plan.start[ran] + question.duration[plan.row[ran]]
    return missing, question.goal.total(question.costs(ran, ends))


def _lists(question: Question, area: FloatArray) -> Iterator[tuple[IntArray, Choice]]:
    """Yield pairs of an order and a choice, the most promising first."""
    orders = list(_orders(question, area))
    trades = [_trading(area, factor) for factor in (1.0, question.jobs / 8, 0.0, question.jobs / 2)]
    choices = [_in_time(question, area), *trades]
    for how in choices:
        for one in orders:
            yield one, how


def _orders(question: Question, area: FloatArray) -> Iterator[IntArray]:
    """Yield orders of the jobs that can run; jobs that have to end in time come first in those by due dates."""
    jobs = np.flatnonzero(np.diff(question.first) > 0)
    begin = question.first[jobs]
    if len(jobs) == 0:
        yield jobs
        return
    least = np.minimum.reduceat(area, begin)
    fastest = np.minimum.reduceat(question.duration, begin)
    late = ~question.must[jobs]
    density = question.weight[jobs] / np.maximum(least, 1e-12)
    yield jobs[np.lexsort((least, question.due[jobs], late))]
    yield jobs[np.lexsort((-density, late))]
    yield jobs[np.lexsort((-density,))]
    yield jobs[np.lexsort((question.due[jobs] - fastest, late))]
    yield jobs[np.lexsort((-least,))]
    yield jobs[np.lexsort((-fastest,))]
    yield jobs[np.lexsort((question.due[jobs], question.arrival[jobs]))]


def _trading(area: FloatArray, factor: float) -> Choice:
    def choice(job: int, rows: IntArray, ends: FloatArray) -> int:
        return int(np.argmin(ends + factor * area[rows]))

    return choice


def _in_time(question: Question, area: FloatArray) -> Choice:
    """Take the least area that keeps the due date, else what ends first."""

    def choice(job: int, rows: IntArray, ends: FloatArray) -> int:
        kept = ends <= question.due[job] + SLACK
        return int(np.argmin(np.where(kept, area[rows], np.inf)) if kept.any() else np.argmin(ends))

    return choice
