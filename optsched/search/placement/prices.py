"""Prices of racks and links: a bound, and what each row is worth in its best home at its best network rate."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, run_starts
from optsched.instance.topology import Room
from optsched.problem.configurations import repeated, some_rows
from optsched.problem.problem import Problem
from optsched.search.placement.domains import Stands, stands_of
from optsched.search.placement.reduced_costs import Columns, Nets, dual_of, loss_of
from optsched.search.prices import price, relaxed

__all__ = ["Worth", "worth_in_pools", "worth_of"]

_ERROR = 1e-2
"""Of the values at network rates, which are bounded from above."""
_SAMPLES = ((1e-2, 129), (1e-3, 257), (0.0, 513))
"""Rates at which a row is looked at, for errors from so large on."""
_ROUNDS = 30
"""Most times that columns are generated."""
_CLOSE = 1e-4
"""How near the bound of all columns comes to that of those that were generated, before there are no more."""
_WIDE, _NARROW = (-48, -32, -16, -8, 8, 16), (-3, 3)
"""Samples beside a row's best rate that give columns, too: at first, and when prices are nearly known."""
_LAST = 12
"""Rows of each job of which the last columns consist, from which a plan is made."""


@dataclass(frozen=True)
class Worth:
    """What the rows of a problem are worth at prices of all that homes share.

    net
        Value of each row less what it takes, in its best home at its best rate, shape ``(rows,)``.
    home, homes
        The number of that home, shape ``(rows,)``, and the classes of each home, shape ``(homes, classes)``; of
        ``rows``, of the home where they stand.
    rows
        A plan of rows that keeps all that is shared, shape ``(jobs,)``, -1 for none; None where none was found.
    rate
        The best network rate of each row, nan where it has none; of ``rows``, their own; shape ``(rows,)``.
    dual
        The Lagrangian dual at the prices, recomputed: a bound on any plan's value. What an integer program over columns
        proves is none, since a rate may lie between those of two columns.
    room
        Whose classes these are.
    """

    net: FloatArray
    home: IntArray
    homes: NDArray[np.bool_]
    rows: IntArray | None
    rate: FloatArray
    dual: float
    room: Room

    def loss(self, problem: Problem) -> FloatArray:
        """Return what each row is worse than its job's best choice, infinite where it fits nowhere; ``(rows,)``."""
        return loss_of(problem, self.net)

    def promising(self, problem: Problem, value: float, keep: IntArray) -> NDArray[np.bool_]:
        """Return which rows a plan that is better than a known one may use, shape ``(rows,)``.

        A plan with a row is worth at most the dual less what the row is worse than its job's best choice
        (reduced-cost fixing: Crowder, Johnson and Padberg, Operations Research 31, 1983).

        Parameters
        ----------
        value, keep
            Of the known plan, and its rows.
        """
        chosen = self.dual - self.loss(problem) >= value - 1e-9 * abs(value)
        chosen[keep[keep >= 0]] = True
        return np.asarray(chosen)


def worth_of(problem: Problem, deadline: float | None, error: float = _ERROR) -> Worth:
    """Price what homes share, for a sum objective without a limit on moves, with values at rates to about an error.

    What is shared stands in :func:`optsched.search.placement.domains.stands_of`. Every plan is a mixture of columns
    (rows in homes at rates) that keeps all of it, so that their Lagrangian dual bounds it, at any prices. Columns are
    generated (Gilmore and Gomory, Operations Research 9, 1961): prices come from a few columns of each job, and
    what is worth most at these prices gives the next ones.
    """
    problem = replace(problem, near=None)
    room = problem.room or Room.of(problem.instance)
    stands = stands_of(problem, room)
    nets = Nets(problem, stands, next(count for least, count in _SAMPLES if error >= least))
    table, every = problem.configurations, len(problem.configurations.capacity)
    prices = np.zeros(every + len(stands.capacity))
    prices[:every] = _first_prices(problem, deadline)
    best, least, columns = prices, np.inf, Columns.none()
    for number in range(_ROUNDS):
        dual = nets.at(prices, 2)
        if dual < least:
            best, least = prices, dual
        columns = columns.joined(nets.columns(*((6, _WIDE) if number < 2 else (3, _NARROW))))
        found = relaxed(_of_columns(problem, stands, columns), deadline, prices)
        prices = found.prices
        if least - found.bound <= _CLOSE * abs(least) or (deadline is not None and time.monotonic() > deadline):
            break
    nets.at(prices, 0)
    columns = columns.joined(nets.columns(_LAST, ()))
    plan = price(_of_columns(problem, stands, columns), deadline=deadline, gap=1e-3, start=prices)
    dual = nets.at(plan.prices, _ROUNDS)
    if dual > least:
        dual = nets.at(best, _ROUNDS)
    nets.look_at_best(_LAST * table.jobs)
    home, rate, rows = stands.home[stands.shape, nets.slot], nets.gbps, None
    if plan.rows is not None:
        rows = np.full(table.jobs, -1, dtype=np.int64)
        runs = plan.rows >= 0
        chosen = plan.rows[runs]
        own = columns.row[chosen]
        rows[runs] = own
        home[own], rate[own] = stands.home[stands.shape[own], columns.slot[chosen]], columns.gbps[chosen]
    return Worth(nets.net, home, stands.homes, rows, rate, dual, room)


def _first_prices(problem: Problem, deadline: float | None) -> FloatArray:
    """Return prices of pools and sites: of all rows with equal counts, the one of the greatest value is enough."""
    table, columns = problem.configurations, problem.configurations.columns
    order = np.lexsort((-problem.value, columns.servers, columns.gpus, columns.pool, table.job))
    keep = np.zeros(len(table), dtype=bool)
    keep[order[run_starts(*(of[order] for of in (table.job, columns.pool, columns.gpus, columns.servers)))]] = True
    part = replace(problem, configurations=some_rows(table, keep, ""), value=problem.value[keep])
    return relaxed(part, deadline).prices


def _of_columns(problem: Problem, stands: Stands, columns: Columns) -> Problem:
    """Return the problem whose rows are columns, which share what homes do, too."""
    table, every = repeated(problem.configurations, columns.row), len(problem.configurations.capacity)
    more = stands.used(columns.row, columns.slot, columns.gbps).tocoo()
    row, resource, amount = table.used
    used = (
        np.concatenate([row, more.coords[0]]),
        np.concatenate([resource, more.coords[1] + every]),
        np.concatenate([amount, more.data]),
    )
    limits = np.concatenate([table.capacity, stands.capacity])
    table = replace(table, used=used, capacity=limits, resource_names=tuple(map(str, range(len(limits)))))
    return replace(problem, configurations=table, value=columns.value)


def worth_in_pools(problem: Problem, deadline: float | None, gap: float) -> Worth:
    """Price the resources of pools and sites alone, for a sum objective without a limit on moves.

    It knows no servers and no links, and needs a fraction of the time of :func:`worth_of`: for many jobs.
    """
    table = problem.configurations
    room = problem.room or Room.of(problem.instance)
    found = price(problem, deadline=deadline, gap=gap)
    net = problem.value - table.costs(found.prices)
    dual = dual_of(problem, found.prices, table.capacity, net)
    anywhere = np.zeros(len(table), dtype=np.int64), np.ones((1, len(room.classes)), dtype=bool)
    return Worth(net, *anywhere, found.rows, table.columns.gbps, dual, room)
