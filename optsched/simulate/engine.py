"""The engine: from a workload and a policy to completion times, event by event.

Progress is worked out only when a job's allocation changes or a policy asks for it; the end of each job is known
from the moment it starts, so that thousands of jobs that nothing happens to cost nothing.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError
from optsched.simulate.allocations import as_rows
from optsched.simulate.outcome import Outcome, Segment
from optsched.simulate.places import Places
from optsched.simulate.state import State
from optsched.simulate.tables import Tables
from optsched.simulate.world import Options, Outage, outages, true_rates

__all__ = ["Policy", "run"]

Policy = Callable[[State], Any]
"""From what is known to who holds what: an array of rows like ``State.held``, or {job id: (GPU type, GPUs)}."""

_FINISH, _RELEASE, _BACK = range(3)

_PATIENCE = 100_000
"""Decisions without a job that finishes, after which none ever will."""

_MEMORY = 40
"""Rounds over which the mean of what was observed goes."""


def run(
    tables: Tables,
    policy: Policy,
    options: Options | None = None,
    *,
    seed: int = 0,
    name: str = "",
    tell: Callable[[float, int], None] | None = None,
) -> Outcome:
    """Simulate a policy on a workload.

    Parameters
    ----------
    name
        Of the policy, for errors and tables.
    tell
        Called now and then with the clock and the number of jobs that have finished.

    Raises
    ------
    InputError
        If the policy returns what no cluster can do, or nothing for ever while jobs wait.
    """
    return _Run(tables, policy, options or Options(), seed, name or getattr(policy, "__name__", "policy")).play(tell)


class _Run:
    """One simulation: arrays over all jobs, and a heap of what happens next."""

    def __init__(self, tables: Tables, policy: Policy, options: Options, seed: int, name: str) -> None:
        n = len(tables)
        if options.restart_s is not None:
            tables = replace(tables, restart=np.full(n, options.restart_s))
        self.tables, self.policy, self.options, self.name, self.seed = tables, policy, options, name, seed
        self.truth = true_rates(tables, options, seed)
        self.known = self.truth.copy() if options.learn == "truth" else tables.rate.copy()
        keys = int(tables.row_key.max(initial=-1)) + 1
        self.seen, self.ratio = np.zeros(keys, dtype=np.int64), np.zeros(keys)
        ends = np.cumsum(1.0 / self.truth, axis=1) / tables.stages
        self.clock = np.concatenate([np.zeros((len(ends), 1)), ends], axis=1)
        """Seconds per unit of work until the end of each stage."""
        self.restart = tables.restart
        self.row = np.full(n, -1, dtype=np.int64)
        self.done, self.attained, self.lost = np.zeros(n), np.zeros(n), np.zeros(n)
        self.since, self.base, self.finish = np.zeros(n), np.zeros(n), np.full(n, np.nan)
        self.first_start = np.full(n, np.nan)
        self.starts, self.version = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.active = np.zeros(0, dtype=np.int64)
        self.capacity = tables.capacity.copy()
        self.heap: list[tuple[float, int, int, Any]] = []
        self.places = Places(tables)
        self.segments: list[Segment] = []
        self.open: dict[int, int] = {}  # the segment that each running job is in
        self.memory: dict[str, Any] = {}
        self.latency: list[float] = []
        self.available, self.clock_at, self.contention = 0.0, 0.0, np.zeros(n)
        self.crowd = 0.0  # integral over time of the number of active jobs
        self.crowd_then = np.zeros(n)
        self.closing: dict[int, int] = {}  # jobs that are finished and keep their GPUs for a while: their rows

    def play(self, tell: Callable[[float, int], None] | None) -> Outcome:
        tables, options = self.tables, self.options
        arrivals = tables.arrival
        down = outages(tables, options, self.seed)
        outage = next(down, None)
        n, arrived, finished, now, idle, at_finish = len(tables), 0, 0, 0.0, 0, 0
        due: float | None = None  # of the next decision, where they come in rounds
        while finished < n:
            upcoming = [
                arrivals[arrived] if arrived < n else np.inf,
                self.heap[0][0] if self.heap else np.inf,
                outage.begin if outage is not None else np.inf,
                np.inf if due is None else due,
            ]
            now = float(min(upcoming))
            if not np.isfinite(now) or (options.horizon_s is not None and now > options.horizon_s):
                if options.horizon_s is None:
                    raise InputError(
                        "a policy that runs every job at some time", path=self.name, value="jobs left waiting"
                    )
                break
            self._pass(now)
            changed = False
            while self.heap and self.heap[0][0] <= now:
                _, kind, job, extra = heapq.heappop(self.heap)
                if kind == _FINISH and extra == self.version[job]:
                    self._finish(job, now)
                    finished += 1
                    at_finish = len(self.latency)
                    changed = True
                elif kind == _RELEASE:
                    self.places.leave(job)
                    del self.closing[job]
                    changed = True
                elif kind == _BACK:
                    self.places.back(*extra)
                    self.capacity = self.places.up()
                    changed = True
            begin = arrived
            while arrived < n and arrivals[arrived] <= now:
                arrived += 1
            if arrived > begin:
                self.active = np.concatenate([self.active, np.arange(begin, arrived)])
                self.crowd_then[begin:arrived] = self.crowd
                changed = True
            while outage is not None and outage.begin <= now:
                self._outage(outage, now)
                outage = next(down, None)
                changed = True
            if options.round_s > 0:
                if due is not None and due <= now:
                    if len(self.active):
                        self._decide(now)
                    due = now + options.round_s if len(self.active) else None
                elif due is None and len(self.active):
                    due = np.ceil(now / options.round_s - 1e-9) * options.round_s
                    if due <= now:
                        self._decide(now)
                        due = now + options.round_s
            elif changed and len(self.active):
                self._decide(now)
            stuck = len(self.active) > 0 and (self.row[self.active] < 0).all() and not self.closing
            idle = idle + 1 if stuck and arrived == n else 0
            if idle > 10000:
                raise InputError("a policy that runs every job at some time", path=self.name, value="jobs left waiting")
            if len(self.latency) - at_finish > _PATIENCE:
                raise InputError(
                    "a policy that finishes some job: restarts may take all the time between decisions",
                    path=self.name,
                    value=f"{_PATIENCE} decisions without any",
                )
            if tell is not None and len(self.latency) % 64 == 0:
                tell(now, finished)
        return self._outcome(now)

    def _pass(self, now: float) -> None:
        """Let time pass: count what is available, and how many jobs share it."""
        step = now - self.clock_at
        if len(self.active):
            self.available += step * float(self.capacity.sum())
            self.crowd += step * len(self.active)
        self.clock_at = now

    def _progress(self, jobs: IntArray, now: float) -> FloatArray:
        """Return the part of the work that is done of jobs that hold something, shape as ``jobs``."""
        row, work = self.row[jobs], self.tables.work[jobs]
        spent = np.maximum(0.0, now - self.since[jobs]) / work
        clock, stages = self.clock[row], self.tables.stages
        if stages == 1:
            return np.asarray(np.minimum(1.0, self.base[jobs] + spent * self.truth[row, 0]))
        at = self._clock_of(row, self.base[jobs]) + spent
        stage = np.clip((clock <= at[:, None]).sum(axis=1) - 1, 0, stages - 1)
        begun = clock[np.arange(len(row)), stage]
        return np.asarray(np.minimum(1.0, stage / stages + (at - begun) * self.truth[row, stage]))

    def _clock_of(self, row: IntArray, done: FloatArray) -> FloatArray:
        """Return the seconds per unit of work that a row needs from the start to the part ``done``."""
        stages = self.tables.stages
        stage = np.clip((done * stages).astype(np.int64), 0, stages - 1)
        return np.asarray(self.clock[row, stage] + (done - stage / stages) / self.truth[row, stage])

    def _state(self, now: float) -> State:
        jobs, options = self.active, self.options
        held = self.row[jobs]
        runs = np.flatnonzero(held >= 0)
        done = self.done[jobs]
        done[runs] = self._progress(jobs[runs], now)
        attained = self.attained[jobs]
        attained[runs] += self.tables.row_gpus[held[runs]] * (now - self._started(jobs[runs]))
        if options.learn == "application" and self.known is not self.truth:
            self._observe(jobs[runs], done[runs], now)
        capacity = self.capacity
        for row in self.closing.values():
            capacity = capacity.copy()
            capacity[self.tables.row_type[row]] -= self.tables.row_gpus[row]
        return State(
            self.tables, now, options.round_s, capacity, jobs, held, done, attained, self.starts[jobs],
            self._started(jobs), self.known, self.memory, self.seen,
        )  # fmt: skip

    def _started(self, jobs: IntArray) -> FloatArray:
        """Return when jobs got what they hold: the restart comes before the work."""
        return np.asarray(self.since[jobs] - self.restart[jobs])

    def _observe(self, jobs: IntArray, done: FloatArray, now: float) -> None:
        """Correct what is known of the rows that ran, and of all rows of the same key, by the mean of what was seen."""
        if self.truth is self.tables.rate:
            return
        stages = self.tables.stages
        useful = now > self.since[jobs]
        row = self.row[jobs[useful]]
        stage = np.minimum((done[useful] * stages).astype(np.int64), stages - 1)
        seen = np.log(self.truth[row, stage] / self.tables.rate[row, stage])
        for key, ratio in zip(self.tables.row_key[row].tolist(), seen.tolist(), strict=True):
            self.seen[key] += 1
            self.ratio[key] += (ratio - self.ratio[key]) / min(int(self.seen[key]), _MEMORY)
        changed = np.isin(self.tables.row_key, self.tables.row_key[row])
        self.known[changed] = self.tables.rate[changed] * np.exp(self.ratio[self.tables.row_key[changed]])[:, None]

    def _decide(self, now: float) -> None:
        state = self._state(now)
        began = time.perf_counter()
        answer = self.policy(state)
        self.latency.append(time.perf_counter() - began)
        chosen = as_rows(answer, state, self.name)
        changed = np.flatnonzero(chosen != state.held)
        jobs = self.active[changed]
        for job, at in zip(jobs.tolist(), changed.tolist(), strict=True):
            if state.held[at] >= 0:
                self._stop(job, float(state.done[at]), now, planned=True)
        for job, row in zip(jobs.tolist(), chosen[changed].tolist(), strict=True):
            if row >= 0:
                self._start(job, row, now)

    def _start(self, job: int, row: int, now: float) -> None:
        tables = self.tables
        numbers = self.places.take(job, int(tables.row_type[row]), int(tables.row_gpus[row]))
        self.row[job] = row
        self.since[job], self.base[job] = now + self.restart[job], self.done[job]
        self.starts[job] += 1
        self.version[job] += 1
        if np.isnan(self.first_start[job]):
            self.first_start[job] = now
        rest = self.clock[row, -1] - self._clock_of(np.array([row]), self.done[job : job + 1])[0]
        end = self.since[job] + max(0.0, float(rest)) * tables.work[job]
        heapq.heappush(self.heap, (float(end), _FINISH, job, int(self.version[job])))
        self.segments.append(Segment(job, row, now, np.nan, int(numbers[0]), len(numbers)))
        self.open[job] = len(self.segments) - 1

    def _stop(self, job: int, done: float, now: float, *, planned: bool) -> None:
        """Take a job's GPUs away; what it does not save is lost."""
        self._end_segment(job, now)
        saved = self.tables.checkpoint[job]
        if np.isnan(saved):
            kept = 0.0
        elif planned or saved == 0:
            kept = done
        else:
            whole = self.since[job] + np.floor(max(0.0, now - self.since[job]) / saved) * saved
            kept = float(self._progress(np.array([job]), whole)[0])
        spent = self.tables.row_gpus[self.row[job]]
        pace = self.truth[self.row[job]].mean() / self.tables.work[job]
        self.lost[job] += spent * (done - kept) / pace
        self.done[job] = kept
        self.row[job] = -1
        self.version[job] += 1
        self.places.leave(job)

    def _end_segment(self, job: int, now: float) -> None:
        number = self.open.pop(job)
        segment = self.segments[number]
        gpus = int(self.tables.row_gpus[segment.row])
        self.segments[number] = Segment(job, segment.row, segment.begin, now, segment.first, segment.gpus)
        self.attained[job] += gpus * (now - segment.begin)
        self.lost[job] += gpus * min(now - segment.begin, float(self.restart[job]))

    def _finish(self, job: int, now: float) -> None:
        self._end_segment(job, now)
        self.finish[job], self.done[job] = now, 1.0
        span = now - self.tables.arrival[job]
        self.contention[job] = (self.crowd - self.crowd_then[job]) / span if span > 0 else len(self.active)
        self.active = self.active[self.active != job]
        if self.options.overhead_s > 0:
            self.closing[job] = int(self.row[job])
            heapq.heappush(self.heap, (now + self.options.overhead_s, _RELEASE, job, None))
        else:
            self.places.leave(job)
        self.row[job] = -1

    def _outage(self, outage: Outage, now: float) -> None:
        hit = self.places.down(outage.gpu_type, outage.first, outage.gpus)
        for job in hit:
            if self.row[job] >= 0:
                done = float(self._progress(np.array([job]), now)[0])
                self._stop(job, done, now, planned=outage.announced)
        self.capacity = self.places.up()
        heapq.heappush(self.heap, (outage.end, _BACK, -1, (outage.gpu_type, outage.first, outage.gpus)))

    def _outcome(self, now: float) -> Outcome:
        for job in list(self.open):
            self._end_segment(job, now)
        return Outcome(
            tables=self.tables, policy=self.name, seed=self.seed, truth=self.truth, finish=self.finish,
            first_start=self.first_start, starts=self.starts, attained=self.attained, lost=self.lost,
            contention=self.contention, available=self.available, latency=np.array(self.latency),
            segments=tuple(self.segments), restart=self.restart,
        )  # fmt: skip
