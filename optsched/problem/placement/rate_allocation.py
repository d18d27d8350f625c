"""The best network rates of jobs whose places are decided: a linear program over their curves."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.piecewise import Pieces, encode
from optsched.problem.placement.rate_breakpoints import rate_breakpoints
from optsched.problem.placement.servers import ServerInventory
from optsched.problem.problem import Places, Plan, Problem
from optsched.solvers import RunContext
from optsched.solvers.linear import LinearModel

__all__ = ["best_rates", "loads"]

_ERROR = 1e-5


def best_rates(
    problem: Problem, inventory: ServerInventory, rows: IntArray, places: tuple[Places | None, ...], context: RunContext
) -> Plan | None:
    """Return a plan with the best rates for its rows and places; None where not even the slowest fit.

    Parameters
    ----------
    rows, places
        Of each job, as in :class:`Plan`.
    """
    from optsched.solvers import highs

    table = problem.configurations
    running = np.flatnonzero(rows >= 0)
    rated = running[~np.isnan(table.slowest[rows[running]])]
    plan = Plan(rows, np.full(len(rows), np.nan), places)
    if len(rated) == 0:
        return plan
    slow, fast = table.slowest[rows[rated]], table.columns.gbps[rows[rated]]
    model = LinearModel()
    rate = model.add_variables("B", len(rated), lower=slow, upper=fast)
    entries = [
        (r, k, a) for k, j in enumerate(rated.tolist()) for r, a in loads(problem, inventory, rows[j], places[j])
    ]
    row, which, amount = (np.array(part) for part in zip(*entries, strict=True))
    capacity = _capacities(inventory)
    model.add_rows("network", (row, rate[which], amount), upper=capacity, size=len(capacity))
    free = np.flatnonzero(slow < fast)
    worth = np.zeros(len(rows))
    fixed = np.setdiff1d(running, rated[free])
    worth[fixed] = problem.value[rows[fixed]]
    least = problem.objective.aggregate != "sum"
    value = np.empty(0, dtype=np.int64)
    if len(free):
        found, _ = rate_breakpoints(problem, rows[rated[free]], _ERROR)
        of = np.repeat(np.arange(len(found)), [len(at) for at, _ in found])
        pieces = Pieces.curves(of, *(np.concatenate(part) for part in zip(*found, strict=True)))
        low = min(0.0, float(pieces.value.min()))
        # a minimum says nothing of the jobs above it: a little for everybody keeps them running well
        value = model.add_variables("y", len(free), lower=low, cost=1e-6 if least else 1.0)
        encode(model, "curve", pieces, argument=rate[free], value=value, sense="at-most")
    if least:
        _least(model, problem, worth, rated[free], value)
    outcome = highs.solve(model, context)
    if outcome.values is None:
        return None
    # the solver's tolerance is not ours: stay a little inside
    gbps = np.clip(outcome.values[rate], slow, fast)
    used = np.bincount(row, amount * gbps[which], minlength=len(capacity))
    over = float(np.max(used[used > 0] / capacity[used > 0], initial=0.0))
    if over > 1:
        gbps = np.maximum(slow, gbps / over)
    assert plan.gbps is not None
    plan.gbps[rated] = gbps
    return plan


def _least(model: LinearModel, problem: Problem, worth: FloatArray, jobs: IntArray, value: IntArray) -> None:
    """Add the least sum of any party's values as the objective."""
    party = problem.party
    counted = party >= 0
    size = int(party.max(initial=-1)) + 1
    t = model.add_variables("t", 1, lower=-np.inf, upper=max(0.0, problem.ceiling), cost=1.0)
    own = np.bincount(party[counted], worth[counted], minlength=size)
    in_party = party[jobs] >= 0
    entries = (
        np.concatenate([np.arange(size), party[jobs][in_party]]),
        np.concatenate([np.repeat(t, size), value[in_party]]),
        np.concatenate([np.ones(size), -np.ones(int(in_party.sum()))]),
    )
    model.add_rows("least", entries, upper=own, size=size)


def _capacities(inventory: ServerInventory) -> FloatArray:
    """Return the network of every server, and the capacity of every crossing."""
    return np.array([s.network_gbps for s in inventory.servers] + [c.capacity for c in inventory.crossings])


def loads(problem: Problem, inventory: ServerInventory, row: int, places: Places | None) -> list[tuple[int, float]]:
    """Return what a job at rate 1 sends from each server and across each crossing, as (number, Gb/s).

    Crossings count on from the servers. See docs/placement.md for rings and stars.
    """
    assert places is not None
    columns = problem.configurations.columns
    gpus, servers = int(columns.gpus[row]), int(columns.servers[row])
    workers = np.zeros(len(inventory.servers))
    workers[[inventory.number[name] for name in places.gpus]] = list(places.gpus.values())
    tasks = np.zeros(len(inventory.servers))
    tasks[[inventory.number[name] for name in places.servers]] = list(places.servers.values())

    def sends(w: float, p: float) -> float:
        if servers == 0:
            return float(0 < w < gpus)
        return (w * (servers - p) + p * (gpus - w)) / max(gpus, servers)

    found = [(s, sends(workers[s], tasks[s])) for s in np.flatnonzero(workers + tasks).tolist()]
    for number, crossing in enumerate(inventory.crossings, start=len(inventory.servers)):
        found.append((number, sends(workers[crossing.below].sum(), tasks[crossing.below].sum())))
    return [(number, amount) for number, amount in found if amount > 0]
