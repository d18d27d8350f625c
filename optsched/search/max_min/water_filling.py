"""Weighted water filling of tenants: the least share is as great as possible, then the next, and so on.

A tenant of weight w counts as w equal parties, so that where whole GPUs force a choice, the least weight stays behind.
That order is the limit of the weighted alpha-fair plans for large alpha (Mo and Walrand, ToN 8 (2000), sec. III).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.limits import with_row
from optsched.problem.problem import Plan, Problem

__all__ = ["Filled", "Maximize", "fill_parties"]

Maximize = Callable[[Problem, Plan], tuple[Plan | None, float | None]]
"""From a problem of a least value and a plan to start from: return the best plan found, and a proven bound."""

_FEW = 8
"""Most parties of which every set is tried that may stay behind."""
_MOST_SETS = 256
"""Most sets that are tried at one level."""
_MOST_TIES = 4
"""Most sets of equal weight and level that are followed to the end."""


@dataclass(frozen=True)
class Filled:
    """A plan, the level (value per weight) of each party in it, and whether every level is proven."""

    plan: Plan
    level: FloatArray
    proven: bool


def fill_parties(problem: Problem, plan: Plan, weight: FloatArray, maximize: Maximize, gap: float) -> Filled:
    """Return a plan whose levels of the parties are, by weight, lexicographically the greatest.

    Each stage lifts the least level of the open parties, then settles those that cannot rise above it without
    another one falling below it. Where each of them could rise alone, but not all of them at once, the lightest
    set of parties stays behind: sets of one are tried, then sets of two.

    Parameters
    ----------
    plan
        A plan of the greatest least level.
    weight
        Of each party, shape ``(parties,)``.
    maximize
        Raises the least level of the parties that count.
    gap
        Relative gap to which levels are found.
    """
    stage = _Stage(problem, maximize, gap, weight, plan, np.full(len(weight), -np.inf))
    stage = _filled(stage, frozenset(range(len(weight))))
    return Filled(stage.plan, stage.levels(stage.plan), stage.proven)


def _filled(stage: _Stage, open_: frozenset[int]) -> _Stage:
    """Return the stage at which no party is open any more."""
    while open_:
        level = stage.raised(open_)
        for party in open_:
            stage.floor[party] = level
        stuck = frozenset(p for p in sorted(open_) if len(open_) == 1 or not stage.rises(frozenset([p]), level))
        if stuck:
            open_ -= stuck
            continue
        ends = [_filled(branch, open_ - rest) for branch, rest in stage.lightest(open_, level)]
        proven = all(end.proven for end in ends)
        best = max(ends, key=lambda end: end.order)
        return replace(best, proven=proven)
    return stage


@dataclass
class _Stage:
    """What is found so far; ``floor``: level that each party keeps, shape ``(parties,)``."""

    problem: Problem
    maximize: Maximize
    gap: float
    weight: FloatArray
    plan: Plan
    floor: FloatArray
    proven: bool = True

    @property
    def nothing(self) -> float:
        """Return a difference of levels that is rounding."""
        return 1e-9 * float(self.problem.value.max(initial=0.0))

    def levels(self, plan: Plan) -> FloatArray:
        """Return the level of each party in a plan."""
        party, runs = self.problem.party, np.flatnonzero(plan.rows >= 0)
        counts = runs[party[runs] >= 0]
        value = self.problem.values(plan.rows[counts])
        level: FloatArray = np.bincount(party[counts], weights=value, minlength=len(self.floor)).astype(np.float64)
        return level

    def best(self, among: frozenset[int]) -> Plan | None:
        """Return a plan of the greatest least level among some parties, in which all others keep their floors."""
        party: IntArray = self.problem.party
        table = self.problem.configurations
        asked = replace(self.problem, settled=~np.isin(party, sorted(among)))
        for one, floor in enumerate(self.floor.tolist()):
            if floor > 0:
                amount = np.where(party[table.job] == one, -self.problem.value, 0.0)
                asked = with_row(asked, f"level of {self.problem.party_names[one]}", amount, -floor)
        plan, bound = self.maximize(asked, self.plan)
        level = -np.inf if plan is None else self.least(plan, among)
        if bound is None or bound > level + self.gap * abs(level) + self.nothing:
            self.proven = False
        return plan

    def least(self, plan: Plan, among: frozenset[int]) -> float:
        """Return the least level among some parties."""
        return float(self.levels(plan)[sorted(among)].min())

    def raised(self, among: frozenset[int]) -> float:
        """Return the greatest least level among some parties, and keep the plan that has it."""
        plan = self.best(among)
        if plan is not None and self.least(plan, among) > self.least(self.plan, among):
            self.plan = plan
        return self.least(self.plan, among)

    def above(self, plan: Plan | None, among: frozenset[int], level: float) -> bool:
        """Tell whether all of some parties are above a level in a plan, by more than the gap."""
        return plan is not None and self.least(plan, among) > level + 2 * self.gap * abs(level) + self.nothing

    def rises(self, among: frozenset[int], level: float) -> bool:
        """Tell whether some parties can be above a level while all others keep their floors."""
        return self.above(self.plan, among, level) or self.above(self.best(among), among, level)

    def lightest(self, among: frozenset[int], level: float) -> list[tuple[_Stage, frozenset[int]]]:
        """Return the lightest sets of parties without which the others rise, each with the stage that goes on with it.

        Of sets that weigh the same, those that let the others rise most; any of these may lead to the best order.
        """
        found: list[tuple[float, Plan, frozenset[int]]] = []
        for number, rest in enumerate(self._sets(among)):
            mass = self._mass(rest)
            if found and mass > self._mass(found[0][2]) * (1 + 1e-9):
                break
            plan = self.best(among - rest) if number < _MOST_SETS else None
            if plan is not None and self.above(plan, among - rest, level):
                found.append((self.least(plan, among - rest), plan, rest))
        if not found:
            self.proven = False
            return [(self, frozenset([min(among, key=lambda party: (self.weight[party], party))]))]
        top = max(reached for reached, _, _ in found)
        ties = [(plan, rest) for reached, plan, rest in found if reached >= top * (1 - 2 * self.gap) - self.nothing]
        if len(ties) > _MOST_TIES:
            self.proven = False
        return [(replace(self, plan=plan, floor=self.floor.copy()), rest) for plan, rest in ties[:_MOST_TIES]]

    def _mass(self, some: frozenset[int]) -> float:
        return float(self.weight[sorted(some)].sum())

    def _sets(self, parties: frozenset[int]) -> list[frozenset[int]]:
        """Return the sets that may stay behind, the lightest first; of many parties, sets of one or two only."""
        sizes = range(1, len(parties) if len(parties) <= _FEW else 3)
        every = [frozenset(some) for size in sizes for some in combinations(sorted(parties), size)]
        return sorted(every, key=self._mass)

    @property
    def order(self) -> list[tuple[float, float]]:
        """Return (level, -weight) of all parties, increasing: the greatest in lexicographic order is the fairest."""
        mass: dict[float, float] = {}
        for level, weight in zip(self.levels(self.plan).tolist(), self.weight.tolist(), strict=True):
            near = next((known for known in mass if abs(known - level) <= 1e-6 * abs(level)), level)
            mass[near] = mass.get(near, 0.0) + weight
        return [(level, -mass[level]) for level in sorted(mass)]
