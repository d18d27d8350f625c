"""A federation of an instance's owners, from values of coalitions to payments and the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np

from optsched.federation.coalitions import Coalitions, Federation, federation_of
from optsched.federation.game import Game, exact
from optsched.federation.owen import Owen, owen
from optsched.federation.report import Outlook, settle
from optsched.federation.rules import Payments
from optsched.federation.separation import judge, least_core_by_rows
from optsched.federation.values import MOST_LISTED, Common, listed_game, open_game, usage_of
from optsched.instance import Instance

__all__ = ["federate"]


def federate(
    instance: Instance,
    rules: Sequence[str] = ("shapley", "nucleolus", "owen"),
    *,
    gap: float = 1e-4,
    time_limit: float | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Outlook:
    """Value the coalitions of an instance's owners, and work out payments.

    Parameters
    ----------
    rules
        Names of :data:`optsched.federation.RULES`.
    gap, time_limit, seed
        Of each coalition's solve.
    progress
        Called with what is being done.

    Raises
    ------
    InputError
        Where a job has no owner, or the objective or a limit has no meaning for a part of the members.
    """
    began = time.monotonic()
    federation = federation_of(instance)
    coalitions = Coalitions(federation, gap=gap, time_limit=time_limit, seed=seed, progress=progress)
    listed = len(federation.members) <= MOST_LISTED
    game, common = listed_game(coalitions) if listed else open_game(coalitions)
    valued = time.monotonic() - began
    priced = owen(federation, gap=gap, time_limit=time_limit, achieved=common.value)
    pools = [(pool.site, pool.gpu_type) for pool in federation.problem.configurations.pools]
    prices = dict(zip(pools, priced.prices.tolist(), strict=False))
    special = {"owen": _owen(game, priced)}
    if not listed and "least-core" in rules:
        special["least-core"] = _by_rows(federation, game, common, gap, time_limit)
    judged = None if listed else _judge(federation, gap, time_limit)
    outlook = settle(game, rules, usage_of(federation, common.allocations, prices), special, judged)
    extra = _described(federation, coalitions, common, priced)
    extra["cost"] = {"solves": coalitions.solves, "values_s": valued, "owen_s": priced.seconds}
    return replace(outlook, extra=extra)


def _judge(federation: Federation, gap: float, time_limit: float | None) -> Any:
    def judged(game: Game, payments: Sequence[Fraction]) -> Any:
        return judge(federation, game, payments, gap=gap, time_limit=time_limit)

    return judged


def _owen(game: Game, priced: Owen) -> Payments:
    """Return Owen's payments as exact numbers that sum to what is achieved."""
    parts = [exact(float(x)) for x in priced.parts]
    total = sum(parts, Fraction(0))
    amounts = tuple(x * game.total / total if total else x for x in parts)
    covered = tuple(zip(amounts, (max(x, a) for x, a in zip(parts, amounts, strict=True)), strict=True))
    uncovered = max(Fraction(0), total - game.total)
    facts: dict[str, Fraction | bool] = {"prices_total": total, "uncovered": uncovered}
    note = f"by prices: no coalition of any members gains more than {float(uncovered):.6g} by leaving"
    return Payments("owen", amounts, covered, facts, (note,))


def _by_rows(federation: Federation, game: Game, common: Common, gap: float, time_limit: float | None) -> Payments:
    payments, least, most, calls = least_core_by_rows(federation, common.value, gap=gap, time_limit=time_limit)
    amounts = [exact(float(x)) for x in payments]
    rest = (game.total - sum(amounts, Fraction(0))) / len(game)
    facts: dict[str, Fraction | bool] = {"excess": exact(float(most)), "programs": Fraction(calls)}
    if np.isfinite(least):
        facts["excess_at_least"] = exact(float(least))
    return Payments("least-core", tuple(x + rest for x in amounts), facts=facts)


def _described(federation: Federation, coalitions: Coalitions, common: Common, priced: Owen) -> dict[str, Any]:
    """Return what is said of the instance: gains, who runs what where, prices."""
    names = federation.members
    alone = [coalitions.value(1 << i) for i in range(len(names))]
    owner = {job.id: names[who] for job, who in zip(federation.instance.jobs, federation.job_owner, strict=True)}
    host = {site: names[who] for site, who in federation.site_owner.items()}
    plan = [msgspec.to_builtins(a) | {"owner": owner[a.job], "host": host[a.site]} for a in common.allocations]
    gains: Mapping[str, float] = {
        name: own - value.low for name, own, value in zip(names, common.outcomes, alone, strict=True)
    }
    return {
        "objective": federation.instance.objective.name,
        "outcomes": dict(zip(names, common.outcomes, strict=True)),
        "gains_before_payments": gains,
        "prices": {name: float(p) for name, p in zip(priced.resources, priced.prices, strict=True) if p > 0},
        "plan": plan,
    }
