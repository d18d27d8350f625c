"""Large neighbourhood search over racks: decide the jobs of a few racks anew in the residual capacity (Shaw, CP'98)."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, foremost
from optsched.problem.formulation import formulation
from optsched.problem.placement.incumbents import feasible
from optsched.problem.placement.packing import short_context
from optsched.problem.placement.rate_allocation import best_rates
from optsched.problem.placement.residual import residual_room
from optsched.problem.placement.servers import ServerInventory
from optsched.problem.problem import Plan, Problem
from optsched.search.placement.prices import price_domains
from optsched.search.placement.rate_levels import CHOICES, at_levels, at_rates, plans_of
from optsched.solvers import Limits, RunContext
from optsched.solvers.subprocess.channel import TICK

__all__ = ["improve_placement"]

_SERVERS = 12
"""Servers of a rack that are decided together, at most."""
_SIZES = (2, 3)
"""Racks, or parts of racks, in a neighbourhood: pairs first, and threes when no pair improves the plan."""
_LISTED = 2_000
"""Most sets of racks that are all tried once; of more, random ones are tried."""
_WAITING = 15
"""Waiting jobs in a neighbourhood, at most."""
_SECONDS = 3.0
"""Time limit of one neighbourhood."""
_LEAST = 0.2
"""Seconds below which no neighbourhood is started."""
_PRICED = 2_000
"""Rows whose rates are priced: those of the greatest reduced value of each job."""
_ROWS = 10
"""Rows at rates of each job in a neighbourhood: those of the greatest reduced value."""


def improve_placement(
    problem: Problem,
    plan: Plan,
    reduced: FloatArray,
    context: RunContext,
    enough: float = np.inf,
    news: Future[Plan | None] | None = None,
) -> Plan:
    """Return a plan no worse than the given one; the search ends in a local optimum, or at the deadline.

    Each neighbourhood decides the jobs of two or three racks anew, and some waiting jobs, at a few levels of rates and
    in the residual capacity. Servers that become entirely free are identical, and so one class.

    Parameters
    ----------
    worth
        Reduced value of each row at prices, shape ``(rows,)``.
    """
    random = np.random.default_rng(context.limits.seed)
    has_rows = np.diff(problem.configurations.first) > 0
    movable = np.array([job.holds is None for job in problem.instance.jobs]) & has_rows
    if not movable.any():
        return plan
    inventory = ServerInventory.of(problem)
    candidates = _candidates(problem, reduced, context)
    racks = _racks(inventory)
    best, value = plan, problem.total(plan)
    sets = _sets(len(racks), random)
    while value < enough and context.limits.left() > _LEAST and not context.stopping():
        found: Plan | None = None
        if news is not None and news.done():
            found, news = news.result(), None
        elif (chosen := next(sets, None)) is not None:
            servers = np.concatenate([racks[k] for k in chosen])
            found = _anew(
                problem, inventory, best, _freed(inventory, best, movable, servers, random), candidates, context
            )
        elif news is not None:
            wait([news], max(0.0, min(TICK, context.limits.left())))
        else:
            break
        if found is None or (now := problem.total(found)) <= value + 1e-7 * abs(value):
            continue
        if feasible(problem, found):
            best, value = found, now
            context.progress("neighbourhoods", value, None)
            sets = _sets(len(racks), random)
    return best


def _racks(inventory: ServerInventory) -> list[IntArray]:
    """Return the servers of each rack; large racks are split."""
    found = []
    for rack in np.unique(inventory.rack).tolist():
        own = np.flatnonzero(inventory.rack == rack)
        found += np.array_split(own, math.ceil(len(own) / _SERVERS))
    return found


def _sets(count: int, random: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Yield subsets of ``count`` racks, small ones first: each once in random order, or random ones."""
    for size in sorted({min(size, count) for size in _SIZES}):
        if math.comb(count, size) <= _LISTED:
            every = list(itertools.combinations(range(count), size))
            yield from (every[k] for k in random.permutation(len(every)).tolist())
        else:
            while True:
                yield tuple(random.choice(count, size, replace=False).tolist())


