"""What a scheduler remembers between rounds, and what became of its last plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from optsched.errors import InputError, shown
from optsched.instance import Holding
from optsched.instance.solution import Allocation
from optsched.prediction.curves.base import Count, Name, NonNegative
from optsched.scheduler.inputs import Given
from optsched.scheduler.profiles import Profile
from optsched.scheduler.records import Kind, LiveJob

__all__ = ["Flight", "Remembered", "State", "given_up", "held_now", "holding_of", "learned_of", "reported"]


class Flight(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An action whose end is not known yet: what the job held before it, and what it is to hold after it."""

    kind: Kind
    before: Holding | None = None
    after: Holding | None = None


class Remembered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is remembered of one job.

    holds
        What it holds, as far as is known.
    arrival_s
        When it arrived, or was seen first.
    restarts
        How often it began anew after it had run.
    ran
        Whether it has ever held anything.
    attained_gpu_s
        GPU seconds that it has had.
    label
        Of the configuration that it holds.
    application
        What it runs.
    gradient_noise
        The last that was observed, in examples; None: it was not.
    """

    holds: Holding | None = None
    arrival_s: NonNegative = 0.0
    restarts: Count = 0
    ran: bool = False
    attained_gpu_s: NonNegative = 0.0
    label: str = ""
    application: Name | None = None
    gradient_noise: NonNegative | None = None


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a scheduler remembers of rounds, by the names of jobs and resources.

    version
        Counts the plans that were made.
    flights
        What the last plans changed, until it is known what became of it.
    late
        Jobs whose flights are known to be still under way.
    profiles, unfitted
        What was observed of applications, and those of which something new was.
    failed, draining
        Servers that are out, with how many of their GPUs (0: all), and servers that shall take nothing new.
    """

    version: Count = 0
    now_s: NonNegative = 0.0
    jobs: dict[Name, Remembered] = {}
    flights: dict[Name, Flight] = {}
    late: tuple[Name, ...] = ()
    prices: dict[str, NonNegative] = {}
    profiles: dict[Name, Profile] = {}
    unfitted: tuple[Name, ...] = ()
    failed: dict[Name, Count] = {}
    draining: tuple[Name, ...] = ()


def held_now(state: State, job: str) -> Holding | None:
    """Return what a job holds if the last plan was carried out."""
    if job in state.flights:
        return state.flights[job].after
    return state.jobs[job].holds if job in state.jobs else None


def holding_of(allocation: Allocation, *, exact: bool) -> Holding:
    """Return what a job holds that got an allocation.

    Where its GPUs and parameter servers say all else, nodes and batch are left open, so that another batch is no move.
    """
    return Holding(
        gpu_type=allocation.gpu_type,
        gpus=allocation.gpus,
        site=allocation.site,
        nodes=allocation.nodes if exact else None,
        servers=allocation.servers,
        local_batch=allocation.local_batch if exact else None,
        placement=allocation.placement,
        server_placement=allocation.server_placement,
    )


def reported(
    state: State,
    done: Collection[str] | None,
    refused: Collection[str],
    pending: Collection[str],
    lost: Collection[str],
) -> State:
    """Return the state after it is told what became of the last plan's actions.

    Without ``done``, whatever is neither refused nor pending was carried out; with it, whatever is in none of the
    three is still under way.

    Raises
    ------
    InputError
        For a job of which two things are told.
    """
    told = {name: word for word, names in _words(done, refused, pending) for name in names}
    for word, names in _words(done, refused, pending):
        for name in names:
            if told[name] != word:
                raise InputError(f"one report a job; it is {told[name]}, too", path=f"$.{word}", value=shown(name))
    jobs, flights = dict(state.jobs), dict[str, Flight]()
    for name, flight in state.flights.items():
        fate = told.get(name, "done" if done is None else "pending")
        if fate == "pending":
            flights[name] = flight
        if name not in jobs:
            continue
        known = jobs[name]
        if fate == "refused":
            jobs[name] = msgspec.structs.replace(known, holds=flight.before)
        elif fate == "pending":  # GPUs that it still has, or is about to have, are not free for others
            jobs[name] = msgspec.structs.replace(known, holds=flight.after or flight.before)
        else:
            again = known.ran and flight.after is not None
            jobs[name] = msgspec.structs.replace(
                known,
                holds=flight.after,
                restarts=known.restarts + again,
                ran=known.ran or flight.after is not None,
                label=known.label if flight.after is not None else "",
            )
    for name in lost:
        if name in jobs:
            jobs[name] = msgspec.structs.replace(jobs[name], holds=None, label="")
            flights.pop(name, None)
    return msgspec.structs.replace(state, jobs=jobs, flights=flights, late=tuple(flights))


def _words(
    done: Collection[str] | None, refused: Collection[str], pending: Collection[str]
) -> Iterable[tuple[str, Collection[str]]]:
    """Return each report with its name."""
    return ("done", done or ()), ("refused", refused), ("pending", pending)


def learned_of(state: State, jobs: Sequence[Given], now: float) -> tuple[State, list[LiveJob]]:
    """Return the state with the jobs of a round, and these jobs with what is remembered of them.

    What the caller says of what a job holds, its arrival and its restarts counts before what is remembered. Jobs that
    are no longer there are forgotten.
    """
    remembered: dict[str, Remembered] = {}
    live = []
    elapsed = max(0.0, now - state.now_s)
    for job, told in jobs:
        known = state.jobs.get(job.id)
        if known is None:
            known = Remembered(arrival_s=job.arrival_s if "arrival_s" in told else now)
        changes: dict[str, object] = {}
        gpus = known.holds.gpus if known.holds is not None else 0
        attained = job.attained_gpu_s if "attained_gpu_s" in told else known.attained_gpu_s + gpus * elapsed
        holds = job.holds if "holds" in told else known.holds
        remembered[job.id] = known = Remembered(
            holds=holds,
            arrival_s=job.arrival_s if "arrival_s" in told else known.arrival_s,
            restarts=job.restarts if "restarts" in told else known.restarts,
            ran=known.ran or holds is not None,
            attained_gpu_s=attained,
            label=known.label if holds is not None else "",
            application=job.application,
            gradient_noise=known.gradient_noise,
        )
        if known.gradient_noise is not None and job.efficiency is not None:
            changes["efficiency"] = msgspec.structs.replace(job.efficiency, noise_scale=known.gradient_noise)
        for name in ("holds", "arrival_s", "restarts", "attained_gpu_s"):
            if getattr(job, name) != getattr(known, name):
                changes[name] = getattr(known, name)
        live.append(msgspec.structs.replace(job, **changes) if changes else job)
    flights = {name: flight for name, flight in state.flights.items() if name in remembered}
    late = tuple(name for name in state.late if name in remembered)
    return msgspec.structs.replace(state, jobs=remembered, flights=flights, late=late, now_s=now), live


def given_up(state: State, live: Sequence[LiveJob], jobs: Mapping[str, str]) -> tuple[State, list[LiveJob]]:
    """Return the state and the jobs where some jobs hold nothing any more."""
    if not jobs:
        return state, list(live)
    kept = {
        name: msgspec.structs.replace(known, holds=None) if name in jobs else known
        for name, known in state.jobs.items()
    }
    flights = {name: flight for name, flight in state.flights.items() if name not in jobs}
    late = tuple(name for name in state.late if name not in jobs)
    less = [msgspec.structs.replace(job, holds=None) if job.id in jobs else job for job in live]
    return msgspec.structs.replace(state, jobs=kept, flights=flights, late=late), less
