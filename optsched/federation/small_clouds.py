"""SC-Share: small clouds that decide how much of their capacity they share, and the equilibria of that game.

Lin, Pal, Paolieri, Golubchik, "SC-Share: Performance driven resource sharing markets for the small cloud" (ICDCS'17): a
cloud lends up to ``shared`` of its servers when they are idle, is paid for what it lends, pays for what it borrows, and
sends what still does not fit to a public cloud at a higher price. Utility is what the cost falls by, over a power of
what the utilization rises by.

The paper's clouds have queues with a bound on waiting. Here requests that find no server go to the public cloud at
once, which is a loss network: its feasible states are coordinate-convex, so that its stationary distribution is a
truncated product of Poisson terms (Kaufman, IEEE Trans. Commun. 29 (1981)), exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import lgamma, log

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError

__all__ = ["Equilibrium", "SmallCloud", "Usage", "best_response", "equilibria", "usage", "utilities"]

_MOST_STATES = 2_000_000


@dataclass(frozen=True)
class SmallCloud:
    """A cloud: its servers, and its offered load (arrival rate times service time, in servers)."""

    servers: int
    load: float


@dataclass(frozen=True)
class Usage:
    """Means of each cloud in the long run, shape ``(clouds,)``.

    public, borrowed, lent
        Servers that it rents from the public cloud, borrows from others, and lends.
    utilization
        Part of its own servers that is busy.
    """

    public: FloatArray
    borrowed: FloatArray
    lent: FloatArray
    utilization: FloatArray


def usage(clouds: Sequence[SmallCloud], shared: Sequence[int]) -> Usage:
    """Return what clouds use where each shares some of its servers.

    What is borrowed comes from all lenders in proportion to what they have idle to lend.
    """
    if len(shared) != len(clouds) or any(not 0 <= s <= c.servers for s, c in zip(shared, clouds, strict=True)):
        raise InputError("from 0 to all servers of each cloud", path="shared", value=str(list(shared)))
    own = np.array([cloud.servers for cloud in clouds])
    offers = np.array(shared)
    reach = own + offers.sum() - offers
    if np.prod(reach + 1.0) > _MOST_STATES:
        raise InputError(f"clouds of at most {_MOST_STATES} states together", path="clouds", value=f"{len(clouds)}")
    states = np.indices(tuple(reach + 1)).reshape(len(clouds), -1).T
    excess = np.maximum(states - own, 0)
    idle = np.minimum(offers, np.maximum(own - states, 0))
    feasible = excess.sum(axis=1) <= idle.sum(axis=1)
    states, excess, idle = states[feasible], excess[feasible], idle[feasible]
    factorial = np.array([lgamma(k + 1) for k in range(int(states.max()) + 1)])
    logs = [log(cloud.load) if cloud.load > 0 else -np.inf for cloud in clouds]
    weight = np.zeros(len(states))
    for i, rate in enumerate(logs):
        weight += np.where(states[:, i] > 0, states[:, i] * rate if np.isfinite(rate) else -np.inf, 0.0)
        weight -= factorial[states[:, i]]
    chance = np.exp(weight - weight.max())
    chance /= chance.sum()
    served = chance @ states
    borrowed = chance @ excess
    part = excess.sum(axis=1) / np.maximum(idle.sum(axis=1), 1)
    lent = chance @ (idle * part[:, None])
    busy = served - borrowed + lent
    return Usage(np.array([c.load for c in clouds]) - served, borrowed, lent, busy / np.maximum(own, 1))


def utilities(
    clouds: Sequence[SmallCloud],
    shared: Sequence[int],
    *,
    federation_price: float,
    public_price: float,
    exponent: float = 0.0,
) -> FloatArray:
    """Return each cloud's utility, shape ``(clouds,)``: what its cost falls by, over a power of its added utilization.

    Parameters
    ----------
    federation_price, public_price
        Of one server in the federation and in the public cloud, per hour; the first is not above the second.
    exponent
        How much added utilization counts, >= 0 (the paper's gamma); 0: it does not.
    """
    if not 0 <= federation_price <= public_price:
        raise InputError("a price of the federation from 0 to the public one", path="federation_price")
    alone, together = usage(clouds, [0] * len(clouds)), usage(clouds, shared)
    before = public_price * alone.public
    after = public_price * together.public + federation_price * (together.borrowed - together.lent)
    added = np.maximum(together.utilization - alone.utilization, 1e-9) ** exponent
    return np.asarray((before - after) / added, dtype=np.float64)


def best_response(clouds: Sequence[SmallCloud], shared: Sequence[int], cloud: int, **prices: float) -> int:
    """Return how many servers a cloud best shares, where the others share what they do; the fewest of equals."""
    worth = []
    for own in range(clouds[cloud].servers + 1):
        tried = [*shared[:cloud], own, *shared[cloud + 1 :]]
        worth.append(float(utilities(clouds, tried, **prices)[cloud]))
    best = max(worth)
    return next(own for own, value in enumerate(worth) if value >= best - 1e-12)


@dataclass(frozen=True)
class Equilibrium:
    """What each cloud shares where none gains by another choice, and their utilities."""

    shared: tuple[int, ...]
    utilities: tuple[float, ...]


def equilibria(clouds: Sequence[SmallCloud], **prices: float) -> tuple[Equilibrium, ...]:
    """Return all pure Nash equilibria, by trying every choice; for few clouds of few servers.

    A cloud that gains no more than 1e-12 by another choice stays.
    """
    choices = list(product(*(range(cloud.servers + 1) for cloud in clouds)))
    worth = {choice: utilities(clouds, choice, **prices) for choice in choices}
    found = []
    for choice in choices:
        others = (
            (i, (*choice[:i], own, *choice[i + 1 :]))
            for i, cloud in enumerate(clouds)
            for own in range(cloud.servers + 1)
        )
        if all(worth[other][i] <= worth[choice][i] + 1e-12 for i, other in others):
            found.append(Equilibrium(choice, tuple(worth[choice].tolist())))
    return tuple(found)
