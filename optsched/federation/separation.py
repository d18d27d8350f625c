"""The coalition that gains most by leaving, by one mixed-integer program: for any number of members.

Maximize v(S) - x(S) over coalitions S and their plans at once: a binary for each member admits its jobs, its resources
and its payments. The bound of the program holds for every coalition, so that it proves that none leaves.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.federation.coalitions import Federation
from optsched.federation.core import Gain, Verdict
from optsched.federation.game import Game, exact
from optsched.federation.owen import resource_owners
from optsched.solvers import Limits, RunContext
from optsched.solvers.highs import solve
from optsched.solvers.linear_model import LinearModel

__all__ = ["Separated", "judge", "least_core_by_rows", "separate"]


@dataclass(frozen=True)
class Separated:
    """What coalitions gain by leaving: ``coalition`` gains ``found``, and none gains more than ``bound``."""

    coalition: int
    found: float
    bound: float


def separate(
    federation: Federation, payments: Sequence[float], *, gap: float = 1e-4, time_limit: float | None = None
) -> Separated:
    """Return the coalition that gains most by leaving, and what none exceeds."""
    problem = federation.problem
    table, members = problem.configurations, len(federation.members)
    everyone = (1 << members) - 1
    model = LinearModel()
    x = model.add_variables("x", len(table), upper=1.0, integer=True, cost=problem.value)
    z = model.add_variables("z", members, upper=1.0, integer=True, cost=-np.asarray(payments, dtype=np.float64))
    owner = np.array(federation.job_owner, dtype=np.int64)
    entries = (
        np.concatenate([table.job, np.arange(table.jobs)]),
        np.concatenate([x, z[owner]]),
        np.concatenate([np.ones(len(table)), -np.ones(table.jobs)]),
    )
    model.add_rows("job", entries, upper=0.0, size=table.jobs)
    row, resource, amount = table.used
    for number, owners in enumerate(resource_owners(federation, problem)):
        if not np.isfinite(table.capacity[number]):
            continue
        mine = np.flatnonzero(resource == number)
        for one in owners if len(mine) else ():
            columns, taken = np.append(x[row[mine]], z[one]), np.append(amount[mine], -table.capacity[number])
            model.add_rows("capacity", (np.zeros(len(columns)), columns, taken), upper=0.0, size=1)
    model.add_rows("proper", (np.zeros(members), z, np.ones(members)), lower=1.0, upper=max(1, members - 1), size=1)
    outcome = solve(model, RunContext(Limits.asked(time.monotonic(), time_limit, gap, 0, 1)))
    bound = np.inf if outcome.bound is None else float(outcome.bound)
    if outcome.values is None:
        return Separated(1, -np.inf, bound if np.isfinite(bound) else float(np.maximum(problem.value, 0).sum()))
    admitted = outcome.values[z] > 0.5
    coalition = sum(1 << int(i) for i in np.flatnonzero(admitted)) & everyone
    chosen = outcome.values[x] > 0.5
    found = float(problem.value[chosen].sum() - np.asarray(payments)[admitted].sum())
    return Separated(coalition, found, max(bound, found))


def judge(
    federation: Federation,
    game: Game,
    payments: Sequence[Fraction],
    *,
    gap: float = 1e-4,
    time_limit: float | None = None,
) -> tuple[Verdict, tuple[Gain, ...]]:
    """Say whether payments are in the core, without a list of all coalitions."""
    paid = sum(payments, Fraction(0))
    found = separate(federation, [float(x) for x in payments], gap=gap, time_limit=time_limit)
    gain = Gain(found.coalition, exact(found.found), exact(found.bound)) if np.isfinite(found.found) else None
    gains = () if gain is None else (gain,)
    if paid < game.low[-1] - game.slack or paid > game.high[-1] + game.slack:
        return Verdict("no", (game.everyone,), "the payments do not sum to the value of all members"), gains
    if found.found > float(game.slack):
        return Verdict("no", (found.coalition,), f"it gains {found.found:.6g} by leaving, for sure"), gains
    if found.bound > float(game.slack):
        why = f"some coalition may gain up to {found.bound:.6g} by leaving: no more was proven of any"
        return Verdict("depends", (found.coalition,), why), gains
    if game.high[-1] - game.low[-1] > game.slack:
        return Verdict("depends", (game.everyone,), "the value of all members is not proven"), gains
    return Verdict("yes", why="no coalition gains by leaving, proven for all of them at once"), gains


def least_core_by_rows(
    federation: Federation, achieved: float, *, gap: float = 1e-4, rounds: int = 100, time_limit: float | None = None
) -> tuple[FloatArray, float, float, int]:
    """Return payments that nearly minimize the largest gain by leaving, by row generation.

    Returns
    -------
    payments
        Shape ``(members,)``; they sum to ``achieved``.
    least, most
        The least possible largest gain is at least ``least``; with these payments it is at most ``most``.
    calls
        Mixed-integer programs that were solved.
    """
    members = len(federation.members)
    rows: dict[int, float] = {}
    best: tuple[FloatArray, float] = (np.full(members, achieved / members), np.inf)
    payments, least = best[0], -np.inf
    for number in range(1, rounds + 1):
        found = separate(federation, payments.tolist(), gap=gap, time_limit=time_limit)
        if found.bound < best[1]:
            best = payments, found.bound
        inside = [i for i in range(members) if found.coalition >> i & 1]
        value = found.found + float(payments[inside].sum())
        if best[1] <= least + max(1e-6, gap) * max(1.0, abs(achieved)) or value <= rows.get(found.coalition, -np.inf):
            return best[0], least, best[1], number
        rows[found.coalition] = value
        payments, least = _master(rows, members, achieved)
    return best[0], least, best[1], rounds


def _master(rows: dict[int, float], members: int, achieved: float) -> tuple[FloatArray, float]:
    """Return payments that minimize the largest gain of the coalitions that are known, and that gain."""
    model = LinearModel()
    x = model.add_variables("x", members, lower=-abs(achieved) * members - 1, upper=abs(achieved) * members + 1)
    t = model.add_variables("t", 1, lower=-abs(achieved) * members - 1, upper=np.inf, cost=-1.0)
    model.add_rows("total", (np.zeros(members), x, np.ones(members)), lower=achieved, upper=achieved, size=1)
    for mask, value in rows.items():
        columns = np.append(x[[i for i in range(members) if mask >> i & 1]], t)
        model.add_rows("gain", (np.zeros(len(columns)), columns, np.ones(len(columns))), lower=value, size=1)
    outcome = solve(model, RunContext(Limits()))
    if outcome.values is None:
        raise ValueError(f"the master program has no solution: {outcome.message}")
    return np.asarray(outcome.values[x], dtype=np.float64), float(outcome.values[t[0]])
