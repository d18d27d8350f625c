"""optsched's own policies: :class:`optsched.Scheduler` as it is embedded, one step a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optsched._util.arrays import IntArray
from optsched.simulate.policies.offers import within_reach
from optsched.simulate.state import State

__all__ = ["embedded", "flow_time", "progress"]


_MOST_WAITING = 300
"""Jobs that wait beyond which only the smallest (GPU seconds left) are considered in a decision."""


class _Embedded:
    """A scheduler with an objective, which begins with the first decision."""

    def __init__(self, objective: str) -> None:
        self.objective = objective
        self.scheduler: Any = None
        self.capacity: list[int] = []
        self.held: set[str] = set()

    def __call__(self, state: State) -> IntArray:
        tables = state.tables
        capacity = state.capacity.tolist()
        cluster = self._cluster(state) if capacity != self.capacity else None
        self.capacity = capacity
        if not any(capacity):
            return np.full(len(state), -1, dtype=np.int64)
        if self.scheduler is None:
            from optsched.scheduler import Scheduler

            self.scheduler = Scheduler(cluster, self.objective, round_s=max(1.0, state.round_s), gap=2e-3)
        jobs, row_of = self._jobs(state)
        holds = {job["id"] for job in jobs if "holds" in job}
        lost = [job["id"] for job in jobs if job["id"] in self.held and job["id"] not in holds]
        plan = self.scheduler.step(now=state.now, jobs=jobs, cluster=cluster, lost=lost)
        chosen = np.full(len(state), -1, dtype=np.int64)
        position = {tables.jobs[int(state.job[k])].id: k for k in self._considered(state).tolist()}
        for a in plan.allocations:
            k = position[a.job]
            chosen[k] = row_of[k, a.gpu_type, a.gpus]
        self.held = {a.job for a in plan.allocations}
        return chosen

    def _cluster(self, state: State) -> dict[str, Any]:
        """Return the GPUs that are up, as servers of one GPU where some are down."""
        tables = state.tables
        servers = []
        for t, (name, up) in enumerate(zip(tables.types, state.capacity.tolist(), strict=True)):
            size = int(tables.per_server[t])
            if up >= size:
                servers.append({"id": f"{name}-servers", "count": up // size, "gpu_type": name, "gpus": size})
            if up % size:
                servers.append({"id": f"{name}-rest", "count": 1, "gpu_type": name, "gpus": up % size})
        return {"gpu_types": [{"id": name} for name in tables.types], "servers": servers}

    def _jobs(self, state: State) -> tuple[list[dict[str, Any]], dict[tuple[int, str, int], int]]:
        """Return the jobs with the configurations that are offered to them, and the row of each."""
        tables = state.tables
        offered = within_reach(state, shared=True) | state.row_held
        elastic = np.bincount(state.row_job, weights=~tables.row_asked[state.rows], minlength=len(state)) > 0
        offered &= ~(tables.row_asked[state.rows] & elastic[state.row_job]) | state.row_held
        effective = state.remaining[state.row_job] / state.row_time
        jobs: dict[int, dict[str, Any]] = {}
        row_of: dict[tuple[int, str, int], int] = {}
        for k in self._considered(state).tolist():
            j = int(state.job[k])
            job = tables.jobs[j]
            jobs[k] = {
                "id": job.id,
                "arrival_s": float(tables.arrival[j]),
                "restart_s": float(tables.restart[j]),
                "restarts": max(0, int(state.restarts[k]) - 1),
                "remaining_examples": max(1e-9, float(state.remaining[k])),
                "attained_gpu_s": float(state.attained[k]),
                "configurations": [],
            }
            if np.isfinite(tables.deadline[j]) and tables.deadline[j] > state.now:
                jobs[k]["deadline_s"] = float(tables.deadline[j])
        columns = (state.row_job, state.row_type, state.row_gpus, effective, state.rows)
        for k, t, gpus, rate, row in zip(*(column[offered].tolist() for column in columns), strict=True):
            name = tables.types[t]
            if (k, name, gpus) in row_of or k not in jobs:
                continue
            row_of[k, name, gpus] = row
            jobs[k]["configurations"].append({"gpu_type": name, "gpus": gpus, "throughput": rate})
        for k in state.running.tolist():
            row = int(state.held[k])
            jobs[k]["holds"] = {"gpu_type": tables.types[tables.row_type[row]], "gpus": int(tables.row_gpus[row])}
        return list(jobs.values()), row_of

    def _considered(self, state: State) -> IntArray:
        """Return the jobs that the scheduler is told of: those that run, and of very many others the smallest."""
        if len(state.waiting) <= _MOST_WAITING:
            return np.arange(len(state))
        sizes = np.full(len(state), np.inf)
        np.minimum.at(sizes, state.row_job, state.row_gpus * state.row_time)
        some = state.waiting[np.argsort(sizes[state.waiting], kind="stable")[:_MOST_WAITING]]
        return np.sort(np.concatenate([state.running, some]))


def embedded(objective: str) -> Callable[[State], IntArray]:
    """Return the policy of an objective of optsched, for one simulation."""
    return _Embedded(objective)


def flow_time(state: State) -> IntArray:
    """optsched's own for the average completion time: the objective flow-time in ``optsched.Scheduler``.

    heSRPT's weights by remaining work (Berg et al., Performance Evaluation 2020), normalized goodput, damped restarts.
    Profiles are shared by application: offers go up to twice what the application has run.
    """
    raise NotImplementedError("made anew for each simulation")


def progress(state: State) -> IntArray:
    """optsched's objective progress in ``optsched.Scheduler``: the sum of normalized goodputs less restarts."""
    raise NotImplementedError("made anew for each simulation")


flow_time.fresh = lambda: _Embedded("flow-time")  # type: ignore[attr-defined]
progress.fresh = lambda: _Embedded("progress")  # type: ignore[attr-defined]
