"""What explanations say: frozen records, as they are printed and as they stand in JSON."""

from __future__ import annotations

import warnings
from typing import Literal, cast, get_args

import msgspec

from optsched.errors import InputError, shown
from optsched.instance import ObjectiveSpec
from optsched.instance.solution import Allocation, Record

__all__ = [
    "Audit",
    "Change",
    "Conflict",
    "Envy",
    "Explanation",
    "Flip",
    "Meaning",
    "Named",
    "Pareto",
    "Reason",
    "Relaxation",
    "Repair",
    "Sensitivity",
    "Share",
    "World",
    "Worth",
    "meaning_of",
]

Meaning = Literal["optimal", "no-job-loses"]
"""What a relaxation promises.

optimal
    Every plan within the gap of the relaxed instance's optimum runs the job, so that solving it again does. Where
    levels are compared in lexicographic order: the plan that is found runs the job.
no-job-loses
    A plan of the relaxed instance runs the job, and every job that runs now progresses at least as fast as now.
    For a job that runs already, it progresses faster by the part that was asked for.
"""


_OLD = {"nobody-loses": "no-job-loses"}


def meaning_of(name: str) -> Meaning:
    """Return a meaning by its name; an old name works for one release, with a warning."""
    if name in _OLD:
        warnings.warn(f"the meaning {name!r} is now called {_OLD[name]!r}", DeprecationWarning, stacklevel=3)
        name = _OLD[name]
    if name not in get_args(Meaning):
        raise InputError(" or ".join(get_args(Meaning)), path="meaning", value=shown(name))
    return cast("Meaning", name)


class Reason(Record, frozen=True, kw_only=True):
    """Why a job got nothing, or little.

    kind
        ``arrival``, ``deadline``, ``budget``, ``memory`` (of the batch), ``pool`` (no servers for it), ``curve`` (its
        own: more would not help), ``capacity``, ``link``, ``network`` (of servers), ``fragments`` (of servers),
        ``moves``, ``limit``, ``own`` (another limit of the job itself), ``others`` (whose gain would be lost),
        ``fairness`` (who would fall below the least), ``blocked`` (by what must hold), ``free`` (no job would lose).
    """

    kind: str
    text: str


class Change(Record, frozen=True, kw_only=True):
    """One relaxation of an instance: a lever (see :func:`optsched.explain.relaxed`), by how much, in its unit."""

    lever: str
    amount: float
    unit: str
    text: str


class Relaxation(Change, frozen=True, kw_only=True):
    """The smallest amount of a lever that helps a job.

    less
        The largest smaller amount that was tried, and is not enough; 0: the instance as it is.
    less_text
        The same for people; empty for the instance as it is.
    progress, value
        Of the job, and the objective, in a plan of the relaxed instance; None where no time was left for one.
    proven
        Whether every answer on the way was proven; else a smaller amount may do.
    """

    meaning: Meaning
    less: float
    less_text: str = ""
    progress: float | None
    value: float | None = None
    proven: bool = True


class Explanation(Record, frozen=True, kw_only=True):
    """Why one job waits, or gets little, and what would change it.

    progress, entitled
        What it has, and what it would have of its share of the cluster (see :class:`Share`).
    relaxations
        Each alone is enough.
    fails
        Levers that alone are not enough, however far they are moved.
    undecided
        Levers of which that was not decided in the time given.
    """

    job: str
    status: Literal["waits", "runs"]
    progress: float
    entitled: float
    reasons: tuple[Reason, ...]
    relaxations: tuple[Relaxation, ...] = ()
    fails: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Named(Record, frozen=True, kw_only=True):
    """A constraint as people know it; ``key`` for :func:`optsched.explain.without`."""

    key: str
    text: str


class Repair(Record, frozen=True, kw_only=True):
    """Changes after which the instance has a plan.

    size
        Their weighted sum: of capacities as parts of what is there, of shifts in hours.
    least
        Whether a model proved that no smaller sum of changes of these kinds does; else each change alone is the least.
    """

    changes: tuple[Change, ...]
    size: float
    least: bool = False


