"""Place jobs one after another, each as early as what is left allows: the serial schedule generation scheme.

Kolisch, "Serial and parallel resource-constrained project scheduling methods revisited", EJOR 90 (1996), sec. 2: for
regular objectives some order of the jobs yields a best schedule. Times are true seconds, on no grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.schedule.objectives import SLACK
from optsched.schedule.problem import Plan, Question
from optsched.schedule.servers import spread

__all__ = ["Choice", "Profile", "placed", "replaced"]

Choice = Callable[[int, IntArray, FloatArray], int]
"""From a job, its rows that can start in time, and their ends to the index of the row to take; -1 to reject it."""


class Profile:
    """What is free of each resource over time; ``free[i]`` holds from ``time[i]`` to ``time[i + 1]``."""

    def __init__(self, question: Question) -> None:
        self.time = np.zeros(1)
        self.free = question.capacity[None].copy()
        self.tolerance = 1e-9 * np.maximum(1.0, question.capacity)
        for resource, amount, start, end in question.reserved:
            need = np.zeros(len(question.capacity))
            need[resource] = amount
            self.take(start, end, need)

    def copy(self) -> Profile:
        """Return a profile of its own."""
        other = copy(self)
        other.time, other.free = self.time.copy(), self.free.copy()
        return other

    def _cut(self, at: float) -> int:
        """Return the number of the piece that begins at a time, cutting one in two if need be."""
        k = int(np.searchsorted(self.time, at))
        if k == len(self.time) or self.time[k] != at:
            self.time = np.insert(self.time, k, at)
            self.free = np.insert(self.free, k, self.free[k - 1], axis=0)
        return k

    def take(self, start: float, end: float, need: FloatArray) -> None:
        """Use something up from start to end."""
        if end > start:
            a = self._cut(start)
            b = self._cut(end)
            self.free[a:b] -= need

    def earliest(self, need: FloatArray, duration: float, release: float) -> float:
        """Return the first start from ``release`` on at which the need is free throughout."""
        k = int(np.searchsorted(self.time, release, side="right")) - 1
        short = np.any(self.free[k:] < need - self.tolerance, axis=1)
        bad = np.flatnonzero(short)
        if len(bad) == 0:
            return release
        begins = np.concatenate([[release], self.time[k + bad + 1]])  # the last piece is always free
        ends = np.concatenate([self.time[k + bad], [np.inf]])
        return float(begins[np.argmax(ends - begins >= duration - SLACK / 10)])


class ServerProfile(Profile):
    """A profile that knows what is free on each server, too; ``room[i]`` from ``time[i]`` on."""

    def __init__(self, question: Question) -> None:
        assert question.servers is not None
        self.servers = question.servers
        self.question = question
        self.room = question.servers.room[None].copy()
        jobs = question.instance.jobs
        each = [(1.0, job.cpu_cores_per_gpu, job.memory_gb_per_gpu) for job in jobs]
        self.per_gpu = np.array(each, dtype=np.float64).reshape(-1, 3)
        super().__init__(question)

    def _cut(self, at: float) -> int:
        before = len(self.time)
        k = super()._cut(at)
        if len(self.time) > before:
            self.room = np.insert(self.room, k, self.room[k - 1], axis=0)
        return k

    def stand(self, job: int, start: float, end: float, places: Mapping[int, int]) -> None:
        """Use up what a job takes on its servers from start to end."""
        if end > start:
            a, b = self._cut(start), self._cut(end)
            for server, gpus in places.items():
                self.room[a:b, server] -= gpus * self.per_gpu[job]

    def earliest_on_servers(self, row: int) -> tuple[float, dict[int, int]]:
        """Return the first start of a row at which servers have room for it throughout, and its GPUs on each."""
        of, columns = self.question, self.question.columns
        job, duration = int(of.job[row]), float(of.duration[row])
        held = of.instance.jobs[job].holds
        fixed = None if held is None or row not in of.going_on else held.placement
        release = float(of.earliest[row])
        while True:
            start = self.earliest(of.need[row], duration, release)
            a = int(np.searchsorted(self.time, start, side="right")) - 1
            b = max(a + 1, int(np.searchsorted(self.time, start + duration - SLACK / 10)))
            free = self.room[a:b].min(axis=0)
            if fixed is not None:
                found = self._fixed(job, fixed, free)
            else:
                shape = int(columns.pool[row]), int(columns.gpus[row]), int(columns.nodes[row])
                found = spread(self.servers, free, *shape, self.per_gpu[job])
            if found is not None:
                return start, found
            later = self.time[self.time > start]
            if not len(later) or start > of.latest[row]:
                return np.inf, {}
            release = float(later[0])

    def _fixed(self, job: int, placement: Mapping[str, int], free: FloatArray) -> dict[int, int] | None:
        """Return a job's present servers if they have room for it."""
        number = {name: s for s, name in enumerate(self.servers.name)}
        number |= {f"{name}/0": s for name, s in list(number.items()) if "/" not in name}
        if any(name not in number for name in placement):
            return None
        places = {number[name]: gpus for name, gpus in placement.items()}
        fits = all((free[s] >= gpus * self.per_gpu[job] - 1e-9).all() for s, gpus in places.items())
        return places if fits else None


def placed(
    question: Question, order: Iterable[int], choice: Choice, rows: Mapping[int, IntArray] | None = None
) -> Plan:
    """Return the plan that places jobs in an order; jobs for which no row is left, or none is chosen, do not run.

    Parameters
    ----------
    rows
        For each job, the rows to choose from; None: all.
    """
    profile = Profile(question) if question.servers is None else ServerProfile(question)
    row = np.full(question.jobs, -1, dtype=np.int64)
    start = np.full(question.jobs, np.nan)
    places: dict[int, dict[int, int]] = {}
    for j in order:
        own = np.arange(question.first[j], question.first[j + 1]) if rows is None else rows[j]
        on: list[dict[int, int]] = []
        if isinstance(profile, ServerProfile):
            found = [profile.earliest_on_servers(r) for r in own.tolist()]
            begins, on = np.array([begin for begin, _ in found]), [where for _, where in found]
        else:
            begins = np.array(
                [
                    profile.earliest(question.need[r], float(question.duration[r]), float(question.earliest[r]))
                    for r in own
                ]
            )
        in_time = np.flatnonzero(begins <= question.latest[own]) if len(own) else own
        if len(in_time) == 0:
            continue
        able, starts = own[in_time], begins[in_time]
        chosen = choice(j, able, starts + question.duration[able])
        if chosen >= 0:
            row[j], start[j] = able[chosen], starts[chosen]
            end = start[j] + question.duration[row[j]]
            profile.take(start[j], end, question.need[row[j]])
            if isinstance(profile, ServerProfile):
                places[j] = on[in_time[chosen]]
                profile.stand(j, start[j], end, places[j])
    return question.plan(row, start, places)


def replaced(question: Question, row: IntArray, start: FloatArray) -> Plan:
    """Return the plan with the same rows in the order of their starts, each placed as early as it can be.

    Every feasible schedule becomes one whose jobs end no later; one that is off by the rounding of times is mended.
    Jobs that do not run come last, in any way that ends first.
    """
    order = np.argsort(np.where(row >= 0, start, np.inf), kind="stable").tolist()
    all_rows = np.arange(len(question))
    rows = [row[j : j + 1] if row[j] >= 0 else all_rows[question.first[j] : question.first[j + 1]] for j in order]
    by_job = dict(zip(order, rows, strict=True))
    return placed(question, order, lambda j, able, ends: int(np.argmin(ends)), by_job)
