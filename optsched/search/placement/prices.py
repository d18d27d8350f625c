"""Prices of racks and links: a dual bound, and the reduced value of each row in its best domain at its best rate."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, run_starts
from optsched.instance.topology import Room
from optsched.problem.configurations import repeated, some_rows
from optsched.problem.problem import Problem
from optsched.search.placement.domains import PlacementDomains, placement_domains
from optsched.search.placement.reduced_costs import Columns, ReducedCosts, dual_of, loss_of
from optsched.search.prices import dual_prices, price

__all__ = ["RowPrices", "price_domains", "price_pools"]

_ERROR = 1e-2
"""Relative error of the upper bounds on values at network rates."""
_SAMPLES = ((1e-2, 129), (1e-3, 257), (0.0, 513))
"""Network rates at which each row is sampled, for errors of at least so much."""
_ROUNDS = 30
"""Limit on the rounds of column generation."""
_CLOSE = 1e-4
"""Relative difference between the dual of all columns and that of the generated ones at which generation ends."""
_WIDE, _NARROW = (-48, -32, -16, -8, 8, 16), (-3, 3)
"""Samples around a row's best rate that give columns as well: in the first rounds, and later."""
_LAST = 12
"""Rows of each job among the last columns, from which a plan is made."""


@dataclass(frozen=True)
class RowPrices:
    """The reduced value of each row at the prices of the resources that domains share.

    Attributes
    ----------
    reduced
        Value of each row less the cost of what it uses, in its best domain at its best rate, shape ``(rows,)``.
    domain, domains
        Number of that domain, shape ``(rows,)``, and the classes of each domain, shape ``(domains, classes)``; for the
        chosen ``rows``, the domain that the plan uses.
    rows
        A plan that respects all shared resources, shape ``(jobs,)``, -1 for none; None if none was found.
    rate
        Best network rate of each row, nan where it has none, shape ``(rows,)``. For the chosen ``rows``, their own.
    dual
        The Lagrangian dual at the prices, recomputed: an upper bound on the value of any plan. An integer program over
        the columns gives no bound, since a rate may lie between those of two columns.
    room
        Whose server classes these are.
    """

    reduced: FloatArray
    domain: IntArray
    domains: NDArray[np.bool_]
    rows: IntArray | None
    rate: FloatArray
    dual: float
    room: Room

    def loss(self, problem: Problem) -> FloatArray:
        """Return the loss of each row against its job's best choice, ``(rows,)``; inf where a row fits nowhere."""
        return loss_of(problem, self.reduced)

    def promising(self, problem: Problem, value: float, keep: IntArray) -> NDArray[np.bool_]:
        """Return which rows a plan better than the known one may use, shape ``(rows,)``.

        The value of a plan with a row is at most the dual less the row's loss (reduced-cost fixing: Crowder,
        Johnson and Padberg, Operations Research 31, 1983).

        Parameters
        ----------
        value, keep
            Of the known plan, and its rows.
        """
        chosen = self.dual - self.loss(problem) >= value - 1e-9 * abs(value)
        chosen[keep[keep >= 0]] = True
        return np.asarray(chosen)


def price_domains(problem: Problem, deadline: float | None, error: float = _ERROR) -> RowPrices:
    """Price the resources that domains share, for a sum objective without a limit on reallocations.

    :func:`~optsched.search.placement.domains.placement_domains` lists the shared resources. Every plan is a combination
    of columns (rows in domains at rates) that respects them, so the Lagrangian dual over the columns bounds it at any
    prices. Columns are generated (Gilmore and Gomory, Operations Research 9, 1961): prices come from a few columns of
    each job, and the columns of the greatest reduced value at these prices are added.
    """
    problem = replace(problem, near=None)
    room = problem.room or Room.of(problem.instance)
    domains = placement_domains(problem, room)
    costs = ReducedCosts(problem, domains, next(count for least, count in _SAMPLES if error >= least))
    table, every = problem.configurations, len(problem.configurations.capacity)
    prices = np.zeros(every + len(domains.capacity))
    prices[:every] = _first_prices(problem, deadline)
    best, least, columns = prices, np.inf, Columns.none()
    for number in range(_ROUNDS):
        dual = costs.at(prices, 2)
        if dual < least:
            best, least = prices, dual
        columns = columns.joined(costs.columns(*((6, _WIDE) if number < 2 else (3, _NARROW))))
        found = dual_prices(_of_columns(problem, domains, columns), deadline, prices)
        prices = found.prices
        if least - found.bound <= _CLOSE * abs(least) or (deadline is not None and time.monotonic() > deadline):
            break
    costs.at(prices, 0)
    columns = columns.joined(costs.columns(_LAST, ()))
    plan = price(_of_columns(problem, domains, columns), deadline=deadline, gap=1e-3, start=prices)
    dual = costs.at(plan.prices, _ROUNDS)
    if dual > least:
        dual = costs.at(best, _ROUNDS)
    costs.look_at_best(_LAST * table.jobs)
    domain, rate, rows = domains.domain[domains.shape, costs.slot], costs.gbps, None
    if plan.rows is not None:
        rows = np.full(table.jobs, -1, dtype=np.int64)
        runs = plan.rows >= 0
        chosen = plan.rows[runs]
        own = columns.row[chosen]
        rows[runs] = own
        domain[own], rate[own] = domains.domain[domains.shape[own], columns.slot[chosen]], columns.gbps[chosen]
    return RowPrices(costs.reduced, domain, domains.domains, rows, rate, dual, room)


def _first_prices(problem: Problem, deadline: float | None) -> FloatArray:
    """Return prices of pools and sites; among rows with equal counts, the one of the greatest value suffices."""
    table, columns = problem.configurations, problem.configurations.columns
    order = np.lexsort((-problem.value, columns.servers, columns.gpus, columns.pool, table.job))
    keep = np.zeros(len(table), dtype=bool)
    keep[order[run_starts(*(of[order] for of in (table.job, columns.pool, columns.gpus, columns.servers)))]] = True
    part = replace(problem, configurations=some_rows(table, keep, ""), value=problem.value[keep])
    return dual_prices(part, deadline).prices


def _of_columns(problem: Problem, domains: PlacementDomains, columns: Columns) -> Problem:
    """Return the problem whose rows are the columns, with the resources that domains share."""
    table, every = repeated(problem.configurations, columns.row), len(problem.configurations.capacity)
    more = domains.used(columns.row, columns.slot, columns.gbps).tocoo()
    row, resource, amount = table.used
    used = (
        np.concatenate([row, more.coords[0]]),
        np.concatenate([resource, more.coords[1] + every]),
        np.concatenate([amount, more.data]),
    )
    limits = np.concatenate([table.capacity, domains.capacity])
    table = replace(table, used=used, capacity=limits, resource_names=tuple(map(str, range(len(limits)))))
    return replace(problem, configurations=table, value=columns.value)


def price_pools(problem: Problem, deadline: float | None, gap: float) -> RowPrices:
    """Price the resources of pools and sites alone, for a sum objective without a limit on moves.

    For many jobs: it ignores servers and links, and takes a fraction of the time of :func:`price_domains`.
    """
    table = problem.configurations
    room = problem.room or Room.of(problem.instance)
    found = price(problem, deadline=deadline, gap=gap)
    reduced = problem.value - table.costs(found.prices)
    dual = dual_of(problem, found.prices, table.capacity, reduced)
    anywhere = np.zeros(len(table), dtype=np.int64), np.ones((1, len(room.classes)), dtype=bool)
    return RowPrices(reduced, *anywhere, found.rows, table.columns.gbps, dual, room)
