"""Plans at a few network rates: the rows that pay at prices, each rate of them a row of its own, in one model.

Where rates are given, the patterns of C8 (see :mod:`formulations.network`) say which pieces and rates share a server,
so that equal servers can be merged without a relaxation of their network: what is found can be dealt out to them. The
rows are few, as only those near the prices of racks and links are taken (a kernel: Balas and Zemel, Operations Research
28, 1980), and their rates are bettered afterwards.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optsched.backends import Watch
from optsched.configurations import repeated
from optsched.curves import FloatArray, IntArray
from optsched.formulation import Choices, formulation
from optsched.placing.deal import brief
from optsched.placing.ground import Ground
from optsched.placing.holdings import settled
from optsched.placing.rates import best_rates
from optsched.problem import Plan, Problem

__all__ = ["at_levels", "kernel_plan"]

_LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
"""Parts of a row's greatest rate; those of several pieces on a server sum up to whole ones."""
_CHOICES = Choices(without=frozenset({"pools"}))


def at_levels(problem: Problem, rows: IntArray) -> tuple[Problem, IntArray]:
    """Return the problem of some rows, each with several rates as one row at each level; and their numbers."""
    table = problem.configurations
    free = table.slowest[rows] < table.ways.gbps[rows]
    times = np.where(free, len(_LEVELS), 1)
    number = np.repeat(rows, times)
    step = np.arange(len(number)) - np.repeat(np.cumsum(times) - times, times)
    rate = table.ways.gbps[number] * np.array(_LEVELS)[step]
    keep = ~(rate < table.slowest[number])
    number, rate = number[keep], rate[keep]
    levels = repeated(table, number)
    several = free.repeat(times)[keep]
    slowest = np.where(several, rate, levels.slowest)
    gbps = np.where(several, rate, levels.ways.gbps)
    value = problem.value[number].copy()
    value[several] = problem.values(number[several], rate[several])
    ways = replace(levels.ways, gbps=gbps)
    return replace(problem, configurations=replace(levels, ways=ways, slowest=slowest), value=value, near=None), number


def kernel_plan(problem: Problem, loss: FloatArray, count: int, known: Plan | None, watch: Watch) -> Plan | None:
    """Return a plan of about so many rows, those of the least loss and those of a known plan; None where there is none.

    Parameters
    ----------
    loss
        What each row is worse at prices than its job's best choice, shape ``(rows,)``.
    """
    from optsched.backends import highs

    few = loss <= np.partition(loss, min(count, len(loss) - 1))[min(count, len(loss) - 1)]
    if known is not None:
        few[known.rows[known.rows >= 0]] = True
    part, number = at_levels(problem, np.flatnonzero(few))
    built = formulation(problem.instance.decides).forms["linear"](part, _CHOICES)
    assert built.start is not None
    start = None if known is None else built.start(_lowered(part, number, known))
    outcome = highs.solve(built.model, watch, start=start)
    if outcome.values is None:
        return None
    found = built.read(outcome.values)
    assert found.places is not None
    plan = settled(problem, Plan(np.where(found.rows >= 0, number[found.rows], -1), found.gbps, found.places))
    if problem.instance.decides == "placement":
        return plan
    return best_rates(problem, Ground.of(problem), plan.rows, found.places, brief())


def _lowered(part: Problem, number: IntArray, plan: Plan) -> Plan:
    """Return a plan in rows of levels, none above its own rate; a job below the least level is left out."""
    ways = part.configurations.ways
    rows, gbps = np.full_like(plan.rows, -1), np.full(len(plan.rows), np.nan)
    for job in np.flatnonzero(plan.rows >= 0).tolist():
        own = np.flatnonzero(number == plan.rows[job])
        rate = np.nan if plan.gbps is None else plan.gbps[job]
        fits = own if np.isnan(rate) else own[ways.gbps[own] <= rate * (1 + 1e-9)]
        if len(fits):
            rows[job] = fits[np.argmax(part.value[fits])]
            gbps[job] = ways.gbps[rows[job]]
    return Plan(rows, gbps, plan.places)
