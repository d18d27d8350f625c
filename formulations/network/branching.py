"""What is to be decided, for branch and bound: which options jobs take, and which jobs' rings meet on a server.

Equal servers are merged, so that no column says which pieces share one. What a class holds is dealt out by patterns of
pieces, those of rings by job; from a point that needs patterns that send too much, either the jobs of such a pattern
meet somewhere, and then their rates are together at most what a server has, or they never do, and then no pattern has
them all. What no patterns hold violates a row that all of them keep, which a linear program finds.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from formulations.network.columns import Columns, Pairs
from formulations.network.server_patterns import OVER, SOME, TOO_MANY, Item, Patterns, patterns_of
from formulations.network.sets import Options
from formulations.network.traffic import Traffic
from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.problem import Problem
from optsched.solvers.disjunctions import Decision, Row, Side, Small

__all__ = ["Splits"]

_UNDECIDED = 1e-4
"""Part of a job's options on a side from which on it is undecided."""
_WHOLE = 1e-5
"""How far a number of pieces may be from a whole one."""


@dataclass(frozen=True, order=True)
class Meeting:
    """The key of a split: some jobs never share a server of such a network rate or less, or they do."""

    jobs: tuple[int, ...]
    network: float


@dataclass(frozen=True, order=True)
class Held:
    """The key of a split: a class holds fewer pieces of a kind, or as many."""

    place: int
    item: Item
    count: int


@dataclass(frozen=True, eq=False)
class Class:
    """Equal servers: how many, the GPUs and the rate of one, the columns of pieces of workers, and what each is."""

    servers: int
    gpus: int
    network: float
    z: IntArray
    items: tuple[Item, ...]

    def held(self, values: FloatArray) -> dict[Item, float]:
        """Return how many pieces a point has here."""
        found: dict[Item, float] = {}
        for item, count in zip(self.items, values[self.z].tolist(), strict=True):
            if count > SOME:
                found[item] = found.get(item, 0.0) + count
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class Splits:
    """The disjunctions of a model.

    groups
        Options of a job on each side of a split, as columns.
    rates
        Columns B of each job's rings.
    classes
        Of servers.
    """

    groups: tuple[tuple[IntArray, IntArray], ...]
    rates: dict[int, IntArray]
    classes: tuple[Class, ...]

    @staticmethod
    def of(problem: Problem, o: Options, columns: Columns, pairs: Pairs, traffic: Traffic) -> Splits:
        """Return those of a model."""
        job = problem.configurations.job[o.row]
        ring = np.zeros(len(o.kinds), dtype=bool)
        ring[o.kind[o.ring[o.option]]] = True
        rates = {j: traffic.rate[(job == j) & o.ring] for j in np.unique(job[o.ring]).tolist()}
        kinds: list[Item] = [
            (kind.job, kind.gpus, kind.sends) if sends else (-1, kind.gpus, 0.0)
            for kind, sends in zip(o.kinds, ring.tolist(), strict=True)
        ]
        workers = np.array([kind.gpus > 0 for kind in o.kinds], dtype=bool)[pairs.kind]
        classes = []
        for number, c in enumerate(o.classes):
            mine = np.flatnonzero(workers & (pairs.place == number))
            items = tuple(kinds[k] for k in pairs.kind[mine].tolist())
            classes.append(Class(len(c), c.gpus, c.network_gbps, columns.z[mine], items))
        return Splits(tuple(_groups(problem, o, columns.x)), rates, tuple(classes))

    def sides(self, key: Hashable) -> tuple[Side, Side]:
        """Return the sides of a split: of options, of jobs that never meet or do, or of fewer pieces or no fewer."""
        if isinstance(key, Meeting):
            column = np.concatenate([self.rates[job] for job in key.jobs])
            return _rows(), _rows(Row(column, np.ones(len(column)), key.network))
        if isinstance(key, Held):
            here = self.classes[key.place]
            column = here.z[[item == key.item for item in here.items]]
            ones = np.ones(len(column))
            return _rows(Row(column, ones, key.count - 1.0)), _rows(Row(column, -ones, -float(key.count)))
        assert isinstance(key, int)
        left, right = (Side(off, np.zeros(len(off)), np.zeros(len(off))) for off in self.groups[key])
        return left, right

    def look(
        self, values: FloatArray, taken: frozenset[Decision], small: Small
    ) -> tuple[list[Row], dict[Hashable, float]]:
        """Return rows that a point violates, and the splits that it leaves undecided."""
        rows: list[Row] = []
        splits: dict[Hashable, float] = {}
        for number, (left, right) in enumerate(self.groups):
            undecided = min(values[left].sum(), values[right].sum())
            if undecided > _UNDECIDED:
                splits[number] = float(undecided)
        whole = not splits and all(_is_whole(values[c.z]) for c in self.classes)
        sent = {job: float(values[column].sum()) for job, column in self.rates.items()}
        for place, c in enumerate(self.classes):
            held = c.held(values)
            if not held:
                continue
            apart, meet = _meetings(taken, {job for job, _, _ in held}, c.network)
            patterns = patterns_of(tuple(held), c.gpus, c.network, frozenset(frozenset(key.jobs) for key in apart))
            if patterns is None:
                continue
            over = np.array([_over(jobs, sent, c.network) for jobs in patterns.jobs])
            used = patterns.dealt(np.array(list(held.values())), c.servers, over, small, whole=whole)
            if used is not None:
                for q in np.flatnonzero((used > SOME) & (over > 0)).tolist():
                    key = _fewest(patterns.jobs[q], sent, c.network, meet)
                    if key is not None:
                        worth = float(used[q]) * _over(frozenset(key.jobs), sent, c.network)
                        splits[key] = min(1.0, splits.get(key, 0.0) + worth)
            elif whole:
                rows += self._full(place, held, taken, apart, splits)
            else:
                rows += self._lacking(c, held, apart, patterns.prices(np.array(list(held.values())), small))
        return rows, splits

    def _lacking(
        self, c: Class, held: dict[Item, float], apart: frozenset[Meeting], price: FloatArray | None
    ) -> Iterator[Row]:
        """Yield a row, for all classes of such servers, that all patterns keep, and what is held does not."""
        if price is None or price @ np.array(list(held.values())) <= c.servers + TOO_MANY:
            return
        needs = _needed(patterns_of(tuple(held), c.gpus, c.network, frozenset()), price, apart)
        worth = {item: p for item, p in zip(held, price.tolist(), strict=True) if p > SOME}
        for other in self.classes:
            if (other.gpus, other.network) == (c.gpus, c.network):
                mine = [k for k, item in enumerate(other.items) if item in worth]
                prices = np.array([worth[other.items[k]] for k in mine])
                yield Row(other.z[mine], prices, float(other.servers), frozenset((key, 0) for key in needs))

    def _full(
        self,
        place: int,
        held: dict[Item, float],
        taken: frozenset[Decision],
        apart: frozenset[Meeting],
        splits: dict[Hashable, float],
    ) -> Iterator[Row]:
        """Add splits of what servers cannot hold as it is, though parts of patterns can: there is less of something.

        Where it is taken that there is no less of anything, yield a row that no point keeps.
        """
        keys = [Held(place, item, round(count)) for item, count in held.items()]
        no_less = {(key, 1) for key in keys}
        if no_less <= taken:
            nothing = np.empty(0)
            needs = no_less | {(key, 0) for key in apart}
            yield Row(nothing.astype(np.int64), nothing, -1.0, frozenset(needs))
        else:
            splits |= {key: 0.5 for key in keys if (key, 1) not in taken}


