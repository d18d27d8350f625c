"""Plans that land on what jobs hold now, and rows that cannot be better than a known plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optsched.configurations import some_rows
from optsched.curves import FloatArray, IntArray
from optsched.places import canonical
from optsched.problem import Places, Plan, Problem

__all__ = ["part_of", "promising", "settled"]


def settled(problem: Problem, plan: Plan) -> Plan:
    """Return the plan with every job that lands on what it holds in the row that keeps it: nothing restarts then."""
    table = problem.configurations
    ways = table.ways
    rows = plan.rows.copy()
    for row in np.flatnonzero(table.kept).tolist():
        job, mine = int(table.job[row]), int(plan.rows[table.job[row]])
        if mine < 0 or mine == row or plan.places is None:
            continue
        counts = (ways.pool, ways.gpus, ways.nodes, ways.servers, ways.accumulation)
        same = all(a[row] == a[mine] for a in counts)
        batches = ways.local_batch[[row, mine]]
        if same and (np.isnan(batches).all() or batches[0] == batches[1]) and _stays(problem, job, plan.places[job]):
            rows[job] = row
    return replace(plan, rows=rows)


def _stays(problem: Problem, job: int, stands: Places | None) -> bool:
    """Tell whether places are those that a job holds, as far as these are known."""
    holds = problem.instance.jobs[job].holds
    if holds is None or stands is None:
        return False
    for held, now in ((holds.placement, stands.gpus), (holds.server_placement, stands.servers)):
        if held is not None and {canonical(problem.instance, name): n for name, n in held.items()} != now:
            return False
    return True


def promising(problem: Problem, prices: FloatArray, value: float, keep: IntArray) -> NDArray[np.bool_]:
    """Return which rows a plan that is better than a known one may use, shape ``(n,)``.

    A plan with a row is worth at most the Lagrangian bound at the prices less what the row is worse than its job's
    best choice there (reduced-cost fixing: Crowder, Johnson and Padberg, Operations Research 31, 1983).

    Parameters
    ----------
    prices
        Of each resource, >= 0, shape ``(resources,)``.
    value
        Of the known plan, whose rows are ``keep``.
    """
    table = problem.configurations
    row, resource, amount = table.used
    net = problem.value - np.bincount(row, prices[resource] * amount, minlength=len(table))
    best = np.where(problem.required, -np.inf, 0.0)
    np.maximum.at(best, table.job, net)
    priced = prices > 0
    bound = float(prices[priced] @ table.capacity[priced]) + float(best[np.diff(table.first) > 0].sum())
    chosen = bound - best[table.job] + net >= value - 1e-9 * abs(value)
    chosen[keep[keep >= 0]] = True
    return np.asarray(chosen)


def part_of(problem: Problem, keep: NDArray[np.bool_], why: str = "") -> tuple[Problem, IntArray]:
    """Return the problem with some of its rows, and their numbers in the whole."""
    part = replace(problem, configurations=some_rows(problem.configurations, keep, why), value=problem.value[keep])
    return part, np.flatnonzero(keep)
