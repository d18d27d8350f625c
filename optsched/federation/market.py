"""A market that repeats every round: prices follow demand and supply, and credits remember who gave.

Prices are adjusted by multiplicative tatonnement (Cole and Fleischer, STOC'08): where more is asked for than there
is, a price rises, else it falls. Jobs ask for what is worth most to them net of its price; the plan of a round is found
by the price engine that starts from the market's prices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optsched.errors import InputError
from optsched.federation.coalitions import Federation, federation_of
from optsched.instance import Instance
from optsched.search.prices import price

__all__ = ["Credits", "Round", "borrow", "repeat"]


@dataclass(frozen=True)
class Round:
    """One round of the market.

    prices
        Of one GPU by pool (``type@site``), at which the round traded, in the objective's unit.
    demanded, supplied
        GPUs that jobs ask for at these prices, and that there are, by pool.
    value, bound
        What the round's plan achieves, and what none exceeds.
    balance
        What each member receives for GPUs, less what it pays, by name; it sums to 0.
    joined, left
        Members that were not there in the round before, and that are not any more.
    """

    prices: Mapping[str, float]
    demanded: Mapping[str, float]
    supplied: Mapping[str, float]
    value: float
    bound: float
    balance: Mapping[str, float]
    joined: tuple[str, ...]
    left: tuple[str, ...]


def repeat(
    rounds: Sequence[Instance],
    *,
    step: float = 0.25,
    start: Mapping[str, float] | None = None,
    gap: float = 1e-4,
    time_limit: float | None = None,
) -> tuple[Round, ...]:
    """Let the market trade once for each instance; members and jobs may differ from round to round.

    Parameters
    ----------
    rounds
        What is there in each round; a member joins or leaves with its sites and jobs.
    step
        How fast prices follow: a pool of which twice as much is asked for as there is gets dearer by this part, > 0.
    start
        Prices of the first round by pool; pools without one begin at the dual prices of their first round.
    """
    if not 0 < step <= 1:
        raise InputError("a step above 0 and at most 1", path="step", value=f"{step:g}")
    prices = dict(start or {})
    before: tuple[str, ...] = ()
    found = []
    for instance in rounds:
        federation = federation_of(instance)
        done, prices = _traded(federation, prices, before, step, gap, time_limit)
        before = federation.members
        found.append(done)
    return tuple(found)


def _traded(
    federation: Federation,
    prices: dict[str, float],
    before: tuple[str, ...],
    step: float,
    gap: float,
    time_limit: float | None,
) -> tuple[Round, dict[str, float]]:
    import time

    problem = federation.problem
    table = problem.configurations
    names = [str(pool) for pool in table.pools]
    pools = len(names)
    known = np.full(len(table.capacity), np.nan)
    known[:pools] = [prices.get(name, np.nan) for name in names]
    deadline = None if time_limit is None else time.monotonic() + time_limit
    plan = price(problem, deadline=deadline, gap=gap, start=None if np.isnan(known).all() else known)
    at = np.where(np.isnan(known), plan.prices, known)
    gain = problem.value - table.costs(at)
    wanted = np.zeros(pools)
    for job in range(table.jobs):
        own = gain[table.first[job] : table.first[job + 1]]
        if len(own) and own.max() > 0:
            row = int(table.first[job] + np.argmax(own))
            wanted[table.columns.pool[row]] += table.columns.gpus[row]
    supply = np.array([pool.capacity for pool in table.pools], dtype=np.float64)
    balance = dict.fromkeys(federation.members, 0.0)
    rows = np.empty(0, dtype=np.int64) if plan.rows is None else plan.rows[plan.rows >= 0]
    for row in rows.tolist():
        pool = int(table.columns.pool[row])
        paid = float(at[pool] * table.columns.gpus[row])
        balance[federation.members[federation.job_owner[table.job[row]]]] -= paid
        balance[federation.members[federation.site_owner[table.pools[pool].site]]] += paid
    adjusted = np.maximum(at[:pools], 1e-9) * np.exp(step * np.clip((wanted - supply) / supply, -1.0, 1.0))
    done = Round(
        prices=dict(zip(names, at[:pools].tolist(), strict=True)),
        demanded=dict(zip(names, wanted.tolist(), strict=True)),
        supplied=dict(zip(names, supply.tolist(), strict=True)),
        value=plan.value or 0.0,
        bound=plan.bound,
        balance=balance,
        joined=tuple(name for name in federation.members if name not in before),
        left=tuple(name for name in before if name not in federation.members),
    )
    return done, prices | dict(zip(names, adjusted.tolist(), strict=True))


@dataclass(frozen=True)
class Credits:
    """Credits between rounds, and what each member may use in this one, by name."""

    allocated: Mapping[str, int]
    credits: Mapping[str, float]


def borrow(
    demands: Mapping[str, int],
    shares: Mapping[str, int],
    credits: Mapping[str, float] | None = None,
    *,
    instantaneous: float = 0.5,
) -> Credits:
    """Divide one round's GPUs by demand, and by credits where there are not enough.

    Karma (Vuppalapati et al., OSDI'23, algorithm 1): each member is guaranteed a part of its share, and credited for
    the rest; what it does not ask for it donates and is credited for when it is used. What is asked for above the
    guarantee is lent to the member with most credits, one GPU at a time for one credit, out of donations first, of
    those with the fewest credits. Members that join begin with the mean of all credits; who left is forgotten.

    Parameters
    ----------
    demands, shares
        GPUs that each member asks for now, and that it brought, by name.
    credits
        Of the round before; None: all begin with 0.
    instantaneous
        Part of each share that is guaranteed in every round, 0 to 1.
    """
    if not 0 <= instantaneous <= 1:
        raise InputError("a part from 0 to 1", path="instantaneous", value=f"{instantaneous:g}")
    if set(demands) != set(shares) or any(x < 0 for x in (*demands.values(), *shares.values())):
        raise InputError("demands and shares >= 0 of the same members", path="demands")
    old = {name: worth for name, worth in (credits or {}).items() if name in shares}
    mean = sum(old.values()) / len(old) if old else 0.0
    guaranteed = {name: int(instantaneous * share) for name, share in shares.items()}
    have = {name: old.get(name, mean) + shares[name] - guaranteed[name] for name in shares}
    given = {name: min(demands[name], guaranteed[name]) for name in shares}
    donated = {name: guaranteed[name] - given[name] for name in shares}
    common = sum(shares[name] - guaranteed[name] for name in shares)
    while common + sum(donated.values()):
        asking = [name for name in shares if given[name] < demands[name]]
        if not asking:
            break
        borrower = max(asking, key=lambda name: have[name])
        donors = [name for name in shares if donated[name]]
        if donors:
            donor = min(donors, key=lambda name: have[name])
            donated[donor] -= 1
            have[donor] += 1
        else:
            common -= 1
        given[borrower] += 1
        have[borrower] -= 1
    return Credits(given, have)
