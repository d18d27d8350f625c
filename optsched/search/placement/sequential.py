"""A first plan with places and rates: one decision after the other.

GPUs first, by marginal gain over the configurations on the fewest nodes; then places, large pieces first, in the
smallest part of the network that has room; then rates, by a linear program. A job that finds no room takes its next
best configuration that does. This is how schedulers that decide in sequence work, and what deciding together
is measured against.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, even_split
from optsched.instance.topology import canonical
from optsched.problem.configurations import some_rows
from optsched.problem.placement.incumbents import settled
from optsched.problem.placement.rate_allocation import best_rates
from optsched.problem.placement.servers import Piece, ServerInventory
from optsched.problem.problem import Places, Plan, Problem
from optsched.search.heuristics.marginal_gain import marginal_gain
from optsched.search.placement.prices import Worth
from optsched.solvers import RunContext

__all__ = ["first_plan"]

_EPS = 1e-9

Stands = dict[int, list[tuple[int, Piece]]]


def first_plan(
    problem: Problem, context: RunContext, worth: Worth | None = None, *, repair: bool = True
) -> Plan | None:
    """Return a plan; None where a required job or a limit on moves finds no room.

    Parameters
    ----------
    worth
        In place of marginal gain, the rows of the plan at the prices of racks and links, or where there is none, those
        that are worth most, in the homes and with the rates that made them so, where there is room.
    repair
        Whether a job that finds no room may take another configuration than the one it was given.
    """
    inventory = ServerInventory.of(problem)
    net = problem.value if worth is None else worth.net
    if worth is None:
        rows = _counts(problem, context)
    else:
        rows = _worthiest(problem, net) if worth.rows is None else worth.rows.copy()
    homes = _homes(inventory)
    free = np.column_stack([inventory.capacity, [server.network_gbps for server in inventory.servers]])
    stands: Stands = {}
    order = _order(problem, rows)
    if worth is not None:  # who needs a rack comes before who may stand anywhere, and who sends most before the others
        sends = np.where(rows < 0, 0.0, np.nan_to_num(worth.rate[rows]) * problem.configurations.columns.nodes[rows])
        order.sort(key=lambda job: -float(sends[job]))
    best_homes = _BestHomes(inventory, worth)
    # who finds no room for what pays at the prices waits until all have been asked
    for floor in (-np.inf,) if worth is None else (0.0, -np.inf):
        for job in order:
            if job in stands:
                continue
            tried = [int(rows[job])] if rows[job] >= 0 else []
            if repair:
                own = _by_worth(problem, job, net)
                own = own[(net[own] >= floor) & (own != rows[job])]
                tried += own[_may_fit(problem, inventory, free, own)].tolist()
            for row in tried:
                rate = 0.0 if worth is None else float(np.nan_to_num(worth.rate[row]))
                found = _stand(problem, inventory, row, free, [*best_homes.of(row), *homes], rate)
                if found is not None:
                    rows[job], stands[job] = row, found
                    for server, piece in found:
                        free[server] -= np.append(piece.takes, rate)
                    break
    rows[[job for job in range(len(rows)) if job not in stands]] = -1
    places = tuple(inventory.places(stands[j]) if rows[j] >= 0 else None for j in range(len(rows)))
    rows = settled(problem, Plan(rows, None, places)).rows
    if problem.instance.decides == "placement":
        return Plan(rows, None, places)
    return _rated(problem, inventory, rows, places, context)


def _counts(problem: Problem, context: RunContext) -> IntArray:
    """Return the rows of marginal gain over the rows on the fewest nodes and those that are held."""
    table = problem.configurations
    columns = table.columns
    cell = np.column_stack([table.job, columns.pool, columns.gpus, columns.servers])
    _, number = np.unique(cell, axis=0, return_inverse=True)
    fewest = np.full(int(number.max(initial=0)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(fewest, number.ravel(), columns.nodes)
    keep = (columns.nodes == fewest[number.ravel()]) | table.kept
    part = replace(problem, configurations=some_rows(table, keep, ""), value=problem.value[keep])
    chosen = marginal_gain(part, context.limits.deadline)
    rows = np.full(table.jobs, -1, dtype=np.int64)
    rows[chosen >= 0] = np.flatnonzero(keep)[chosen[chosen >= 0]]
    return rows


class _BestHomes:
    """The homes that made rows worth what they are at the prices of racks and links."""

    def __init__(self, inventory: ServerInventory, worth: Worth | None) -> None:
        self.worth = worth
        if worth is not None:
            number = {name: k for k, c in enumerate(worth.room.classes) for name in c.names}
            class_of = np.array([number[server.names[0]] for server in inventory.servers], dtype=np.int64)
            self.homes = worth.homes[:, class_of]

    def of(self, row: int) -> list[NDArray[np.bool_]]:
        """Return the servers of a row's best home, shape ``(servers,)``; none without prices."""
        return [] if self.worth is None else [self.homes[self.worth.home[row]]]


