"""The independent checker of schedules: whether one keeps every rule and claims only true numbers.

It knows the instance, the horizon and the true curves, and nothing of tables, grids or models. What a configuration
must keep by itself is checked as any plan is, by :func:`optsched.checker.check`; durations, deadlines, what is held at
any time, and the objective are recomputed here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from optsched.checker import TOLERANCE, Report, Violation, check_plan
from optsched.checker.recompute import Truth, close, keeps
from optsched.instance import Instance, Job, admit, admit_all
from optsched.instance.server_names import server_of
from optsched.instance.solution import Allocation
from optsched.schedule.horizon import Horizon, capacities, hard, validated
from optsched.schedule.objectives import SLACK, Goal, goal
from optsched.schedule.records import Run

__all__ = ["check"]

_LATE = 2 * SLACK
"""Seconds by which times may miss each other: twice what the makers of schedules allow themselves."""


def check(
    instance: Instance | Path | str, horizon: Horizon, runs: Sequence[Run], claimed: float | None = None
) -> Report:
    """Check a schedule; ``value`` of the report is the objective, recomputed.

    Parameters
    ----------
    claimed
        The objective that the schedule claims; None: it claims none.

    Raises
    ------
    InputError
        For a horizon that does not fit the instance.
    """
    instance = admit(instance)
    runs = admit_all(runs, Run, "$.runs")
    validated(instance, horizon)
    aim = goal(horizon.objective)
    jobs = {job.id: job for job in instance.jobs}
    held, violations = _one_each(jobs, runs)
    for run in held.values():
        violations += _own_rules(instance, horizon, aim, jobs[run.job], run)
    violations += _missing(instance, horizon, aim, held)
    violations += _capacity_rules(instance, horizon, jobs, held.values())
    value = _value(instance, aim, held)
    if claimed is not None and not close(claimed, value) and abs(claimed - value) > SLACK:
        how = f"{claimed:.9g} is claimed, and {value:.9g} is true"
        violations.append(Violation("claimed-objective", aim.name, how))
    return Report(tuple(violations), value)


def _one_each(jobs: Mapping[str, Job], runs: Sequence[Run]) -> tuple[dict[str, Run], list[Violation]]:
    """Return the first run of each known job, and those that are too many."""
    held: dict[str, Run] = {}
    violations = []
    for run in runs:
        if run.job not in jobs:
            violations.append(Violation("unknown-job", run.job, "is not in the instance"))
        elif run.job in held:
            violations.append(Violation("one-run", run.job, "runs more than once, and is never interrupted"))
        else:
            held[run.job] = run
    return held, violations


def _allocation(run: Run) -> Allocation:
    return Allocation(
        job=run.job,
        site=run.site,
        gpu_type=run.gpu_type,
        gpus=run.gpus,
        nodes=run.nodes,
        servers=run.servers,
        local_batch=run.local_batch,
        accumulation=run.accumulation,
        placement=run.placement,
        throughput=run.throughput,
        progress=0.0,
    )


def _own_rules(instance: Instance, horizon: Horizon, aim: Goal, job: Job, run: Run) -> Iterator[Violation]:
    """Check what a run must keep whatever the others do."""
    a = _allocation(run)
    now = instance.now_s
    alone = msgspec.structs.replace(job, arrival_s=0.0, deadline_s=None)
    decides = "counts" if instance.decides == "counts" else "placement"  # network rates are not decided over time
    only = msgspec.structs.replace(instance, jobs=(alone,), decides=decides)
    yield from (v for v in check_plan(only, [a]).violations if v.rule != "claimed-progress")
    if run.start_s < max(now, job.arrival_s) - _LATE:
        what = f"now ({now:g} s)" if job.arrival_s <= now else f"its arrival at {job.arrival_s:g} s"
        yield Violation("arrival", job.id, f"starts at {run.start_s:g} s, before {what}")
    seconds = _duration(only, alone, run)
    if not math.isnan(seconds) and abs(run.end_s - run.start_s - seconds) > _LATE + TOLERANCE * seconds:
        how = f"from {run.start_s:g} s to {run.end_s:g} s, and it takes {seconds:g} s"
        yield Violation("duration", job.id, how)
    if job.deadline_s is not None and hard(job, aim.rejects) and run.end_s > job.deadline_s + _LATE:
        yield Violation("deadline", job.id, f"ends at {run.end_s:g} s, after {job.deadline_s:g} s")
    if horizon.horizon_s is not None and run.end_s > now + horizon.horizon_s + _LATE:
        yield Violation("horizon", job.id, f"ends at {run.end_s:g} s, after {now + horizon.horizon_s:g} s")


def _duration(only: Instance, job: Job, run: Run) -> float:
    """Return how long a run truly takes; nan for a configuration that does not exist."""
    truth, a = Truth(only), _allocation(run)
    rate = float(truth.throughputs([a])[0]) * truth.efficiency(job, a)
    goes_on = keeps(job, a) and abs(run.start_s - only.now_s) <= _LATE
    restart = 0.0 if job.holds is None or goes_on else job.restart_s
    return (job.remaining_examples or 0.0) / rate + restart


def _missing(instance: Instance, horizon: Horizon, aim: Goal, held: Mapping[str, Run]) -> Iterator[Violation]:
    """Check that every job runs that has to; one that no configuration lets run may wait, unless it is required."""
    missing = [job for job in instance.jobs if job.id not in held and (job.required or not aim.rejects)]
    optional = [job for job in missing if not job.required]
    never: set[int] = set()
    if optional:
        from optsched.schedule.problem import build_problem

        problem = build_problem(instance, horizon)
        never = {j for j in problem.reasons if not problem.must[j]}
    number = {job.id: j for j, job in enumerate(instance.jobs)}
    for job in missing:
        if job.required or number[job.id] not in never:
            yield Violation("required", job.id, "must run and does not")


def _capacity_rules(
    instance: Instance, horizon: Horizon, jobs: Mapping[str, Job], held: Collection[Run]
) -> Iterator[Violation]:
    """Check each resource at each time, by a sweep over starts and ends."""
    events: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for run in held:
        if run.end_s - run.start_s <= _LATE:
            continue
        for name, amount in _takes(horizon, jobs[run.job], run):
            if amount > 0:
                events[name] += [(run.start_s + _LATE / 2, amount), (run.end_s - _LATE / 2, -amount)]
    for one in horizon.reservations:
        events[one.resource] += [(one.start_s, one.amount), (one.end_s, -one.amount)]
    groups = {group.id: group for group in instance.cluster.servers}
    for run in held:
        for name, gpus in (run.placement or {}).items():
            if instance.decides == "counts" or (server := server_of(name, groups)) is None:
                continue
            for field, per_gpu in _PER_GPU:
                amount = gpus * (1.0 if per_gpu is None else getattr(jobs[run.job], per_gpu))
                if amount > 0 and run.end_s - run.start_s > _LATE:
                    named = f"{field} of server {server[0]}/{server[1]}"
                    events[named] += [(run.start_s + _LATE / 2, amount), (run.end_s - _LATE / 2, -amount)]
    for name, there in (capacities(instance, horizon) | _on_servers(instance)).items():
        used = 0.0
        # what ends goes first where something starts at the same time
        for at, change in sorted(events[name]):
            used += change
            if change > 0 and at >= instance.now_s and used > there + TOLERANCE * max(1.0, there):
                yield Violation("capacity", name, f"{used:g} are held at {at:g} s, and there are {there:g}")
                break


_PER_GPU = (("gpus", None), ("cpu_cores", "cpu_cores_per_gpu"), ("memory_gb", "memory_gb_per_gpu"))


def _on_servers(instance: Instance) -> dict[str, float]:
    """Return what each server has, where that is limited."""
    return {
        f"{field} of server {group.id}/{k}": float(has)
        for group in instance.cluster.servers
        for field, _ in _PER_GPU
        if (has := getattr(group, field)) is not None
        for k in range(group.count)
    }


def _takes(horizon: Horizon, job: Job, run: Run) -> Iterator[tuple[str, float]]:
    """Yield what a run takes of each resource."""
    ps = job.parameter_servers
    yield f"{run.gpu_type}@{run.site}", float(run.gpus)
    for name, per_gpu, per_server in (
        ("cpu_cores", job.cpu_cores_per_gpu, ps.cpu_cores if ps else 0.0),
        ("memory_gb", job.memory_gb_per_gpu, ps.memory_gb if ps else 0.0),
    ):
        yield f"{name}@{run.site}", per_gpu * run.gpus + per_server * run.servers
    for shared in horizon.resources:
        yield shared.name, shared.amount(run.job, run.site, run.gpu_type, run.gpus, run.nodes)


def _value(instance: Instance, aim: Goal, held: Mapping[str, Run]) -> float:
    """Return the objective of the runs that are there, written out once more."""
    now = instance.now_s
    total = 0.0
    for job in instance.jobs:
        if job.id not in held:
            continue
        end = held[job.id].end_s
        over = 0.0 if job.deadline_s is None else end - job.deadline_s
        match aim.name:
            case "makespan":
                total = max(total, end - now)
            case "average-completion":
                total += (end - job.arrival_s) / len(held)
            case "weighted-completion":
                total += job.weight * (end - job.arrival_s)
            case "weighted-tardiness":
                total += job.weight * max(0.0, over)
            case "late-jobs":
                total += job.weight * (over > SLACK)
            case "on-time":
                total += job.weight
    return total
