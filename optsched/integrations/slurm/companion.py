"""Rounds: read Slurm, plan, tell Slurm, and read again what came of it.

Nothing that matters is kept here: each round starts from what Slurm says. A kill between two commands leaves jobs held,
or placed and not yet released, and the next round goes on with them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from optsched.errors import InputError
from optsched.integrations.slurm.client import SlurmError
from optsched.integrations.slurm.commands import Changes, Target, changes_of
from optsched.integrations.slurm.records import Node, SlurmJob
from optsched.integrations.slurm.view import View, view_of
from optsched.prediction.curves import Curve
from optsched.scheduler import Plan, Scheduler

__all__ = ["Companion", "Round", "System"]

ATTEMPTS = 3
"""How often an update is told before it counts as refused."""


class System(Protocol):
    """What a companion needs of Slurm."""

    def queue(self) -> list[SlurmJob]:
        """Return all jobs."""

    def nodes(self) -> list[Node]:
        """Return all nodes."""

    def tell(self, commands: list[str]) -> list[str]:
        """Carry out commands, and return complaints."""


@dataclass(frozen=True)
class Round:
    """What became of a round.

    plan
        None where there was nothing to plan on.
    changes
        What was to be done.
    released
        Jobs that ask for what they shall get, and may start.
    refused
        Jobs for which Slurm did not do it, with the reason; they are planned again.
    notes
        What was left out, and why.
    """

    plan: Plan | None
    changes: Changes
    released: tuple[int, ...] = ()
    refused: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Companion:
    """Plans the jobs of a Slurm whose comments say ``optsched``.

    Parameters
    ----------
    system
        Slurm: a :class:`optsched.integrations.slurm.client.Client`.
    curves
        Curves by name; a job follows those that its comment names.
    partition
        Whose jobs are planned; None: those of the only partition with GPUs.
    state
        File that keeps what was learnt; None: it is forgotten at the end.
    patience_s
        Seconds after which a released job that does not start is planned anew.
    settle_s
        Seconds in which jobs must have given up their GPUs for others to be placed in the same round.
    settings
        Arguments of :class:`optsched.Scheduler`.
    """

    def __init__(
        self,
        system: System,
        curves: Mapping[str, Curve] | None = None,
        partition: str | None = None,
        state: Path | None = None,
        patience_s: float = 120.0,
        settle_s: float = 20.0,
        **settings: Any,
    ) -> None:
        self._system, self._curves, self._partition, self._state = system, dict(curves or {}), partition, state
        self._patience_s, self._settle_s = patience_s, settle_s
        self._settings: dict[str, Any] = {"decides": "placement"} | settings
        self._scheduler: Scheduler | None = None
        self._waiting: dict[int, float] = {}
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._now = 0.0

    def round(self, *, dry_run: bool = False) -> Round:
        """Plan once, and carry the plan out.

        Raises
        ------
        SlurmError
            Where Slurm does not answer. Nothing is lost by it: the next round reads everything anew.
        """
        queue, nodes = self._system.queue(), self._system.nodes()
        late = self._late(queue)
        view = view_of(queue, nodes, self._curves.keys(), self._partition, late)
        notes = [*view.notes, *(f"job {number} is planned anew: {why}" for number, why in late.items())]
        plan, view = self._planned(view, notes)
        changes = Changes({}, ()) if plan is None else changes_of(plan, view)
        notes += [*changes.notes, *(() if plan is None else plan.warnings)]
        if dry_run:
            return Round(plan, changes, notes=tuple(notes))
        released, refused = self._carried_out(changes)
        return Round(plan, changes, released, refused, tuple(notes))

    def _late(self, queue: list[SlurmJob]) -> dict[int, str]:
        """Return released jobs that have waited for too long, with what Slurm says of them."""
        now = time.monotonic()
        waits = {job.id: job for job in queue if job.state == "PENDING" and not job.held and job.required}
        self._waiting = {number: self._waiting.get(number, now) for number in waits}
        late = [number for number, since in self._waiting.items() if now - since > self._patience_s]
        for number in late:
            del self._waiting[number]
        return {number: waits[number].reason for number in late}

    def _planned(self, view: View, notes: list[str]) -> tuple[Plan | None, View]:
        """Return the plan, and the view without the jobs that cannot be planned."""
        if view.cluster is None:
            notes.append("no node with GPUs takes jobs")
            return None, view
        if self._scheduler is None:
            if self._state is not None and self._state.exists():
                self._scheduler = Scheduler.load(self._state)
            else:
                self._scheduler = Scheduler(view.cluster, curves=self._curves, **self._settings)
        self._observe(view, notes)
        self._now = max(self._now, self._scheduler.now_s, time.time())
        jobs = list(view.jobs)
        while True:
            told = [{name: getattr(job, name) for name in job.__struct_fields__} for job in jobs]
            try:
                plan = self._scheduler.step(now=self._now, jobs=told, cluster=view.cluster)
                break
            except InputError as error:
                found = re.match(r"\$\.jobs\[(\d+)\]", error.path)
                if found is None:
                    raise
                notes.append(f"job {jobs.pop(int(found[1])).id} is left alone: {error}")
        if self._state is not None:
            self._scheduler.save(self._state)
        return plan, view

    def _observe(self, view: View, notes: list[str]) -> None:
        """Learn from the rates that jobs wrote into their comments, each once."""
        assert self._scheduler is not None
        for job in view.jobs:
            said = view.told[job.id]
            seen = (said.get("rate"), said.get("batch"), said.get("gradient_noise"), job.holds)
            if job.holds is None or seen[:3] == (None, None, None) or self._seen.get(job.id) == seen:
                continue
            if not view.slurm[job.id].on:
                continue
            rate, batch = seen[:2]
            try:
                if rate is not None and batch is not None and rate > 0:
                    self._scheduler.observe(job.id, job.application, job.holds, batch / rate, batch, seen[2])
                elif rate is not None:
                    notes.append(f"the rate of job {job.id} is not learnt: it needs batch=, too")
                self._seen[job.id] = seen
            except InputError as error:
                notes.append(f"what job {job.id} observed is not learnt: {error}")
        self._seen = {name: seen for name, seen in self._seen.items() if name in view.slurm}

    def _carried_out(self, changes: Changes) -> tuple[tuple[int, ...], dict[int, str]]:
        """Tell Slurm, and return the jobs that were released, and those for which it was not done."""
        complaints = self._system.tell(list(changes.free.values()))
        jobs = self._settled({target.job for target in changes.targets} | changes.free.keys())
        refused = {}
        targets = []
        for target in changes.targets:
            job = jobs.get(target.job)
            if job is None:
                refused[target.job] = "it is gone"
            elif job.state != "PENDING" or not job.held:
                refused[target.job] = f"it is {job.state.lower()}, and not held"
            else:
                targets.append(target)
        waiting = targets
        for _ in range(ATTEMPTS):
            if not waiting:
                break
            complaints += self._system.tell([target.command for target in waiting])
            jobs = self._by_number()
            waiting = [target for target in waiting if not _asked(target, jobs)]
        for target in waiting:
            refused[target.job] = _complaint(target.job, complaints) or "the update was refused"
        ready = [target for target in targets if target.job not in refused]
        complaints += self._system.tell([f"release {target.job}" for target in ready])
        jobs = self._by_number() if ready else jobs
        for target in ready:
            job = jobs.get(target.job)
            if job is None or job.held:
                refused[target.job] = "it is gone" if job is None else f"it is held: {job.reason}"
        return tuple(target.job for target in ready if target.job not in refused), refused

    def _by_number(self) -> dict[int, SlurmJob]:
        return {job.id: job for job in self._system.queue()}

    def _settled(self, numbers: set[int]) -> dict[int, SlurmJob]:
        """Return all jobs as soon as those with these numbers have nothing any more, or when there is no more time."""
        deadline = time.monotonic() + self._settle_s
        while True:
            jobs = self._by_number()
            if time.monotonic() > deadline or all(_free(jobs.get(number)) for number in numbers):
                return jobs
            time.sleep(0.3)


def _free(job: SlurmJob | None) -> bool:
    return job is None or (job.state == "PENDING" and job.held)


def _asked(target: Target, jobs: Mapping[int, SlurmJob]) -> bool:
    job = jobs.get(target.job)
    return job is not None and target.is_asked_by(job)


def _complaint(number: int, complaints: list[str]) -> str:
    """Return what Slurm said last of a job; empty where it did not name it."""
    named = [line for line in complaints if re.search(rf"\b{number}\b", line)]
    return named[-1] if named else (complaints[-1] if complaints else "")


Say = Callable[[str], None]


def run(
    companion: Companion, every_s: float | None, say: Say, *, dry_run: bool = False, rounds: int | None = None
) -> None:
    """Run rounds: one, or one per interval until an interrupt. A Slurm that is away is waited for.

    Raises
    ------
    SlurmError
        Where Slurm does not answer, if there is one round only.
    """
    done = 0
    while True:
        began = time.monotonic()
        try:
            told(companion.round(dry_run=dry_run), say, dry_run=dry_run)
        except (SlurmError, InputError) as error:
            if every_s is None:
                raise
            say(f"no round: {error}")
        done += 1
        if every_s is None or done == rounds:
            return
        time.sleep(max(0.0, began + every_s - time.monotonic()))


def told(done: Round, say: Say, *, dry_run: bool) -> None:
    """Say what a round did."""
    for note in done.notes:
        say(f"note: {note}")
    if done.plan is None:
        return
    for kind in ("start", "stop", "move", "resize", "wait"):
        for action in getattr(done.plan, kind):
            a = action.allocation
            where = "" if a is None else f" on {', '.join(sorted(a.placement or {}))} with {a.gpus} {a.gpu_type}"
            say(f"{kind} {action.job}{where}: {action.reason}")
    if dry_run:
        for command in done.changes.commands:
            say(f"scontrol {command}")
        return
    for number, reason in done.refused.items():
        say(f"not done for job {number}: {reason}")
    done_what = f"{len(done.plan.keep)} kept, {len(done.changes.free)} freed, {len(done.released)} released"
    say(f"plan {done.plan.version} ({done.plan.status}): {done_what}")
