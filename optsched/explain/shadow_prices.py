"""Marginal values: what one more unit of each resource adds to the objective."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from optsched.explain.oracle import Asker, Report
from optsched.explain.records import Worth
from optsched.explain.relaxations import shared_levers
from optsched.explain.rules import Lever
from optsched.instance import Instance, ObjectiveSpec, admit
from optsched.instance.objectives import one_objective
from optsched.instance.result import Result
from optsched.problem.build import build_problem
from optsched.search.prices import price
from optsched.search.prices.dual import dual_bound

__all__ = ["worths"]


def worths(
    instance: Instance | Path | str,
    *,
    objective: str | ObjectiveSpec | None = None,
    resources: Sequence[str] | None = None,
    resolve: bool = True,
    gap: float = 1e-6,
    seconds: float | None = 60.0,
    time_limit: float | None = None,
    report: Report | None = None,
) -> tuple[Worth, ...]:
    """Return what one more GPU, server, CPU core, GB, or Gb/s of every shared resource would add.

    Parameters
    ----------
    resources
        Keys of levers (see :func:`optsched.explain.shared_levers`); default: all capacities and links.
    resolve
        Whether to solve again with one more unit of each. Otherwise only the prices are given, where there are any.
    gap, seconds, time_limit
        Of each question, most of one, and of all.
    report
        Called with what is being asked, for people who wait.
    """
    instance = admit(instance)
    spec = one_objective(objective, instance.objective)
    asker = Asker.within(time_limit, spec, gap, seconds, report)
    levers = [
        lever
        for lever in shared_levers(instance)
        if lever.kind in ("capacity", "link", "network") and (resources is None or lever.key in resources)
    ]
    asker.about = "worths"
    prices = _prices(instance, spec, asker)
    base = asker.best(instance) if resolve else None
    return tuple(_worth(instance, lever, prices, base, asker) for lever in levers)


def _worth(instance: Instance, lever: Lever, dual: _Dual, base: Result | None, asker: Asker) -> Worth:
    price, high = dual.get(lever.name, (None, None))
    more = None
    if base is not None and base.value is not None:
        more = asker.best(lever.change(instance, 1.0))
    if base is None or base.value is None or more is None or more.value is None:
        if price is None:
            return Worth(resource=lever.name, unit=lever.unit, method="unknown")
        return Worth(resource=lever.name, unit=lever.unit, method="price (LP dual)", price=price, high=high)
    ends: tuple[float | None, float | None] = (None, None)
    if base.bound is not None and more.bound is not None:
        # a value is on one side of its optimum, and a bound on the other
        one, other = more.value - base.bound, more.bound - base.value
        ends = (min(one, other), max(one, other))
    if price is not None and ends[0] is not None and ends[0] > price + 1e-9 * max(1.0, abs(price)):
        price = None  # it is proven to be worth more than the linear relaxation says of it
    return Worth(
        resource=lever.name,
        unit=lever.unit,
        method="re-solved",
        gaps=(base.gap, more.gap),
        price=price,
        value=more.value - base.value,
        low=ends[0],
        high=ends[1],
    )


_Dual = dict[str, tuple[float, float | None]]


def _prices(instance: Instance, spec: ObjectiveSpec, asker: Asker) -> _Dual:
    """Return each resource's price, and the most that one more unit can add; nothing where the LP says nothing of it.

    The Lagrangian dual at any prices bounds every plan, and rises by the price of what is added. So one more unit adds
    at most the price and the gap between that bound and the plan, which is more than the price alone.
    """
    problem = build_problem(instance, spec)
    if instance.decides != "counts" or problem.objective.aggregate != "sum" or not len(problem.configurations):
        return {}
    left = asker.left()
    found = price(problem, deadline=None if left is None else time.monotonic() + left, gap=1e-9)
    gap = None
    if found.value is not None:
        gap = max(0.0, dual_bound(problem, found.prices, found.move_price) - found.value)
    names = problem.configurations.resource_names
    return {
        name: (float(amount), None if gap is None else float(amount) + gap)
        for name, amount in zip(names, found.prices, strict=True)
    }
