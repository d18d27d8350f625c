"""What is proven of the difference between two values of the objective."""

from __future__ import annotations

import math

from optsched.explain.goodput_floors import with_job
from optsched.explain.oracle import Asker, Verdict, verdict
from optsched.instance import Instance
from optsched.instance.result import Result

__all__ = ["loss", "nothing", "surely_runs", "worse"]


def surely_runs(asker: Asker, instance: Instance, name: str, found: Result | None, aggregate: str) -> Verdict:
    """Tell whether every plan within the gap of the optimum runs a job; ``found``: such a plan."""
    if found is None or (answer := verdict(found)) == "unknown":
        return "unknown"
    if answer == "no" or found.value is None:
        return "no"
    if all(a.job != name for a in found.allocations):
        return "no" if found.status == "optimal" else "unknown"
    if aggregate == "lexmin":
        return "yes"
    # sites that do not exist: it still counts as a job, and can run nowhere
    other = asker.best(with_job(instance, name, sites=(), required=False))
    if other is None or verdict(other) == "unknown":
        return "unknown"
    if other.value is None or other.bound is None:
        return "yes" if other.status == "infeasible" else "unknown"
    mine, theirs, most = (asker.sign * x for x in (found.value, other.value, other.bound))
    if mine - most > 1.001 * asker.gap * max(1e-9, abs(most)):
        return "yes"
    return "unknown" if mine - theirs > 1.001 * asker.gap * max(1e-9, abs(theirs)) else "no"


def nothing(value: float) -> float:
    """Return a difference of objectives that is rounding."""
    return 1e-9 * max(1.0, abs(value))


def loss(asker: Asker, mine: float, forced: Result) -> tuple[float, float] | None:
    """Return the ends of what the best of some plans is proven to lose against a value; None where no loss is proven.

    A loss of nothing is proven, too, where such a plan is as good.
    """
    assert forced.value is not None
    high = asker.sign * (mine - forced.value)
    if high <= nothing(mine):
        return 0.0, max(0.0, high)
    low = -math.inf if forced.bound is None else asker.sign * (mine - forced.bound)
    return (min(low, high), high) if low > nothing(mine) else None


def worse(asker: Asker, low: float, high: float) -> str:
    """Return by how much the objective gets worse, for people."""
    if high <= 1e-9:
        return f"{asker.spec.name} gains nothing by that"
    amount = f"{high:.4g}" if high - low <= 1e-3 * high else f"{low:.4g} to {high:.4g}"
    return f"{asker.spec.name} would {'lose' if asker.sign > 0 else 'rise by'} {amount}"
