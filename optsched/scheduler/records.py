"""What a scheduler is told of each job, and what it answers."""

from __future__ import annotations

from typing import Literal

import msgspec

from optsched.instance import Holding, Instance, Job
from optsched.instance.solution import Allocation
from optsched.prediction.curves.base import Name, NonNegative

__all__ = ["KINDS", "Action", "Kind", "LiveJob", "Plan"]

Kind = Literal["start", "stop", "move", "resize", "keep", "wait"]
KINDS: tuple[Kind, ...] = ("start", "stop", "move", "resize", "keep", "wait")


class LiveJob(Job, frozen=True):
    """A job that waits or runs, as its caller knows it: a job of an instance, and what only rounds need.

    application
        What it runs. Jobs of one application share what is learnt of its throughput.
    gpu_types
        Of a job without curves and configurations, whose throughput is learnt: the types it may use; empty: all.
    pinned
        Whether it keeps what it holds, whatever that costs others.
    checkpoint_interval_s, checkpoint_age_s
        Seconds between its checkpoints, and since the last one, where that is known: what it trained since then is
        lost if it is stopped or moved. Without an age, half an interval is expected to be. None: nothing is lost.
    """

    application: Name | None = None
    gpu_types: tuple[Name, ...] = ()
    pinned: bool = False
    checkpoint_interval_s: NonNegative | None = None
    checkpoint_age_s: NonNegative | None = None

    @property
    def lost_s(self) -> float:
        """Seconds of training that are lost if it is stopped now."""
        if self.checkpoint_age_s is not None:
            return self.checkpoint_age_s
        return 0.0 if self.checkpoint_interval_s is None else self.checkpoint_interval_s / 2


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What to do with one job. It names what the job shall hold, so that doing it twice is harmless.

    allocation
        What it shall hold; None where it shall hold nothing.
    before
        What it holds now, as far as the scheduler knows.
    restart_s
        Seconds that it does not train since it starts anew: a first start counts, too.
    lost_s
        Seconds of training since its last checkpoint, which are lost.
    reason
        Why, for people.
    """

    kind: Kind
    job: Name
    allocation: Allocation | None = None
    before: Holding | None = None
    restart_s: float = 0.0
    lost_s: float = 0.0
    reason: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of a round: what every job shall hold from now on, and how that differs from what it holds.

    version
        Of the state that the plan leads to; the next step tells what became of it.
    now_s
        The time that it was made for.
    start, stop, move, resize, keep, wait
        Actions, at most one a job: begin to run, hold nothing any more, run elsewhere, run on another number of GPUs
        of the same type and site, go on, and hold nothing still.
    instance
        The question that was asked, on which ``allocations`` can be checked. Jobs that can run nowhere, as the
        cluster is now, are not in it; None where it has no GPU.
    allocations, value, bound, gap, status
        As of :func:`optsched.solve`.
    prices
        What one more unit of each resource would add to the value.
    warnings
        What the caller should know: faults of single jobs, settings that cannot be meant.
    build_s, solve_s, read_s
        Seconds that posing the question, answering it, and reading and checking the answer took.
    """

    version: int
    now_s: float
    start: tuple[Action, ...]
    stop: tuple[Action, ...]
    move: tuple[Action, ...]
    resize: tuple[Action, ...]
    keep: tuple[Action, ...]
    wait: tuple[Action, ...]
    instance: Instance | None
    allocations: tuple[Allocation, ...]
    value: float | None
    bound: float | None
    gap: float | None
    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    prices: dict[str, float] = {}
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    build_s: float = 0.0
    solve_s: float = 0.0
    read_s: float = 0.0

    @property
    def changes(self) -> tuple[Action, ...]:
        """What is to be done, in an order in which GPUs are free before they are needed where that is possible."""
        return (*self.stop, *self.resize, *self.move, *self.start)

    def of(self, job: str) -> Action | None:
        """Return the action of a job; None for a job that the step was not told of."""
        return next((a for kind in KINDS for a in getattr(self, kind) if a.job == job), None)
