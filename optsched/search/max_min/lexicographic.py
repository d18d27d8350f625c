"""The lexicographic order of all values: first the least is as great as possible, then the second least, and so on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.configurations import some_rows, with_resource
from optsched.problem.problem import Problem
from optsched.search.max_min.feasible_level import LevelFeasibility, feasible_at_level

__all__ = ["Lexicographic", "lexicographic"]

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Lexicographic:
    """What was found.

    rows
        The plan, the row of each job, shape ``(jobs,)``.
    levels
        The proven first values of the sorted vector of all values of jobs that count, increasing.
    whole
        Whether all of them are proven.
    """

    rows: IntArray
    levels: tuple[float, ...]
    whole: bool


@dataclass(frozen=True)
class _State:
    """What is decided so far, in the rows of the problem.

    keep, must
        Rows that are left, shape ``(n,)``, and jobs that must run, shape ``(jobs,)``.
    open
        Jobs that are not settled, shape ``(jobs,)``.
    below
        How many of them stay below ``values[at]``; all before it is decided.
    limits
        (rows, number): at least ``number`` of the chosen rows are among these, of shape ``(n,)``.
    rows
        A plan that keeps all that.
    prices
        For the next question; None where none are known.
    """

    problem: Problem
    keep: Bools
    must: Bools
    open: Bools
    rows: IntArray
    at: int = 0
    below: int = 0
    limits: tuple[tuple[Bools, int], ...] = ()
    levels: tuple[float, ...] = ()
    prices: FloatArray | None = None

    def values(self) -> FloatArray:
        """Return the values of the open jobs in the plan, increasing."""
        rows = self.rows[self.open]
        return np.sort(np.where(rows >= 0, self.problem.value[rows], 0.0))

    def ask(self, level: float, wanted: int, deadline: float | None, forced: int | None = None) -> LevelFeasibility:
        """Ask how many open jobs can reach a level, one of them perhaps by force; rows are the problem's."""
        keep, must = self.keep, self.must
        job = self.problem.configurations.job
        if forced is not None:
            keep = keep & ~((job == forced) & (self.problem.value < level))
            must = must.copy()
            must[forced] = True
        table = some_rows(self.problem.configurations, keep, "")
        for among, number in self.limits:
            table = with_resource(table, "jobs below a level", -among[keep].astype(np.float64), -float(number))
        asked = replace(self.problem, configurations=table, value=self.problem.value[keep], required=must)
        prices = None
        if self.prices is not None:  # limits have been added since
            prices = np.zeros(len(table.capacity))
            prices[: len(self.prices)] = self.prices
        found = feasible_at_level(asked, self.open, level, wanted, deadline=deadline, prices=prices)
        if found.rows is None:
            return found
        of_row = np.flatnonzero(keep)
        return replace(found, rows=np.where(found.rows >= 0, of_row[found.rows], -1))


def lexicographic(
    problem: Problem, rows: IntArray, *, deadline: float | None, tell: Callable[[int, int], None] | None = None
) -> Lexicographic:
    """Find a plan whose values, sorted from the least, are lexicographically the greatest; one that waits has value 0.

    Of whole configurations, values come from a finite set, and the order is that of numbers of jobs: as few as
    possible below the second of all values, then below the third, and so on (Ogryczak, Pióro and Tomaszewski, J.
    Telecomm. Inf. Tech. 3 (2005), sec. 3.2). Values at which these numbers do not change are skipped by bisection.
    Which jobs stay at a level may be a choice: then the level is kept as a limit on their number. Only a set of jobs
    that stay there in *every* optimum, found by solving again for each of them, is settled for good.

    Parameters
    ----------
    rows
        A feasible plan, shape ``(jobs,)``.
    tell
        Called with the number of levels that are proven, and of the jobs that count.
    """
    counted = problem.party >= 0
    values = np.unique(np.append(problem.value[counted[problem.configurations.job]], 0.0))
    every = np.ones(len(problem.configurations), dtype=bool)
    state = _State(problem, every, problem.required, counted, rows)
    while state.open.any():
        if tell is not None:
            tell(len(state.levels), int(counted.sum()))
        decided = _level(state, values, deadline)
        if decided is None:
            return Lexicographic(state.rows, state.levels, False)
        state = decided
    return Lexicographic(state.rows, state.levels, True)


def _level(state: _State, values: FloatArray, deadline: float | None) -> _State | None:
    """Return the state with the next level decided; None where that could not be proven."""
    found = _next(state, values, deadline)
    if found is None:
        return None
    state, k = found
    job, value = state.problem.configurations.job, state.problem.value
    size, level = int(state.open.sum()), float(values[k])
    if state.below == 0 and level > 0:
        state = replace(state, keep=state.keep & ~(state.open[job] & (value < level)), must=state.must | state.open)
    elif state.below > 0:  # as many reach this level as reached the one before: a stronger limit in its place
        reaches = state.open[job] & (value >= level)
        state = replace(state, limits=(*state.limits[:-1], (reaches, size - state.below)))
    if k + 1 == len(values):
        return replace(state, levels=(*state.levels, *[level] * (size - state.below)), open=state.open & False)
    above = float(values[k + 1])
    answer = state.ask(above, size + 1, deadline)
    if answer.rows is None or not answer.exact:
        return None
    low = size - answer.count
    levels = (*state.levels, *[level] * (low - state.below))
    state = replace(state, rows=answer.rows, prices=answer.prices, levels=levels, at=k + 1)
    held = np.where(state.rows >= 0, value[state.rows], 0.0)
    lowest = state.open & (held < above)
    for one in np.flatnonzero(lowest).tolist():
        if state.ask(above, answer.count, deadline, forced=one).most >= answer.count:
            reaches = state.open[job] & (value >= above)
            return replace(state, below=low, limits=(*state.limits, (reaches, answer.count)))
    rest = state.open & ~lowest
    keep = state.keep & ~(lowest[job] & (value >= above)) & ~(rest[job] & (value < above))
    return replace(state, keep=keep, must=state.must | rest, open=rest, below=0)


def _next(state: _State, values: FloatArray, deadline: float | None) -> tuple[_State, int] | None:
    """Return the number of the greatest value that all open jobs but ``below`` can reach, and the state with a plan."""
    wanted = int(state.open.sum()) - state.below

    def number(state: _State) -> int:
        return int(np.searchsorted(values, state.values()[state.below], side="right")) - 1

    if wanted == 0:
        return state, len(values) - 1
    low, high, step = number(state), len(values), 1
    while high - low > 1:
        middle = min(low + step, high - 1) if high == len(values) else (low + high) // 2
        found = state.ask(float(values[middle]), wanted, deadline)
        if found.rows is not None and found.count >= wanted:
            state = replace(state, rows=found.rows, prices=found.prices)
            low, step = number(state), 2 * step
        elif found.most < wanted:
            high = middle
        else:
            return None
    return state, low
