"""Plan in sequence: GPUs, then servers, then network rates.

GPUs are chosen by marginal gain over the configurations on the fewest nodes; servers are chosen for large pieces first,
in the smallest placement domain with capacity; rates by a linear program. A job that does not fit takes its next best
configuration that does. Schedulers that decide in sequence work like this, and joint decisions are measured against it.
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
from optsched.search.placement.prices import RowPrices
from optsched.solvers import RunContext

__all__ = ["sequential_plan"]

_EPS = 1e-9

_Placed = dict[int, list[tuple[int, Piece]]]


def sequential_plan(
    problem: Problem, context: RunContext, priced: RowPrices | None = None, *, repair: bool = True
) -> Plan | None:
    """Return a plan; None if a required job, or a current allocation that must be kept, does not fit.

    Parameters
    ----------
    worth
        Use the plan at the prices of racks and links, or the rows of the greatest reduced value if it has none, in
        their best domains and at their best rates as far as these have capacity; None: use marginal gain.
    repair
        Whether a job that does not fit may take another configuration than its own.
    """
    inventory = ServerInventory.of(problem)
    reduced = problem.value if priced is None else priced.reduced
    if priced is None:
        rows = _counts(problem, context)
    else:
        rows = _best_rows(problem, reduced) if priced.rows is None else priced.rows.copy()
    domains = _domains(inventory)
    free = np.column_stack([inventory.capacity, [server.network_gbps for server in inventory.servers]])
    placed: _Placed = {}
    order = _order(problem, rows)
    if priced is not None:  # jobs that send most come first
        sends = np.where(rows < 0, 0.0, np.nan_to_num(priced.rate[rows]) * problem.configurations.columns.nodes[rows])
        order.sort(key=lambda job: -float(sends[job]))
    best_domains = _BestDomains(inventory, priced)
    # a job whose paying rows do not fit waits until all others were tried
    for floor in (-np.inf,) if priced is None else (0.0, -np.inf):
        for job in order:
            if job in placed:
                continue
            tried = [int(rows[job])] if rows[job] >= 0 else []
            if repair:
                own = _by_reduced_value(problem, job, reduced)
                own = own[(reduced[own] >= floor) & (own != rows[job])]
                tried += own[_may_fit(problem, inventory, free, own)].tolist()
            for row in tried:
                rate = 0.0 if priced is None else float(np.nan_to_num(priced.rate[row]))
                found = _stand(problem, inventory, row, free, [*best_domains.of(row), *domains], rate)
                if found is not None:
                    rows[job], placed[job] = row, found
                    for server, piece in found:
                        free[server] -= np.append(piece.takes, rate)
                    break
    rows[[job for job in range(len(rows)) if job not in placed]] = -1
    places = tuple(inventory.places(placed[j]) if rows[j] >= 0 else None for j in range(len(rows)))
    rows = settled(problem, Plan(rows, None, places)).rows
    if problem.instance.decides == "placement":
        return Plan(rows, None, places)
    return _rated(problem, inventory, rows, places, context)


def _counts(problem: Problem, context: RunContext) -> IntArray:
    """Return the rows of marginal gain among the rows on the fewest nodes and the current allocations."""
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


class _BestDomains:
    """The best domain of each row at the prices of racks and links."""

    def __init__(self, inventory: ServerInventory, priced: RowPrices | None) -> None:
        self.priced = priced
        if priced is not None:
            number = {name: k for k, c in enumerate(priced.room.classes) for name in c.names}
            class_of = np.array([number[server.names[0]] for server in inventory.servers], dtype=np.int64)
            self.domains = priced.domains[:, class_of]

    def of(self, row: int) -> list[NDArray[np.bool_]]:
        """Return the servers of a row's best domain, shape ``(servers,)``; empty without prices."""
        return [] if self.priced is None else [self.domains[self.priced.domain[row]]]


def _may_fit(problem: Problem, inventory: ServerInventory, free: FloatArray, rows: IntArray) -> NDArray[np.bool_]:
    """Return which rows find enough servers of their pool with enough free GPUs."""
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


def _domains(inventory: ServerInventory) -> list[NDArray[np.bool_]]:
    """Return the placement domains as sets of servers, small ones first: racks, what lies below links, sites."""
    sets = {mine.tobytes(): mine for rack in np.unique(inventory.rack) for mine in [inventory.rack == rack]}
    for crossing in inventory.crossings:
        sets[crossing.below.tobytes()] = crossing.below
    for site in np.unique(inventory.site):
        mine = inventory.site == site
        sets[mine.tobytes()] = mine
    return sorted(sets.values(), key=lambda domain: int(domain.sum()))


def _order(problem: Problem, rows: IntArray) -> list[int]:
    """Return the jobs in the order of placement: unchanged, required, large pieces first, then the waiting jobs."""
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


def _best_rows(problem: Problem, reduced: FloatArray) -> IntArray:
    """Return each job's row of the greatest reduced value, shape ``(jobs,)``; -1 where no row has a value."""
    rows = np.full(problem.configurations.jobs, -1, dtype=np.int64)
    for job in range(len(rows)):
        best = _by_reduced_value(problem, job, reduced)
        rows[job] = best[0] if len(best) else -1
    return rows


def _by_reduced_value(problem: Problem, job: int, reduced: FloatArray) -> IntArray:
    """Return a job's rows of positive value by decreasing reduced value; all rows of a required job."""
    table = problem.configurations
    own = np.arange(table.first[job], table.first[job + 1])
    if problem.instance.max_moves is not None and problem.instance.jobs[job].holds is not None:
        own = own[table.kept[own]]
    useful = own if problem.required[job] else own[problem.value[own] > 0]
    order: IntArray = useful[np.argsort(-reduced[useful], kind="stable")]
    return order


def _stand(
    problem: Problem,
    inventory: ServerInventory,
    row: int,
    free: FloatArray,
    domains: list[NDArray[np.bool_]],
    rate: float,
) -> list[tuple[int, Piece]] | None:
    """Return servers for a row; a current allocation stays on its servers."""
    table = problem.configurations
    holds = problem.instance.jobs[table.job[row]].holds
    both = [(domain, domain) for domain in domains]
    if table.kept[row] and holds is not None:
        workers, servers = (_named(problem, inventory, names) for names in (holds.placement, holds.server_placement))
        both = [(workers & domain if holds.placement is None else workers, servers) for domain in domains]
        if holds.server_placement is None:
            both = [(mine, domain) for (mine, _), domain in zip(both, domains, strict=True)]
    return inventory.stand(problem, row, free, both, rate)


def _named(problem: Problem, inventory: ServerInventory, names: dict[str, int] | None) -> NDArray[np.bool_]:
    """Return the named servers as a set; all servers if no names are given."""
    if names is None:
        return np.ones(len(inventory.servers), dtype=bool)
    held = np.zeros(len(inventory.servers), dtype=bool)
    held[[inventory.number[canonical(problem.instance, name)] for name in names]] = True
    return held


def _rated(
    problem: Problem, inventory: ServerInventory, rows: IntArray, places: tuple[Places | None, ...], context: RunContext
) -> Plan | None:
    """Return the plan at the best rates; while not even the slowest rates fit, drop the optional job of least value."""
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
