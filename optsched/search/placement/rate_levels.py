"""Rates in parts: each row once for each of a few network rates, or once for each of a few intervals of them.

Where rates are given, the patterns of C8 (see :mod:`formulations.network.formulation`) say which pieces and rates share
a server, so that equal servers can be merged without a relaxation of their network: what is found can be packed on
them. This gives plans, of the few rows that pay at the prices of racks and links (a kernel: Balas and Zemel, Operations
Research 28, 1980). In an interval a piece sends at least its lower end, which the patterns know,
too: this gives bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, members
from optsched.problem.configurations import repeated
from optsched.problem.formulation import Formulated, ModelOptions, formulation
from optsched.problem.placement.incumbents import feasible, part_of, settled
from optsched.problem.placement.packing import short_context
from optsched.problem.placement.rate_allocation import best_rates
from optsched.problem.placement.servers import ServerInventory
from optsched.problem.problem import Plan, Problem
from optsched.search.placement.prices import price_domains
from optsched.solvers import RunContext

__all__ = [
    "CHOICES",
    "ENDS",
    "HALF",
    "at_levels",
    "at_rates",
    "in_intervals",
    "kernel_plan",
    "narrowed",
    "plans_of",
    "widened",
]

_LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Parts of a row's greatest rate; those of several pieces on a server sum up to whole ones."""
ENDS, HALF = (0.1, 0.2, 0.4, 0.5, 0.6, 0.8), (0.5,)
"""Ends of intervals within a row's rates, as parts of the greatest: many, or one."""
_ABOVE = 1 + 1e-4
"""How little intervals begin above these ends: pieces that send just more than a server has cannot share it."""
_WIDER = 4
"""Rows whose rates are priced, over the rows of a kernel."""
_TIMES = 4
"""Rows at rates in a kernel, over its rows."""
_CUTS = 4
"""Most times that a relaxation, and then a model, is solved again with rows that it lacked."""
CHOICES = ModelOptions(exclude=frozenset({"pools"}))
"""Of models of parts: servers imply the pools, and the relaxation need not be tight."""


def at_levels(problem: Problem, rows: IntArray) -> tuple[Problem, IntArray]:
    """Return the problem of some rows, each with several rates as one row at each level; and their numbers."""
    slowest, gbps = problem.configurations.slowest, problem.configurations.columns.gbps
    free = slowest[rows] < gbps[rows]
    times = np.where(free, len(_LEVELS), 1)
    which, step = members(times)
    number = rows[which]
    rate = gbps[number] * np.where(free.repeat(times), np.array(_LEVELS)[step], 1.0)
    keep = ~free.repeat(times) | (rate > slowest[number])
    return at_rates(problem, number[keep], rate[keep]), number[keep]


def at_rates(problem: Problem, number: IntArray, rate: FloatArray) -> Problem:
    """Return the problem of some rows, each at a network rate; shape ``(n,)`` both, by jobs."""
    slowest, gbps = problem.configurations.slowest[number], problem.configurations.columns.gbps[number]
    several = slowest < gbps
    part = _with_rates(problem, number, np.where(several, rate, slowest), np.where(several, rate, gbps))
    part.value[several] = problem.values(number[several], rate[several])
    return part


def in_intervals(problem: Problem, ends_at: Sequence[float]) -> tuple[Problem, IntArray]:
    """Return the problem with each row of several rates as one row in each interval of them; and their numbers.

    Parameters
    ----------
    ends_at
        Of intervals within a row's rates, as parts of the greatest, which are rounded up.
    """
    table = problem.configurations
    ends = [
        [slow, *(part * _ABOVE * fast for part in ends_at if part * _ABOVE * fast > slow), fast]
        for slow, fast in zip(table.slowest.tolist(), table.columns.gbps.tolist(), strict=True)
    ]
    number = np.repeat(np.arange(len(ends)), [len(of) - 1 for of in ends])
    slow, fast = (np.array([end for of in ends for end in of[part]]) for part in (slice(None, -1), slice(1, None)))
    return _with_rates(problem, number, slow, fast), number


