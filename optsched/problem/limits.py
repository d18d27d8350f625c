"""Limits on other objectives, as more resources and fewer rows of a problem, so that every method carries them.

A limit on a sum is one more row ``sum of amounts <= capacity``, in which what a floor counts is given: a negative
amount of a negative capacity (the epsilon constraints of Haimes, Lasdon and Wismer, IEEE Trans. SMC 1 (1971)). A
floor of the least value of any job leaves each job that counts the rows that reach it, and requires the job.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.instance import Limit
from optsched.instance.objectives import objective
from optsched.problem.configurations import some_rows, with_resource
from optsched.problem.problem import Problem

__all__ = ["at_least", "keeping_limits", "with_row"]

_CLOSE = 1e-9
"""Relative slack of a floor for rounding, far below the checker's tolerance."""


def keeping_limits(problem: Problem) -> Problem:
    """Return the problem with the limits of its instance.

    Raises
    ------
    InputError
        For a limit that no linear row says: a ceiling of a least value, or one on what network rates decide.
    """
    for number, limit in enumerate(problem.instance.limits):
        try:
            problem = _keeping(problem, limit, f"limit {number}: {_said(limit)}")
        except InputError as error:
            raise error.within(path=f"$.limits[{number}]") from None
    return problem


def _said(limit: Limit) -> str:
    """Return a limit for people."""
    sides = (("at least", limit.at_least), ("at most", limit.at_most))
    return f"{limit.objective.name} {' and '.join(f'{word} {bound:g}' for word, bound in sides if bound is not None)}"


def _keeping(problem: Problem, limit: Limit, name: str) -> Problem:
    goal = objective(limit.objective)
    if problem.instance.decides == "network":
        raise InputError("no limits where the plan decides on network rates, which decide the values", path="$")
    worth = problem.worth(goal)
    low, high = limit.at_least, limit.at_most
    if goal.aggregate != "sum":
        if high is not None:
            expected = f"at_least: {goal.name} is a least value, and no linear row says that it is at most so much"
            raise InputError(expected, path="$.at_most", value=shown(high))
        assert low is not None  # validated
        return at_least(problem, worth, goal.parties(problem.instance, problem.configurations.able), low, name)
    for word, bound, sign in (("at least", low, -goal.sign), ("at most", high, goal.sign)):
        if bound is not None:
            problem = with_row(
                problem,
                f"{name} ({word})" if low is not None and high is not None else name,
                sign * worth,
                sign * goal.sign * bound,
            )
    return problem


def with_row(problem: Problem, name: str, amount: FloatArray, capacity: float) -> Problem:
    """Return a problem in which the amounts of the chosen rows sum to at most a capacity.

    What a row gives of a floor by itself counts up to the floor, and a row that takes more than there is by itself is
    left out: both change no plan, and keep a solver's absolute tolerances far below the limit.
    """
    if capacity < 0 and np.all(amount <= 0):
        amount = np.maximum(amount, capacity)
    elif capacity >= 0 and np.all(amount >= 0) and np.any(amount > capacity * (1 + _CLOSE)):
        keep = amount <= capacity * (1 + _CLOSE)
        table = some_rows(problem.configurations, keep, f"none of its configurations keeps {name}")
        problem, amount = replace(problem, configurations=table, value=problem.value[keep]), amount[keep]
    # solvers' tolerances are absolute: amounts far from 1 are scaled, by a power of ten that keeps their decimals
    largest = float(np.abs(amount).max(initial=0.0))
    unit = 10.0 ** np.floor(np.log10(largest)) if largest > 0 and not 1 <= largest < 1e4 else 1.0
    room = _CLOSE * abs(capacity)
    return replace(
        problem, configurations=with_resource(problem.configurations, name, amount / unit, (capacity + room) / unit)
    )


def at_least(problem: Problem, worth: FloatArray, party: np.ndarray, floor: float | FloatArray, name: str) -> Problem:
    """Return a problem in which the worth of every party, the sum of its jobs', reaches a floor.

    Parameters
    ----------
    worth
        Of each row, shape ``(n,)``.
    party
        Number of each job's party, shape ``(jobs,)``; -1 for none.
    floor
        Of all, or of each party, shape ``(parties,)``.
    """
    parties = int(party.max(initial=-1)) + 1
    if parties == 0:  # the least value of no job is 0
        nothing = np.zeros(len(problem.configurations))
        return problem if np.max(floor) <= 0 else with_row(problem, name, nothing, -float(np.max(floor)))
    floors = np.broadcast_to(np.asarray(floor, dtype=np.float64), parties)
    floors = floors - _CLOSE * np.abs(floors)
    size = np.bincount(party[party >= 0], minlength=parties)
    if np.all(size == 1):  # every party is a job
        wanted = np.full(problem.configurations.jobs, -np.inf)
        wanted[party >= 0] = floors[party[party >= 0]]
        wanted[wanted <= 0] = -np.inf  # a job that waits has value 0
        keep = worth >= wanted[problem.configurations.job]
        table = some_rows(problem.configurations, keep, f"none of its configurations keeps {name}")
        return replace(
            problem, configurations=table, value=problem.value[keep], required=problem.required | (wanted > 0)
        )
    of_row = party[problem.configurations.job]
    first = {p: int(np.flatnonzero(party == p)[0]) for p in range(parties)}
    names = [problem.instance.jobs[first[p]].tenant for p in range(parties)]
    for number, (tenant, bound) in enumerate(zip(names, floors.tolist(), strict=True)):
        if bound > 0:
            problem = with_row(problem, f"{name} of {tenant}", np.where(of_row == number, -worth, 0.0), -bound)
    return problem
