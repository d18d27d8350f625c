"""Lower bounds by energy: what must be done within a window of time fits what there is in it.

A row of p seconds that may start from s to s' spends at least min over s, s' of its overlap in a window [a, b], since
the overlap rises to a plateau and falls again as the start moves (energetic reasoning: Erschler, Lopez and Thuriot
1991; Baptiste, Le Pape and Nuijten, Annals of Operations Research 92, 1999, sec. 3). Over the choice of rows this is
linear, and its relaxation bounds every schedule. Ends are split into intervals, each with the cost at its begin: the
interval-indexed relaxation of Hall, Schulz, Shmoys and Wein, "Scheduling to minimize average completion time",
Math. of OR 22 (1997), sec. 4, with energies instead of machine loads.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, run_starts
from optsched.schedule.objectives import SLACK
from optsched.schedule.problem import Plan, Question
from optsched.solvers.linear import LinearModel

__all__ = ["Energies", "Items", "available", "energies", "items", "overlap", "relaxation"]

_MOST = 16
"""Most begins, and most ends, of windows."""
_INTERVALS = 24
"""Intervals of ends, for costs that grow over time."""


@dataclass(frozen=True)
class Items:
    """Rows with a part of the time in which they may start; shape ``(n,)`` each.

    row
        Of the question.
    first, last
        Seconds between which it starts.
    cost
        The least that it costs then.
    part
        Number of the interval of its end; for late-jobs 0 is in time and 1 is late.
    """

    row: IntArray
    first: FloatArray
    last: FloatArray
    cost: FloatArray
    part: IntArray


@dataclass(frozen=True)
class Energies:
    """Constraints ``sum amount[i] y[item[i]] <= limit[window[i]]`` over a choice of items."""

    window: IntArray
    item: IntArray
    amount: FloatArray
    limit: FloatArray


def overlap(start: FloatArray, duration: FloatArray, a: float, b: float) -> FloatArray:
    """Return for how many seconds runs lie in a window."""
    inside: FloatArray = np.maximum(0.0, np.minimum(start + duration, b) - np.maximum(start, a))
    return inside


def available(question: Question, resource: int, a: float, b: float) -> float:
    """Return what there is of a resource within a window, in its unit x seconds, reservations taken off."""
    taken = sum(
        amount * max(0.0, min(end, b) - max(start, a)) for k, amount, start, end in question.reserved if k == resource
    )
    return float(question.capacity[resource]) * (b - a) - taken


def items(question: Question, plan: Plan | None = None) -> Items:
    """Return every row with the intervals of time in which it may end.

    Parameters
    ----------
    plan
        Where intervals are cut, for costs that grow over time: at the ends of this plan's jobs.
    """
    row = np.arange(len(question))
    due = question.due[question.job]
    if question.goal.name == "on-time":
        cuts = np.array([[-np.inf], [np.inf]]) + np.zeros(len(row))
    elif question.goal.name == "late-jobs":
        cuts = np.stack([np.full(len(row), -np.inf), due + SLACK, np.full(len(row), np.inf)])
    else:
        ends = np.array([question.length])
        if plan is not None:
            ran = np.flatnonzero(plan.row >= 0)
            ends = np.append(plan.start[ran] + question.duration[plan.row[ran]], question.length)
        inner = np.unique(np.quantile(ends, np.linspace(0, 1, _INTERVALS)))
        cuts = np.concatenate([[-np.inf], inner, [np.inf]])[:, None] + np.zeros(len(row))
    parts = []
    lateness = question.goal.name == "late-jobs"
    for number, (low, high) in enumerate(itertools.pairwise(cuts)):
        first = np.maximum(question.earliest, low - question.duration)
        last = np.minimum(question.latest, high - question.duration)
        late = lateness and number == 1
        able = np.flatnonzero((last >= first - SLACK) & (not late or last + question.duration > due + SLACK + 1e-9))
        job = question.job[able]
        cost = question.costs(job, first[able] + question.duration[able])
        if lateness:
            cost = late * question.weight[job]
        parts.append(Items(able, first[able], np.maximum(first, last)[able], cost, np.full(len(able), number)))
    return Items(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Items)))


def energies(question: Question, of: Items) -> Energies:
    """Return the energy constraints of windows from arrivals to latest ends, those that can bind."""
    begins = _spread(np.append(of.first, 0.0))
    ends = _spread(of.last + question.duration[of.row])
    windows = [(a, b) for a in begins.tolist() for b in ends.tolist() if b > a + SLACK]
    window: list[IntArray] = []
    item: list[IntArray] = []
    amount: list[FloatArray] = []
    limit: list[float] = []
    duration, need = question.duration[of.row], question.need[of.row]
    for a, b in windows:
        least = np.minimum(overlap(of.first, duration, a, b), overlap(of.last, duration, a, b))
        for k in range(len(question.capacity)):
            energy = least * need[:, k]
            some = np.flatnonzero(energy > 0)
            there = available(question, k, a, b)
            most = np.zeros(question.jobs)
            np.maximum.at(most, question.job[of.row[some]], energy[some])
            if most.sum() > there:
                window.append(np.full(len(some), len(limit)))
                item.append(some)
                amount.append(energy[some])
                limit.append(there)
    whole = np.empty(0, dtype=np.int64)
    return Energies(
        np.concatenate([whole, *window]),
        np.concatenate([whole, *item]),
        np.concatenate([[], *amount]),
        np.array(limit, dtype=np.float64),
    )


def _spread(times: FloatArray) -> FloatArray:
    """Return the distinct times, or some of them, spread evenly among them, the first and the last included."""
    distinct = np.unique(times)
    if len(distinct) <= _MOST:
        return distinct
    return distinct[np.unique(np.linspace(0, len(distinct) - 1, _MOST).astype(np.int64))]


def relaxation(question: Question, plan: Plan | None = None) -> LinearModel:
    """Return the linear relaxation; minus its optimum bounds the cost of every schedule from below.

    Variables ``y`` choose items, ``M`` is the last end (makespan only).
    """
    return _makespan(question) if question.goal.aggregate == "max" else _sum(question, plan)


def _sum(question: Question, plan: Plan | None) -> LinearModel:
    of = items(question, plan)
    model = LinearModel()
    y = model.add_variables("y", len(of.row), upper=1.0, cost=-of.cost)
    owner = question.job[of.row]
    model.add_rows(
        "one",
        (owner, y, 1.0),
        lower=question.must.astype(np.float64),
        upper=1.0,
        size=question.jobs,
    )
    rows = energies(question, of)
    model.add_rows("energy", (rows.window, y[rows.item], rows.amount), upper=rows.limit, size=len(rows.limit))
    return model


def _makespan(question: Question) -> LinearModel:
    """Minimize M: it is no sooner than any job's end, nor than all energy from any arrival on is spent."""
    model = LinearModel()
    n = len(question)
    x = model.add_variables("x", n, upper=1.0)
    (m,) = model.add_variables("M", 1, cost=-1.0).tolist()
    model.add_rows("one", (question.job, x, 1.0), lower=question.must.astype(np.float64), upper=1.0, size=question.jobs)
    ends = question.earliest + question.duration
    each = np.arange(question.jobs)
    model.add_rows(
        "end",
        (
            np.concatenate([question.job, each]),
            np.concatenate([x, np.full(question.jobs, m)]),
            np.concatenate([-ends, np.ones(question.jobs)]),
        ),
        lower=0.0,
        size=question.jobs,
    )
    surely = np.minimum.reduceat(ends, run_starts(question.job)).max(initial=0.0) if n else 0.0
    for a in _spread(np.append(question.earliest, 0.0)).tolist():
        after = np.minimum(question.duration, np.maximum(0.0, ends - a))
        for k, capacity in enumerate(question.capacity.tolist()):
            taken = capacity * max(0.0, surely - a) - available(question, k, a, max(a, surely))
            energy = after * question.need[:, k]
            some = np.flatnonzero(energy > 0)
            model.add_rows(
                "energy",
                (0, np.append(x[some], m), np.append(-energy[some], capacity)),
                lower=capacity * a + taken,
                size=1,
            )
    return model
