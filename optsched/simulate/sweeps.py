"""Sweeps: every policy on every workload for every seed, resumable, on a pool if asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from optsched import __version__
from optsched._util.files import read_bytes
from optsched.errors import InputError, shown
from optsched.simulate.engine import run
from optsched.simulate.outcome import Outcome, metrics
from optsched.simulate.policies import policy as policy_of
from optsched.simulate.tables import Tables, tabulate
from optsched.simulate.workload import TraceJob, Workload
from optsched.simulate.world import Options

__all__ = ["Run", "once", "runs", "shuffled", "sweep"]

Tell = Callable[[str], None]


class Run(msgspec.Struct, frozen=True):
    """One simulation of a sweep."""

    workload: str
    policy: str
    seed: int


def runs(workloads: Iterable[str], policies: Sequence[str], seeds: Sequence[int]) -> list[Run]:
    """Return all simulations of a sweep: those of one workload and seed next to each other."""
    return [Run(w, p, s) for w in workloads for s in seeds for p in policies]


def shuffled(tables: Tables, seed: int) -> Tables:
    """Return a workload whose arrival times are dealt out to its jobs anew (deadlines move along)."""
    order = np.random.default_rng([seed, 0]).permutation(len(tables))
    times = tables.arrival
    jobs: list[TraceJob] = []
    for k, j in enumerate(order.tolist()):
        job = tables.jobs[j]
        late = None if job.deadline_s is None else job.deadline_s - job.arrival_s + float(times[k])
        jobs.append(msgspec.structs.replace(job, arrival_s=float(times[k]), deadline_s=late))
    deadline = tables.deadline[order] - tables.arrival[order] + times
    fields = ("table", "work", "restart", "checkpoint", "priority", "queue")
    moved = {name: getattr(tables, name)[order] for name in fields}
    names = tuple(tables.application[j] for j in order.tolist())
    return replaced(tables, jobs=tuple(jobs), application=names, deadline=deadline, **moved)


def once(
    tables: Tables, name: str, options: Options, seed: int, tell: Callable[[float, int], None] | None = None
) -> Outcome:
    """Simulate one policy by its name."""
    decide = policy_of(name)
    try:
        return run(
            shuffled(tables, seed) if options.shuffle else tables, decide, options, seed=seed, name=name, tell=tell
        )
    finally:
        close = getattr(decide, "close", None)
        if close is not None:
            close()


_TABLES: dict[str, Tables] = {}
"""Tables of this process, by the workload's hash: a worker of a pool reads each workload once."""


def _row(content: bytes, key: str, wanted: Run, options: Options) -> dict[str, Any]:
    if key not in _TABLES:
        _TABLES.clear()
        _TABLES[key] = tabulate(msgspec.msgpack.decode(content, type=Workload))
    outcome = once(_TABLES[key], wanted.policy, options, wanted.seed)
    return {**msgspec.structs.asdict(wanted), **metrics(outcome)}


def sweep(
    workloads: dict[str, Workload],
    policies: Sequence[str],
    seeds: Sequence[int],
    options: Options,
    *,
    executor: Executor | None = None,
    resume: Path | None = None,
    tell: Tell | None = None,
    keep: Callable[[Outcome], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a row of numbers for each simulation, in the order of :func:`runs`.

    Parameters
    ----------
    executor
        Runs simulations at the same time; None: one after the other in this process.
    resume
        A file of rows (JSON lines) to which each is added as soon as it is there; those that it has already, of the
        same workload, options and version, are not simulated again.
    keep
        Called with each outcome that is simulated in this process.
    """
    for name in policies:
        policy_of(name)  # an unknown one is refused before anything is done
    stamp = {name: _stamp(workload, options) for name, workload in workloads.items()}
    known = {} if resume is None else _read(resume)
    wanted = runs(workloads, policies, seeds)
    rows: dict[Run, dict[str, Any]] = {
        r: known[stamp[r.workload], r] for r in wanted if (stamp[r.workload], r) in known
    }
    missing = [r for r in wanted if r not in rows]
    total, tables = len(wanted), {}

    def done(one: Run, row: dict[str, Any]) -> None:
        rows[one] = row
        if resume is not None:
            with resume.open("ab") as stream:
                stream.write(msgspec.json.encode({"stamp": stamp[one.workload], **row}) + b"\n")

    if executor is not None:
        content = {name: msgspec.msgpack.encode(workload) for name, workload in workloads.items()}
        futures = {
            executor.submit(_row, content[one.workload], stamp[one.workload], one, options): one for one in missing
        }
        for future in as_completed(futures):
            done(futures[future], future.result())
            if tell is not None:
                tell(f"{len(rows)} of {total} simulations")
    else:
        for one in missing:
            if one.workload not in tables:
                tables[one.workload] = tabulate(workloads[one.workload])
            of = tables[one.workload]
            outcome = once(
                of, one.policy, options, one.seed, None if tell is None else _told(tell, one, of, len(rows), total)
            )
            if keep is not None:
                keep(outcome)
            done(one, {**msgspec.structs.asdict(one), **metrics(outcome)})
    for one in wanted:
        yield rows[one]


def _told(tell: Tell, one: Run, tables: Tables, number: int, total: int) -> Callable[[float, int], None]:
    """Return what says how far a simulation is, with the time that is left by the jobs that have finished."""
    import time

    began = time.monotonic()

    def report(now: float, finished: int) -> None:
        spent = time.monotonic() - began
        left = f", {spent * (len(tables) - finished) / finished:.0f} s left" if finished else ""
        tell(f"{number + 1} of {total}: {one.policy}, seed {one.seed}, {finished} of {len(tables)} jobs{left}")

    return report


def _stamp(workload: Workload, options: Options) -> str:
    digest = hashlib.sha256(msgspec.msgpack.encode(workload))
    digest.update(msgspec.msgpack.encode(options) + __version__.encode())
    return digest.hexdigest()[:16]


def _read(path: Path) -> dict[tuple[str, Run], dict[str, Any]]:
    """Return the rows of a file; a last line that was cut off by a crash is cut away."""
    found: dict[tuple[str, Run], dict[str, Any]] = {}
    if not path.exists():
        return found
    content = read_bytes(path)
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        path.write_bytes(whole)
    for number, line in enumerate(whole.splitlines()):
        try:
            row = msgspec.json.decode(line, type=dict[str, Any])
            stamp = str(row.pop("stamp"))
            found[stamp, Run(row["workload"], row["policy"], row["seed"])] = row
        except (msgspec.MsgspecError, KeyError):
            raise InputError("a row of a sweep", file=str(path), path=f"line {number + 1}", value=shown(line)) from None
    return found
