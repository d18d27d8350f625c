"""Go on from a plan: what it serves of earlier objectives stays, and the other jobs are decided in what is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optsched._util.arrays import IntArray
from optsched.instance.solution import Allocation
from optsched.problem.configurations.hosts import server_numbers
from optsched.problem.placement.incumbents import part_of
from optsched.problem.placement.residual import residual_room
from optsched.problem.placement.servers import ServerInventory
from optsched.problem.problem import Places, Plan, Problem
from optsched.search.heuristics.lp_rounding import lp_rounding
from optsched.search.heuristics.marginal_gain import marginal_gain, used
from optsched.search.heuristics.pop import subproblem
from optsched.search.strategies.state import Search
from optsched.solvers import RunContext

__all__ = ["go_on"]

_SHARE = 0.4
"""Part of the time left that deciding the other jobs may take."""


def go_on(search: Search, start: Sequence[Allocation], context: RunContext, gap: float) -> Search:
    """Return the search with a plan to start from, and with it completed where earlier objectives are limits.

    Jobs that count in a limit, and those that must run, stay as they are; the others are decided anew in what these
    leave, so that the limits hold whatever comes.
    """
    problem = search.problem
    plan = _plan_of(problem, start)
    search = search.offered(plan, "the plan to start from")
    table = problem.configurations
    limits = np.array([name.startswith("limit ") for name in table.resource_names], dtype=bool)
    if search.plan is None or not limits.any() or problem.objective.aggregate != "sum":
        return search
    if problem.instance.max_moves is not None or problem.instance.decides == "network":
        return search
    row, resource, _ = table.used
    counts = np.bincount(table.job[row[limits[resource]]], minlength=table.jobs) > 0
    stays = (plan.rows >= 0) & (counts | problem.required)
    rest = Plan(np.where(stays, plan.rows, -1), None, plan.places)
    deadline = None if context.limits.deadline is None else time.monotonic() + _SHARE * context.limits.left()
    found = _completed(problem, rest, np.flatnonzero(~stays & (np.diff(table.first) > 0)), context, deadline, gap)
    return search if found is None else search.offered(found, "what the classes before leave")


def _plan_of(problem: Problem, start: Sequence[Allocation]) -> Plan:
    """Return a plan as rows of a problem; a job of which no row is equal is left out."""
    table, columns = problem.configurations, problem.configurations.columns
    number = {job.id: j for j, job in enumerate(problem.instance.jobs)}
    pools = {(pool.site, pool.gpu_type): p for p, pool in enumerate(table.pools)}
    rows = np.full(table.jobs, -1, dtype=np.int64)
    places: list[Places | None] = [None] * table.jobs
    for a in start:
        job = number.get(a.job, -1)
        if job < 0:
            continue
        own = np.arange(table.first[job], table.first[job + 1])
        asked = (pools.get((a.site, a.gpu_type), -1), a.gpus, a.nodes, a.servers, a.accumulation)
        have = (columns.pool, columns.gpus, columns.nodes, columns.servers, columns.accumulation)
        for column, value in zip(have, asked, strict=True):
            own = own[column[own] == value]
        batch = np.nan if a.local_batch is None else a.local_batch
        own = own[np.isclose(columns.local_batch[own], batch, equal_nan=True)]
        named = [*(a.placement or ()), *(a.server_placement or ())]
        if named:
            servers = server_numbers(problem.instance, named)
            own = own[[bool(table.may_host(row, servers).all()) for row in own.tolist()]]
        own = own[np.isclose(table.share[own] * columns.goodput[own] / table.reference[job], a.progress, rtol=1e-6)]
        if len(own):
            rows[job] = own[np.argmax(table.kept[own])]
            if a.placement is not None:
                places[job] = Places(dict(a.placement), dict(a.server_placement or {}))
    return Plan(rows, None, tuple(places) if problem.instance.decides != "counts" else None)


def _completed(
    problem: Problem, rest: Plan, jobs: IntArray, context: RunContext, deadline: float | None, gap: float
) -> Plan | None:
    """Return a plan with some jobs decided in what the others leave; None where none was found."""
    from optsched.search.placement.prices import price_pools
    from optsched.search.placement.sequential import sequential_plan

    table = problem.configurations
    left = np.maximum(0.0, table.capacity - used(problem, rest.rows))
    rows = rest.rows.copy()
    if len(jobs) == 0:
        return None
    if problem.instance.decides == "counts":
        part, number = subproblem(problem, jobs, left, None)
        found, rounded = marginal_gain(part, deadline), lp_rounding(part, deadline)
        if rounded is not None and part.total(Plan(rounded)) > part.total(Plan(found)):
            found = rounded
        rows[jobs] = np.append(number, -1)[found]
        return replace(rest, rows=rows)
    inventory = ServerInventory.of(problem)
    part, number = part_of(problem, np.isin(table.job, jobs))
    part = replace(
        part,
        required=np.zeros(table.jobs, dtype=bool),
        room=residual_room(problem, inventory, rest),
        configurations=replace(part.configurations, capacity=left),
    )
    placed = sequential_plan(part, context, price_pools(part, deadline, gap))
    if placed is None or placed.places is None or rest.places is None:
        return None
    some = placed.rows >= 0
    rows[some] = number[placed.rows[some]]
    places = tuple(b if new else a for a, b, new in zip(rest.places, placed.places, some.tolist(), strict=True))
    return Plan(rows, None, places)
