"""Brute force: every schedule of a small instance on whole seconds, by plain recursion over the instance alone.

Nothing of the tables, grids or models is used. Jobs list their configurations, whose durations are whole seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from optsched.instance import Instance, Job
from optsched.schedule import Horizon

Way = tuple[int, int, dict[str, float]]
"""Start, end, and what it takes of each resource."""


def ways(instance: Instance, horizon: Horizon, job: Job, length: int) -> Iterator[Way]:
    """Yield every start and configuration of a job within its limits."""
    assert job.remaining_examples is not None
    hard = job.deadline_s is not None and (job.required or horizon.objective == "on-time")
    for c in job.configurations:
        seconds = job.remaining_examples / (c.throughput * c.efficiency)
        h = job.holds
        held = h is not None and (h.gpu_type, h.gpus, h.nodes or c.nodes) == (c.gpu_type, c.gpus, c.nodes)
        takes: dict[str, float] = {f"{c.gpu_type}@main": c.gpus}
        for shared in horizon.resources:
            takes[shared.name] = sum(d.fixed + d.per_gpu * c.gpus for d in shared.demands if d.job in (None, job.id))
        for start in range(max(0, int(job.arrival_s)), length):
            restart = job.restart_s if h is not None and not (held and start == 0) else 0
            end = round(start + seconds + restart)
            if end > length or (hard and end > (job.deadline_s or 0)):
                continue
            yield start, end, takes


def cost(horizon: Horizon, jobs: tuple[Job, ...], ends: dict[str, int]) -> float:
    """Return the objective, negated where more is better."""
    late = {j.id: max(0.0, ends[j.id] - j.deadline_s) for j in jobs if j.id in ends and j.deadline_s is not None}
    of = {j.id: j for j in jobs}
    sums: dict[str, Callable[[], float]] = {
        "makespan": lambda: max(ends.values(), default=0),
        "average-completion": lambda: sum(e - of[n].arrival_s for n, e in ends.items()) / max(1, len(jobs)),
        "weighted-completion": lambda: sum(of[n].weight * (e - of[n].arrival_s) for n, e in ends.items()),
        "weighted-tardiness": lambda: sum(of[n].weight * t for n, t in late.items()),
        "late-jobs": lambda: sum(of[n].weight for n, t in late.items() if t > 0),
        "on-time": lambda: -sum(of[n].weight for n in ends),
    }
    return float(sums[horizon.objective]())


def best(instance: Instance, horizon: Horizon, capacity: dict[str, float], length: int) -> float | None:
    """Return the best objective (negated for on-time) over all schedules within so many seconds; None for none."""
    free: dict[str, list[float]] = {name: [there] * length for name, there in capacity.items()}
    for r in horizon.reservations:
        for t in range(int(r.start_s), min(length, int(r.end_s))):
            free[r.resource][t] -= r.amount
    jobs = instance.jobs
    listed = [list(ways(instance, horizon, job, length)) for job in jobs]
    found: list[float] = []

    def place(j: int, ends: dict[str, int]) -> None:
        now = cost(horizon, jobs, ends)
        sure = horizon.objective != "on-time"
        if sure and found and now >= found[-1]:
            return
        if j == len(jobs):
            if not found or now < found[-1]:
                found.append(now)
            return
        if horizon.objective == "on-time" and not jobs[j].required:
            place(j + 1, ends)
        for start, end, takes in listed[j]:
            if all(free[n][t] >= a for n, a in takes.items() for t in range(start, end)):
                _take(free, start, end, takes, -1)
                place(j + 1, {**ends, jobs[j].id: end})
                _take(free, start, end, takes, 1)

    place(0, {})
    return found[-1] if found else None


def _take(free: dict[str, list[float]], start: int, end: int, takes: dict[str, Any], sign: int) -> None:
    for name, amount in takes.items():
        for t in range(start, end):
            free[name][t] += sign * amount
