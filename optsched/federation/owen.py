"""Owen's payments from shadow prices: one solve for any number of members.

In a linear production game each member brings resources; priced at the dual optimum of all, they are a core allocation
(Owen, Math. Program. 9 (1975)). Here members bring resources and jobs: a member gets the price of all that it
owns, and what its jobs gain at these prices. Every coalition's Lagrangian dual at the same prices is the sum of its
members' parts, so that none achieves more on its own, whether it divides jobs or not, and whatever prices are taken.
What the parts sum to above what is achieved is the part that prices do not cover.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.federation.coalitions import Federation
from optsched.instance.transfers import Transfers
from optsched.problem.problem import Problem
from optsched.search.prices import price

__all__ = ["Owen", "owen", "parts_at", "resource_owners"]


@dataclass(frozen=True)
class Owen:
    """Payments by prices.

    parts
        Of each member: the price of its resources, and what its jobs gain at them, shape ``(members,)``. No coalition
        achieves more than the sum of its members' parts.
    payments
        The parts, less an equal share of each for what is not covered, so that they sum to ``achieved``.
    achieved, total, uncovered
        What the common plan achieves, what the parts sum to, and the difference: no coalition gains more than that
        by leaving.
    prices, resources
        Of one unit of each resource, and the resources' names.
    rows
        The common plan's rows of the table; None: no plan was found.
    seconds
        In all.
    """

    parts: FloatArray
    payments: FloatArray
    achieved: float
    total: float
    uncovered: float
    prices: FloatArray
    resources: tuple[str, ...]
    rows: IntArray | None
    seconds: float


def owen(
    federation: Federation,
    *,
    gap: float = 1e-4,
    time_limit: float | None = None,
    achieved: float | None = None,
) -> Owen:
    """Return Owen's payments.

    Parameters
    ----------
    gap, time_limit
        Of the one solve.
    achieved
        What a plan that is already known achieves; None: what the solve finds.
    """
    began = time.monotonic()
    problem = federation.problem
    found = price(problem, deadline=None if time_limit is None else began + time_limit, gap=gap)
    parts = parts_at(federation, problem, found.prices)
    total = float(parts.sum())
    best = max(found.value or 0.0, 0.0 if achieved is None else achieved)
    kept = min(1.0, best / total) if total > 0 else 1.0
    return Owen(
        parts,
        parts * kept,
        best,
        total,
        max(0.0, total - best),
        found.prices,
        problem.configurations.resource_names,
        found.rows,
        time.monotonic() - began,
    )


def parts_at(federation: Federation, problem: Problem, prices: FloatArray) -> FloatArray:
    """Return each member's part of the Lagrangian dual at any prices >= 0, shape ``(members,)``."""
    table = problem.configurations
    prices = np.where(np.isfinite(table.capacity), np.maximum(prices, 0.0), 0.0)
    parts = np.zeros(len(federation.members))
    owners = resource_owners(federation, problem)
    limited = np.flatnonzero(np.isfinite(table.capacity) & (prices > 0))
    for number in limited.tolist():
        for owner in owners[number]:
            parts[owner] += prices[number] * table.capacity[number] / len(owners[number])
    gain = problem.value - table.costs(prices)
    best = np.zeros(table.jobs)
    some = np.flatnonzero(np.diff(table.first) > 0)
    if len(some):
        best[some] = np.maximum.reduceat(gain, table.first[some])
    np.add.at(parts, np.array(federation.job_owner, dtype=np.int64), np.maximum(best, 0.0))
    return parts


def resource_owners(federation: Federation, problem: Problem) -> list[list[int]]:
    """Return the members that own each resource of the table: those of a site, or of the sites that a link joins."""
    instance = federation.instance
    owners = [[federation.site_owner[pool.site]] for pool in problem.configurations.pools]
    for _ in ("CPU cores", "memory"):
        owners += [[federation.site_owner[site.id]] for site in instance.cluster.sites]
    transfers = Transfers(instance)
    everyone = list(range(len(federation.members)))
    for link in transfers.links if transfers.any else ():
        ends = sorted({federation.site_owner[end] for end in link.ends if end in federation.site_owner})
        owners += [ends or everyone] * 2
    return owners