def _freed(
    inventory: ServerInventory, plan: Plan, movable: NDArray[np.bool_], servers: IntArray, random: np.random.Generator
) -> IntArray:
    """Return the jobs with pieces on any of the servers, and some waiting jobs."""
    assert plan.places is not None
    names = {inventory.servers[s].names[0] for s in servers.tolist()}
    here = [stands is not None and not names.isdisjoint({*stands.gpus, *stands.servers}) for stands in plan.places]
    waits = np.flatnonzero(movable & (plan.rows < 0))
    some = random.permutation(waits)[:_WAITING]
    return np.sort(np.concatenate([np.flatnonzero(movable & (plan.rows >= 0) & np.array(here)), some]))


@dataclass(frozen=True)
class _Candidates:
    """Rows at rates, those of a job together, the best first: the row, its rate, and its job."""

    number: IntArray
    rate: FloatArray
    job: IntArray


def _candidates(problem: Problem, reduced: FloatArray, context: RunContext) -> _Candidates:
    """Return the best rows of each job at prices, at their best levels of rates."""
    table = problem.configurations
    each = max(4, min(20, _PRICED // table.jobs))
    best = foremost(table.job, reduced, each)
    part, number = at_levels(problem, np.sort(best))
    reduced = price_domains(part, context.limits.deadline).reduced
    order = foremost(part.configurations.job, reduced, _ROWS)
    return _Candidates(number[order], part.configurations.columns.gbps[order], part.configurations.job[order])


def _anew(
    problem: Problem,
    inventory: ServerInventory,
    plan: Plan,
    freed: IntArray,
    candidates: _Candidates,
    context: RunContext,
) -> Plan | None:
    """Return the plan with the freed jobs decided anew; None if no plan was found."""
    table = problem.configurations
    free = np.zeros(table.jobs, dtype=bool)
    free[freed] = True
    own = free[candidates.job]
    runs = freed[plan.rows[freed] >= 0]
    number = np.concatenate([candidates.number[own], plan.rows[runs]])
    rate = np.concatenate([candidates.rate[own], np.full(len(runs), np.nan) if plan.gbps is None else plan.gbps[runs]])
    order = np.argsort(number, kind="stable")  # rows of a job stand together
    number = number[order]
    now = np.full(table.jobs, -1, dtype=np.int64)
    now[runs] = np.argsort(order)[own.sum() :]
    others = Plan(np.where(free, -1, plan.rows), plan.gbps, plan.places)
    part = replace(
        at_rates(problem, number, rate[order]),
        required=problem.required & free,
        room=residual_room(problem, inventory, others),
        near=None,
    )
    built = formulation(problem.instance.decides).forms["linear"](part, CHOICES)
    limits = Limits(time.monotonic() + min(_SECONDS, context.limits.left()), 1e-3, context.limits.seed, 1)
    found = (
        _joined(problem, inventory, plan, free, number, own)
        for own in plans_of(built, RunContext(limits, stop=context.stop), Plan(now, plan.gbps, plan.places))
    )
    return max((each for each in found if each is not None), key=problem.total, default=None)


def _joined(
    problem: Problem, inventory: ServerInventory, plan: Plan, free: NDArray[np.bool_], number: IntArray, found: Plan
) -> Plan | None:
    """Return the plan with the new decision for the freed jobs, at the best rates for all jobs."""
    assert found.places is not None
    assert plan.places is not None
    rows = np.where(free, np.append(number, -1)[found.rows], plan.rows)
    places = tuple(new if freely else old for new, old, freely in zip(found.places, plan.places, free, strict=True))
    return (
        Plan(rows, None, places) if plan.gbps is None else best_rates(problem, inventory, rows, places, short_context())
    )
