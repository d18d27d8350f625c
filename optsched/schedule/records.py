"""The schedule file: which job runs when, with what, and what was proven of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from optsched._util.files import read, write_json
from optsched.instance.solution import Record, Waiting
from optsched.prediction.curves.base import Count, Name, PositiveInt
from optsched.schedule.horizon import Horizon

__all__ = ["Run", "Schedule", "load_schedule", "runs_hash", "save_schedule"]


class Run(Record, frozen=True, kw_only=True):
    """One job's run from start to end, without interruption, in one configuration.

    start_s, end_s
        On the clock of ``Instance.now_s``; from one to the other it holds all that it has.
    nodes, servers, local_batch, accumulation, placement, throughput
        As in :class:`optsched.instance.solution.Allocation`.
    """

    former_keys: ClassVar = {"servers": "parameter_servers"}

    job: Name
    start_s: float
    end_s: float
    site: Name
    gpu_type: Name
    gpus: PositiveInt
    nodes: PositiveInt
    servers: Count = msgspec.field(default=0, name="parameter_servers")
    local_batch: float | None = None
    accumulation: PositiveInt = 1
    placement: dict[Name, PositiveInt] | None = None
    throughput: float


class Schedule(Record, frozen=True, kw_only=True):
    """What was decided, what is claimed of it, and how it was found.

    instance
        Fingerprint of the instance that it is for.
    horizon
        The question, with ``horizon_s`` filled in.
    status, stopped, reason, notes
        As in :class:`optsched.instance.result.Result`; stopped by ``rounding`` where the models are solved, and only
        shorter ticks could narrow the gap.
    value, bound, gap
        Objective on the true curves; a proven bound on any schedule's, what the rounding of times costs
        included; |value - bound| / |value|.
    runs
        By start.
    rejected
        Optional jobs that do not run, where the objective lets them be.
    tick_s
        Length of one step of time of the last model, 0 if none was solved.
    hash
        Of the runs: the same schedule has the same hash.
    """

    format: Literal["optsched-schedule/1"]
    instance: str
    version: str
    horizon: Horizon
    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    stopped: str
    value: float | None = None
    bound: float | None = None
    gap: float | None = None
    reason: str = ""
    runs: tuple[Run, ...] = ()
    rejected: tuple[Waiting, ...] = ()
    hash: str = ""
    formulation: str = ""
    backend: str = ""
    tick_s: float = 0.0
    seed: int = 0
    build_s: float = 0.0
    solve_s: float = 0.0
    total_s: float = 0.0
    notes: tuple[str, ...] = ()


def load_schedule(path: Path | str) -> Schedule:
    """Read a schedule file; raise InputError where it is wrong."""
    return read(path, Schedule)


def save_schedule(schedule: Schedule, path: Path | str) -> None:
    """Write a schedule file, whole or not at all."""
    write_json(path, schedule)


def runs_hash(runs: tuple[Run, ...]) -> str:
    """Return a hash of who runs when with what."""
    return hashlib.sha256(msgspec.json.encode(runs, order="deterministic")).hexdigest()[:16]