class Conflict(Record, frozen=True, kw_only=True):
    """Constraints that cannot hold together.

    status
        ``feasible``: there is a plan. ``minimal``: the constraints alone have no plan, and without any one of them
        they have, both proven. ``conflicting``: proven to have no plan; for ``undecided`` ones of them it is not
        known whether they are needed. ``unnamed``: no plan, whatever named constraint goes. ``unknown``: neither a
        plan nor a proof was found in the time given.
    """

    status: Literal["feasible", "minimal", "conflicting", "unnamed", "unknown"]
    constraints: tuple[Named, ...] = ()
    undecided: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()
    reason: str = ""
    questions: int = 0
    notes: tuple[str, ...] = ()


class Worth(Record, frozen=True, kw_only=True):
    """What one more unit of a resource would add to the objective, in the objective's unit (less cost is negative).

    price
        The dual value of the linear relaxation (of objectives that are minimized: the fall): what one more unit adds to
        it at most. The plan itself can gain more, by as much as it lags behind the relaxation. None where the objective
        is no sum, where places are decided, or where the difference is proven to be more.
    value
        The difference of two solved instances. None where it was not solved again.
    low, high
        Proven ends of the true difference, from the bounds of both. With the price only: ``high`` is the most that
        the configurations that there are can add.
    gaps
        Relative gaps of the two instances whose difference ``value`` is: as it is, and with one more unit.
    method
        Which of the two ``value`` or, without it, ``price`` is.
    """

    resource: str
    unit: str
    method: Literal["re-solved", "price (LP dual)", "unknown"]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    price: float | None = None
    gaps: tuple[float | None, float | None] = (None, None)


class Pareto(Record, frozen=True, kw_only=True):
    """Whether no job can be better off without another one worse off.

    status
        ``efficient``: proven up to ``slack``, the most that the sum of progress can rise; ``dominated``: by the
        witness; ``unknown``.
    gains
        Progress that the witness adds, by job.
    """

    status: Literal["efficient", "dominated", "unknown"]
    slack: float | None = None
    witness: tuple[Allocation, ...] = ()
    gains: dict[str, float] = msgspec.field(default_factory=dict)
    note: str = ""


class Share(Record, frozen=True, kw_only=True):
    """Somebody who would be better off with a share of the cluster alone: what is had and what that would be."""

    who: str
    kind: Literal["job", "tenant"]
    progress: float
    entitled: float


class Envy(Record, frozen=True, kw_only=True):
    """A job that prefers what another one holds.

    progress, other
        Its own, and what it would have with the other's, each divided by the weight of who holds it.
    """

    job: str
    of: str
    progress: float
    other: float


class Audit(Record, frozen=True, kw_only=True):
    """Properties of a plan. Definitions and sources: docs/explanations.md.

    envy_decided
        Whether all that is held was compared in the time given.
    """

    pareto: Pareto
    sharing: tuple[Share, ...] = ()
    envy: tuple[Envy, ...] = ()
    envy_decided: bool = True
    jobs: int = 0
    definitions: dict[str, str] = msgspec.field(default_factory=dict)


class Flip(Record, frozen=True, kw_only=True):
    """A job that would get something else: what it has now, and what then, for people."""

    job: str
    now: str
    then: str


class World(Record, frozen=True, kw_only=True):
    """The truth as it may be.

    shift
        Of each curve, in standard deviations of the logarithm of its throughput; others are at 0.
    value, best
        The objective of the present plan there, and of the best plan; None where there is none.
    regret
        How much better the best plan is, in the objective's sense; at most ``regret_bound``.
    broken
        Rules that the present plan breaks there, e.g. a deadline.
    """

    name: str
    shift: dict[str, float]
    value: float | None = None
    best: float | None = None
    regret: float | None = None
    regret_bound: float | None = None
    flips: tuple[Flip, ...] = ()
    broken: tuple[str, ...] = ()


class Sensitivity(Record, frozen=True, kw_only=True):
    """What a plan hangs on: worlds in which predictions are off, and in how many of them each job's share flips."""

    objective: ObjectiveSpec
    worlds: tuple[World, ...]
    flips: dict[str, int]
    worst_regret: float | None