def _groups(problem: Problem, o: Options, x: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield the options of a job on both sides of a split: by what is common to several of them."""
    columns, job = problem.configurations.columns, problem.configurations.job[o.row]
    spread = np.where(o.rated, o.domains[o.domain].sum(axis=1), 0)
    keys = (columns.gpus[o.row], columns.nodes[o.row], o.rated, columns.pool[o.row], o.row, spread)
    for j in range(problem.configurations.jobs):
        mine = np.flatnonzero(job == j)
        seen: set[bytes] = set()
        for key in keys:
            for least in np.unique(key[mine])[1:]:
                on = key[mine] >= least
                if on.tobytes() not in seen:
                    seen |= {on.tobytes(), (~on).tobytes()}
                    yield x[mine[on]], x[mine[~on]]


def _is_whole(values: FloatArray) -> bool:
    return bool((np.abs(values - np.rint(values)) <= _WHOLE).all())


def _rows(*rows: Row) -> Side:
    nothing = np.empty(0)
    return Side(nothing.astype(np.int64), nothing, nothing, rows)


def _meetings(
    taken: frozenset[Decision], jobs: set[int], network: float
) -> tuple[frozenset[Meeting], frozenset[Meeting]]:
    """Return the meetings of some jobs on servers of a rate: those that never are, and those that bound their rates."""
    found = [(key, side) for key, side in taken if isinstance(key, Meeting) and jobs.issuperset(key.jobs)]
    apart = frozenset(key for key, side in found if side == 0 and key.network >= network)
    return apart, frozenset(key for key, side in found if side == 1 and key.network <= network)


def _needed(every: Patterns | None, price: FloatArray, apart: frozenset[Meeting]) -> set[Meeting]:
    """Return which of the meetings that never are keep all patterns out that would cost more than 1."""
    if every is None:
        return set(apart)
    dear = [jobs for jobs, cost in zip(every.jobs, (price @ every.counts).tolist(), strict=True) if cost > 1 + SOME]
    needed: set[Meeting] = set()
    while dear:
        chosen = max(sorted(apart), key=lambda key: sum(jobs.issuperset(key.jobs) for jobs in dear))
        needed.add(chosen)
        dear = [jobs for jobs in dear if not jobs.issuperset(chosen.jobs)]
    return needed


def _over(jobs: frozenset[int], sent: Mapping[int, float], network: float) -> float:
    """Return by what part of a server's rate jobs send too much together."""
    over = sum(sent[job] for job in jobs) - network
    return over / network if len(jobs) > 1 and over > OVER * network > 0 else 0.0


def _fewest(
    jobs: frozenset[int], sent: Mapping[int, float], network: float, meet: frozenset[Meeting]
) -> Meeting | None:
    """Return the fewest of some jobs that send too much together; of these, those that send the most."""
    known = {key.jobs for key in meet}
    for count in range(2, len(jobs) + 1):
        found = [
            (over, some)
            for some in combinations(sorted(jobs), count)
            if (over := _over(frozenset(some), sent, network)) and some not in known
        ]
        if found:
            return Meeting(max(found)[1], network)
    return None
