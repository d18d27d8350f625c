"""The kernel: the few rows among which an optimal plan chooses, as small linear or integer programs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, components, positions
from optsched.search.prices.dual import DualPoint
from optsched.search.prices.table import ROOM, PriceTable
from optsched.solvers import highs
from optsched.solvers.base import Limits, RunContext
from optsched.solvers.linear import LinearModel

__all__ = ["Kernel", "KernelSolution", "kernel", "largest_part", "solve_integer", "solve_relaxation"]


@dataclass(frozen=True)
class Kernel:
    """Groups with a single row left are fixed; the others choose among ``rows``.

    rows
        Shape ``(k,)``, increasing.
    place
        The group of each of them, counted among those that choose: shape ``(k,)``.
    cost
        Value of each of them, less ``base`` of its group: shape ``(k,)``.
    used
        What they take, as coordinates: (place in ``rows``, resource, amount).
    many, base
        Units, and best reduced value, of each group that chooses, shape ``(groups,)``.
    left
        Capacities less what is fixed, shape ``(resources,)``.
    fixed, fixed_value
        Units on every row of the groups that stay, shape ``(n,)``, and their value.
    """

    rows: IntArray
    place: IntArray
    cost: FloatArray
    used: tuple[IntArray, IntArray, FloatArray]
    many: FloatArray
    base: FloatArray
    left: FloatArray
    fixed: IntArray
    fixed_value: float


@dataclass(frozen=True)
class KernelSolution:
    """The solution of a kernel's program.

    units
        The plan, whole for an integer program, with parts for a linear one: shape ``(n,)``; None where there is none.
    prices
        Duals of the capacities of a linear program, shape ``(resources,)``; None for an integer one.
    bound
        On the value of the plans of the kernel, in units of ``PriceTable.scale``; None where there is none.
    infeasible
        Whether the kernel is proven to hold no plan.
    """

    units: FloatArray | None = None
    prices: FloatArray | None = None
    bound: float | None = None
    infeasible: bool = False


def kernel(table: PriceTable, seen: DualPoint, most: float, units: IntArray | None) -> Kernel:
    """Return the kernel of all rows of a loss of at most ``most``, and of those that a plan holds.

    Each unit takes exactly one row, so that a row's value can be counted from the best reduced value
    of its group: the costs ``v_c - max r = a_c'p - loss_c`` are numbers as small as what is at stake.
    """
    inside = seen.loss <= most
    if units is not None:
        inside |= units > 0
    near = np.flatnonzero(inside)
    group = table.group_of(near)
    free = np.bincount(group, minlength=table.groups) > 1
    stays = np.flatnonzero(~free)
    fixed = np.zeros(len(table), dtype=np.int64)
    fixed[seen.best[stays]] = table.many[stays]  # a group of one row has its best row
    rows, owner = near[free[group]], group[free[group]]
    entry, resource, amount = table.entries(rows)
    best = seen.best[free]
    return Kernel(
        rows=rows,
        place=(np.cumsum(free) - 1)[owner],
        cost=np.bincount(entry, weights=amount * seen.prices[resource], minlength=len(rows)) - seen.loss[rows],
        used=(entry, resource, amount),
        many=table.many[free].astype(np.float64),
        base=table.value[best] - table.dense(best) @ seen.prices,
        left=table.capacity - table.used(seen.best[stays], table.many[stays]),
        fixed=fixed,
        fixed_value=float(table.value[seen.best[stays]] @ table.many[stays]),
    )


def _model(core: Kernel, groups: NDArray[np.bool_], offset: float) -> tuple[LinearModel, IntArray]:
    """Return the program of some of the groups that choose, and the places of its columns in ``core.rows``.

    Maximizes their value and ``offset``. Resources that they do not use do not limit them: a row without
    entries never binds, whatever is left.
    """
    columns = np.flatnonzero(groups[core.place])
    number = positions(columns, len(core.rows))
    local = (np.cumsum(groups) - 1)[core.place[columns]]
    many = core.many[groups]
    entry, resource, amount = core.used
    mine = number[entry] >= 0
    model = LinearModel(offset=offset + float(core.base[groups] @ many))
    x = model.add_variables("x", len(columns), upper=many[local], integer=True, cost=core.cost[columns])
    upper = np.full(len(core.left), np.inf)
    limits = np.unique(resource[mine])
    upper[limits] = _limit(core)[limits]
    entries = (resource[mine], x[number[entry[mine]]], amount[mine])
    model.add_rows("C2", entries, upper=upper, size=len(upper))
    model.add_rows("C1", (local, x, 1.0), lower=many, upper=many, size=len(many))
    return model, columns


def _limit(core: Kernel) -> FloatArray:
    """Return what is left, with room for the rounding of sums, as in all checks of capacities."""
    return core.left + ROOM * np.maximum(1.0, np.abs(core.left))


def _overfull(core: Kernel) -> bool:
    """Return whether what is fixed breaks a capacity that no choice can relieve."""
    relieved = np.zeros(len(core.left), dtype=bool)
    relieved[core.used[1]] = True
    return bool(np.any(_limit(core)[~relieved] < 0))


def _parts(core: Kernel) -> tuple[int, IntArray]:
    """Return how many parts of the kernel share no resource that can bind, and the part of each group."""
    entry, resource, amount = core.used
    resources, groups = len(core.left), len(core.many)
    most = np.zeros(groups * resources)
    np.maximum.at(most, core.place[entry] * resources + resource, amount)
    most = most.reshape(groups, resources) * core.many[:, None]
    binds = most.sum(axis=0) > core.left
    joins = binds[resource]
    label = components(groups + resources, core.place[entry[joins]], groups + resource[joins])
    known, part = np.unique(label[:groups], return_inverse=True)
    return len(known), part.astype(np.int64)


def largest_part(core: Kernel) -> int:
    """Return the rows of the largest part that shares no resource with the others."""
    _, part = _parts(core)
    return int(np.bincount(part[core.place]).max(initial=0))


def solve_relaxation(core: Kernel, deadline: float | None) -> KernelSolution:
    """Solve the linear relaxation of a kernel."""
    if _overfull(core):
        return KernelSolution(infeasible=True)
    if len(core.rows) == 0:
        return KernelSolution(core.fixed.astype(np.float64), None, core.fixed_value)
    model, _ = _model(core, np.ones(len(core.many), dtype=bool), core.fixed_value)
    outcome = highs.solve(model, RunContext(Limits(deadline, 0.0)), relaxed=True)
    if outcome.values is None or outcome.duals is None:
        return KernelSolution(infeasible=outcome.status == "infeasible")
    units = core.fixed.astype(np.float64)
    units[core.rows] = outcome.values
    return KernelSolution(units, np.maximum(0.0, outcome.duals[: len(core.left)]), outcome.objective)


def solve_integer(core: Kernel, units: IntArray | None, deadline: float | None, gap: float) -> KernelSolution:
    """Solve a kernel to a relative gap, from a plan of it; parts that share nothing are solved on their own."""
    if _overfull(core):
        return KernelSolution(infeasible=True)
    if len(core.rows) == 0:
        return KernelSolution(core.fixed.astype(np.float64), None, core.fixed_value)
    count, part = _parts(core)
    found = core.fixed.astype(np.float64)
    bound: float | None = core.fixed_value
    for number in range(count):
        groups = part == number
        # of what is fixed, each part carries a share, so that their gaps come together to the gap of all
        share = core.fixed_value * groups.sum() / len(groups)
        model, columns = _model(core, groups, share)
        start = None if units is None else units[core.rows[columns]].astype(np.float64)
        until = deadline
        if deadline is not None:
            now = time.monotonic()
            until = now + (deadline - now) / (count - number)
        outcome = highs.solve(model, RunContext(Limits(until, gap)), start=start)
        if outcome.status == "infeasible":
            return KernelSolution(infeasible=True)
        chosen = start if outcome.values is None else outcome.values
        if chosen is None:
            return KernelSolution()
        found[core.rows[columns]] = np.rint(chosen)
        bound = None if bound is None or outcome.bound is None else bound + outcome.bound - share
    return KernelSolution(found, None, bound)