def _may_fit(problem: Problem, inventory: ServerInventory, free: FloatArray, rows: IntArray) -> NDArray[np.bool_]:
    """Tell which rows find as many servers as they need with GPUs enough, wherever these stand in the pool."""
    instance, columns = problem.instance, problem.configurations.columns
    sites = [site.id for site in instance.cluster.sites]
    types = [gpu.id for gpu in instance.cluster.gpu_types]
    fits = np.zeros(len(rows), dtype=bool)
    for number, pool in enumerate(problem.configurations.pools):
        mine: IntArray = np.flatnonzero(columns.pool[rows] == number)
        if len(mine) == 0:
            continue
        here = (inventory.site == sites.index(pool.site)) & (inventory.gpu_type == types.index(pool.gpu_type))
        left = np.sort(free[here, 0] + _EPS)
        gpus, nodes = columns.gpus[rows[mine]], columns.nodes[rows[mine]]
        (larger, smaller), (more, _) = (part.T for part in even_split(gpus, nodes))
        fits[mine] = len(left) - np.searchsorted(left, smaller) >= nodes
        fits[mine] &= (more == 0) | (len(left) - np.searchsorted(left, larger) >= more)
    return fits


def _homes(inventory: ServerInventory) -> list[NDArray[np.bool_]]:
    """Return sets of servers, small ones first: racks, what lies below links, sites."""
    sets = {mine.tobytes(): mine for rack in np.unique(inventory.rack) for mine in [inventory.rack == rack]}
    for crossing in inventory.crossings:
        sets[crossing.below.tobytes()] = crossing.below
    for site in np.unique(inventory.site):
        mine = inventory.site == site
        sets[mine.tobytes()] = mine
    return sorted(sets.values(), key=lambda home: int(home.sum()))


def _order(problem: Problem, rows: IntArray) -> list[int]:
    """Return the jobs: what stays where it is, then the required, then large pieces first, then who waits."""
    table = problem.configurations
    columns = table.columns

    def key(job: int) -> tuple[bool, bool, bool, float, float, int]:
        row = rows[job]
        if row < 0:
            return True, not problem.required[job], True, 0.0, 0.0, job
        kept = bool(table.kept[row])
        return (
            False,
            not kept,
            not problem.required[job],
            -columns.gpus[row] / columns.nodes[row],
            -float(columns.gpus[row]),
            job,
        )

    jobs = [job for job in range(table.jobs) if table.first[job] < table.first[job + 1]]
    return sorted(jobs, key=key)


def _worthiest(problem: Problem, worth: FloatArray) -> IntArray:
    """Return each job's row of the greatest worth, shape ``(jobs,)``; -1 where none is worth anything."""
    rows = np.full(problem.configurations.jobs, -1, dtype=np.int64)
    for job in range(len(rows)):
        best = _by_worth(problem, job, worth)
        rows[job] = best[0] if len(best) else -1
    return rows


def _by_worth(problem: Problem, job: int, worth: FloatArray) -> IntArray:
    """Return a job's rows of positive worth, the best first; of a required job all of them."""
    table = problem.configurations
    own = np.arange(table.first[job], table.first[job + 1])
    if problem.instance.max_moves is not None and problem.instance.jobs[job].holds is not None:
        own = own[table.kept[own]]
    worthy = own if problem.required[job] else own[problem.value[own] > 0]
    order: IntArray = worthy[np.argsort(-worth[worthy], kind="stable")]
    return order


def _stand(
    problem: Problem,
    inventory: ServerInventory,
    row: int,
    free: FloatArray,
    homes: list[NDArray[np.bool_]],
    rate: float,
) -> list[tuple[int, Piece]] | None:
    """Return servers for a row; what is held on known servers stands there."""
    table = problem.configurations
    holds = problem.instance.jobs[table.job[row]].holds
    both = [(home, home) for home in homes]
    if table.kept[row] and holds is not None:
        workers, servers = (_named(problem, inventory, names) for names in (holds.placement, holds.server_placement))
        both = [(workers & home if holds.placement is None else workers, servers) for home in homes]
        if holds.server_placement is None:
            both = [(mine, home) for (mine, _), home in zip(both, homes, strict=True)]
    return inventory.stand(problem, row, free, both, rate)


def _named(problem: Problem, inventory: ServerInventory, names: dict[str, int] | None) -> NDArray[np.bool_]:
    """Return the named servers as a set; all where none are."""
    if names is None:
        return np.ones(len(inventory.servers), dtype=bool)
    held = np.zeros(len(inventory.servers), dtype=bool)
    held[[inventory.number[canonical(problem.instance, name)] for name in names]] = True
    return held


def _rated(
    problem: Problem, inventory: ServerInventory, rows: IntArray, places: tuple[Places | None, ...], context: RunContext
) -> Plan | None:
    """Return the best rates; while not even the slowest fit, the optional job of least value goes."""
    rows, standing = rows.copy(), list(places)
    while True:
        plan = best_rates(problem, inventory, rows, tuple(standing), context)
        if plan is not None or context.limits.left() <= 0:
            return plan
        rated = np.flatnonzero((rows >= 0) & ~problem.required)
        rated = rated[~np.isnan(problem.configurations.slowest[rows[rated]])]
        if len(rated) == 0:
            return None
        worst = int(rated[np.argmin(problem.value[rows[rated]])])
        rows[worst], standing[worst] = -1, None