def _with_rates(problem: Problem, number: IntArray, slow: FloatArray, fast: FloatArray) -> Problem:
    table = repeated(problem.configurations, number)
    table = replace(table, slowest=slow, columns=replace(table.columns, gbps=fast))
    near = None if problem.near is None else problem.near[number]
    return replace(problem, configurations=table, value=problem.value[number], near=near)


def narrowed(part: Problem, number: IntArray, plan: Plan) -> Plan:
    """Return a plan in the rows of a part, at rates that these have, none above its own; others are left out."""
    slowest, fastest = part.configurations.slowest, part.configurations.columns.gbps
    rows, gbps = np.full_like(plan.rows, -1), np.full(len(plan.rows), np.nan)
    for job in np.flatnonzero(plan.rows >= 0).tolist():
        own = np.flatnonzero(number == plan.rows[job])
        rate = np.nan if plan.gbps is None else plan.gbps[job]
        fits = own if np.isnan(rate) else own[slowest[own] <= rate * (1 + 1e-9)]
        if len(fits):
            rows[job] = fits[-1]
            gbps[job] = np.clip(rate, slowest[rows[job]], fastest[rows[job]])
    return Plan(rows, gbps if plan.gbps is not None else None, plan.places)


def widened(problem: Problem, number: IntArray, plan: Plan) -> Plan:
    """Return the plan that a plan of a part means, at the best rates of its rows and places."""
    assert plan.places is not None
    rows = np.append(number, -1)[plan.rows]  # -1 stays -1
    whole = settled(problem, Plan(rows, plan.gbps, plan.places))
    if plan.gbps is None:
        return whole
    return best_rates(problem, ServerInventory.of(problem), whole.rows, plan.places, short_context()) or whole


def plans_of(built: Formulated, context: RunContext, known: Plan | None) -> Iterator[Plan]:
    """Yield the plan that a model has, and again with rows that it lacked, while these cut it off and there is time.

    What the relaxation violates is added first, since rows are found there for little. Later plans need not be better:
    pieces that find no room as they are dealt out may cost little, and another model's time may be short.

    Parameters
    ----------
    known
        A plan to begin from.
    """
    from optsched.solvers import highs

    assert built.cut is not None
    assert built.start is not None
    quiet = replace(context, report=None, found=None)
    for _ in range(_CUTS):
        relaxed = highs.solve(built.model, quiet, relaxed=True)
        if relaxed.values is None or not built.cut(relaxed.values):
            break
    start = None if known is None else built.start(known)
    for _ in range(_CUTS):
        outcome = highs.solve(built.model, context, start=start)
        if outcome.values is None:
            break
        yield built.read(outcome.values)
        if context.limits.left() <= 0 or context.stopping() or not built.cut(outcome.values):
            break


def _least(loss: FloatArray, count: int, known: Plan | None) -> IntArray:
    """Return about ``count`` rows, those of the least loss and those of a known plan."""
    few = loss <= np.sort(loss)[:count].max(initial=0.0)
    if known is not None:
        few[known.rows[known.rows >= 0]] = True
    return np.flatnonzero(few)


def kernel_plan(problem: Problem, loss: FloatArray, count: int, known: Plan | None, context: RunContext) -> Plan | None:
    """Return a plan on about ``count`` rows: those of the least loss, and of a known plan; None without one.

    Parameters
    ----------
    loss
        What each row is worse at prices than its job's best choice, shape ``(rows,)``.
    """
    part, number = at_levels(problem, _least(loss, _WIDER * count, known))
    within = None if known is None else narrowed(part, number, known)
    loss = price_domains(part, context.limits.deadline).loss(part)
    keep = np.zeros(len(loss), dtype=bool)
    keep[_least(loss, _TIMES * count, within)] = True
    part, of = part_of(part, keep)
    number = number[of]
    built = formulation(problem.instance.decides).forms["linear"](part, CHOICES)
    start = None if known is None else narrowed(part, number, known)
    found = [widened(problem, number, plan) for plan in plans_of(built, context, start)]
    return max((plan for plan in found if feasible(problem, plan)), key=problem.total, default=None)
