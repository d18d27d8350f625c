"""The game that an instance's owners play: values of coalitions, the common plan, what each gets out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from optsched.checker import check
from optsched.errors import SolverError
from optsched.federation.coalitions import Coalitions, Federation
from optsched.federation.game import Game, exact
from optsched.federation.ledger import Usage
from optsched.instance.solution import Allocation
from optsched.instance.transfers import hourly_price

__all__ = ["MOST_LISTED", "Common", "OpenGame", "common_plan", "listed_game", "open_game", "usage_of"]

MOST_LISTED = 12
"""Most members of which every coalition is solved: 4,095 of them."""
_TOLERANCE = Fraction(1, 10**6)
"""Relative tolerance of values that solvers found, that of the checker."""


@dataclass(frozen=True)
class Common:
    """The plan of the federation.

    value
        What it achieves, by the checker.
    outcomes
        What each member's jobs are worth in it, less what its GPUs cost where that counts, shape ``(members,)``.
    """

    allocations: tuple[Allocation, ...]
    value: float
    outcomes: tuple[float, ...]


def listed_game(coalitions: Coalitions) -> tuple[Game, Common]:
    """Solve every coalition; return the game and the common plan.

    Coalitions without a common member can always do side by side what each does on its own, so that the intervals
    tighten each other: a coalition achieves what its parts achieve, and a part at most what the whole can achieve above
    the other part.
    """
    federation = coalitions.federation
    size = 1 << len(federation.members)
    found = [coalitions.value(mask) for mask in sorted(range(size), key=int.bit_count)]
    order = sorted(range(size), key=int.bit_count)
    low, high = [0.0] * size, [0.0] * size
    for mask, value in zip(order, found, strict=True):
        low[mask], high[mask] = value.low, value.high
    split: dict[int, int] = {}
    for mask in order:
        for part in _parts(mask):
            if low[part] + low[mask ^ part] > low[mask]:
                low[mask] = low[part] + low[mask ^ part]
                split[mask] = part
        high[mask] = max(low[mask], high[mask])
    for mask in reversed(order):
        for part in _parts(mask):
            for one, other in ((part, mask ^ part), (mask ^ part, part)):
                high[one] = max(low[one], min(high[one], high[mask] - low[other]))

    def plan(mask: int) -> tuple[Allocation, ...]:
        if mask in split:
            return (*plan(split[mask]), *plan(mask ^ split[mask]))
        result = coalitions.known[mask].result
        return () if result is None else result.allocations

    common = common_plan(federation, plan(size - 1))
    game = _game(federation, low, high, common)
    return game, common


def _parts(mask: int) -> Iterator[int]:
    """Yield one of each two coalitions that make up another: the one with its first member, but for itself."""
    first = mask & -mask
    rest = mask ^ first
    part = rest
    while part:
        part = (part - 1) & rest
        yield part | first


def _game(federation: Federation, low: Sequence[float], high: Sequence[float], common: Common) -> Game:
    outcomes = tuple(exact(float(x)) for x in common.outcomes)
    total = sum(outcomes, Fraction(0))
    lows = [exact(float(x)) for x in low[:-1]]
    highs = [exact(float(x)) for x in high[:-1]]
    last = max(exact(float(high[-1])), total)
    slack = max(abs(total), Fraction(1, 10**6)) * _TOLERANCE
    return Game(federation.members, (*lows, total), (*highs, last), outcomes, slack)


def common_plan(federation: Federation, allocations: tuple[Allocation, ...]) -> Common:
    """Return the plan of all members, checked, with what each member's jobs are worth in it."""
    instance = federation.instance
    report = check(instance, allocations)
    if not report.ok:  # a sum of plans that share nothing breaks no rule, unless something else is wrong
        raise SolverError(f"the plan of the federation breaks a rule: {report.violations[0]}")
    owner = {job.id: who for job, who in zip(instance.jobs, federation.job_owner, strict=True)}
    outcomes = []
    for number in range(len(federation.members)):
        own = [a for a in allocations if owner[a.job] == number]
        outcomes.append(check(instance, own).value if own else 0.0)
    if instance.objective.name == "profit":  # the objective charges jobs what GPUs cost: their owners pay for that
        costs = hourly_price(instance.cluster)
        for a in allocations:
            outcomes[owner[a.job]] += a.gpus * costs[a.site, a.gpu_type]
            outcomes[federation.site_owner[a.site]] -= a.gpus * costs[a.site, a.gpu_type]
    return Common(allocations, report.value, tuple(outcomes))


class _Asked(Sequence[Fraction]):
    """Values of coalitions that are solved when they are asked for; -1 means all members."""

    def __init__(self, coalitions: Coalitions, common: Common, *, high: bool) -> None:
        self.coalitions, self.common, self.high = coalitions, common, high
        self.everyone = (1 << len(coalitions.federation.members)) - 1

    def __len__(self) -> int:
        return self.everyone + 1

    def __getitem__(self, mask: int) -> Fraction:  # type: ignore[override]
        mask = self.everyone if mask == -1 else mask
        if mask == self.everyone and not self.high:
            return sum((exact(float(x)) for x in self.common.outcomes), Fraction(0))
        value = self.coalitions.value(mask)
        return exact(float(value.high if self.high else value.low))


class OpenGame(Game):
    """A game of too many members to list all coalitions: values are solved when a rule asks for them."""

    listed = False

    def __post_init__(self) -> None:
        """Check nothing: no list is there."""

    @property
    def closed(self) -> bool:
        """Whether all values are known exactly: they are not."""
        return False


def open_game(coalitions: Coalitions) -> tuple[OpenGame, Common]:
    """Return a game of more members than can be listed; only the common plan is solved now."""
    federation = coalitions.federation
    result = coalitions.value((1 << len(federation.members)) - 1).result
    common = common_plan(federation, () if result is None else result.allocations)
    outcomes = tuple(exact(float(x)) for x in common.outcomes)
    slack = max(abs(sum(outcomes, Fraction(0))), Fraction(1, 10**6)) * _TOLERANCE
    asked = [_Asked(coalitions, common, high=high) for high in (False, True)]
    game = OpenGame(federation.members, asked[0], asked[1], outcomes, slack)  # type: ignore[arg-type]
    return game, common


def usage_of(
    federation: Federation, allocations: Sequence[Allocation], prices: dict[tuple[str, str], float]
) -> tuple[Usage, ...]:
    """Return the GPU-hours that members use of each other's in an hour.

    Parameters
    ----------
    prices
        Shadow price of one GPU by site and GPU type, in the objective's unit; where the objective is profit, what the
        GPU costs its owner is added.
    """
    costs = hourly_price(federation.instance.cluster) if federation.instance.objective.name == "profit" else {}
    owner = {job.id: who for job, who in zip(federation.instance.jobs, federation.job_owner, strict=True)}
    hours: dict[tuple[int, int, str, str], Fraction] = {}
    for a in allocations:
        key = owner[a.job], federation.site_owner[a.site], a.site, a.gpu_type
        if key[0] != key[1]:
            hours[key] = hours.get(key, Fraction(0)) + a.gpus
    names = federation.members
    return tuple(
        Usage(names[user], names[host], gpu, spent, exact(prices.get((site, gpu), 0.0) + costs.get((site, gpu), 0.0)))
        for (user, host, site, gpu), spent in sorted(hours.items())
    )
