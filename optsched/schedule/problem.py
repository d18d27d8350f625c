"""The question as arrays: every way in which every job may run, how long each takes, and when each may start.

Times are seconds since ``Instance.now_s``. A job holds one configuration from its start to its end and is never
interrupted (preemption is out of scope): it takes ``remaining_examples / goodput``, and ``restart_s`` more if it
holds something now and does not simply go on with that.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, offsets, positions, run_starts
from optsched.instance import Instance
from optsched.problem.configurations import ConfigurationColumns, Configurations, tabulate
from optsched.schedule.horizon import Horizon, capacities, hard, validated
from optsched.schedule.objectives import SLACK, Goal, goal
from optsched.schedule.records import Run
from optsched.schedule.servers import Servers, servers_of, spread

__all__ = ["Plan", "Question", "build_problem", "cheapest", "runs", "tightened"]


@dataclass(frozen=True)
class Question:
    """All data of one schedule; ``n`` rows (ways to run), ``m`` jobs, ``k`` resources.

    job, ways
        The job of each row, and what the row is, shape ``(n,)``; rows of job j are ``first[j]:first[j + 1]``.
    duration
        Seconds from start to end, shape ``(n,)``.
    going_on
        For a row that is what its job holds now, after a restart: the row of the job that goes on at once,
        without one; -1 for all others, shape ``(n,)``.
    earliest, latest
        When the row may start, so that it keeps arrival, hard deadline and horizon, shape ``(n,)``.
    need, capacity
        Of each resource while the row runs, shape ``(n, k)``, and in all, ``(k,)``.
    reserved
        (resource, amount, start, end) of each reservation.
    arrival, due, weight
        Of each job, shape ``(m,)``; an arrival before now is negative, no deadline is inf; a job that fits nowhere
        weighs nothing.
    must
        Which jobs have to run, shape ``(m,)``: required ones, and unless the objective rejects jobs, all
        that fit the cluster.
    length
        Seconds of the horizon.
    reasons
        For each job that cannot run, by its number: why.
    servers
        Where the instance decides on places: the servers, on which each run stands from its start to its end.
    """

    instance: Instance
    horizon: Horizon
    goal: Goal
    job: IntArray
    columns: ConfigurationColumns
    first: IntArray
    duration: FloatArray
    going_on: IntArray
    earliest: FloatArray
    latest: FloatArray
    need: FloatArray
    capacity: FloatArray
    resources: tuple[str, ...]
    reserved: tuple[tuple[int, float, float, float], ...]
    arrival: FloatArray
    due: FloatArray
    weight: FloatArray
    must: NDArray[np.bool_]
    length: float
    reasons: dict[int, str]
    pools: tuple[Any, ...]
    servers: Servers | None = None

    def __len__(self) -> int:
        return len(self.job)

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return len(self.first) - 1

    def rows(self, job: int) -> range:
        """Return the rows of a job."""
        return range(int(self.first[job]), int(self.first[job + 1]))

    def plan(self, row: IntArray, start: FloatArray, places: Mapping[int, dict[int, int]] | None = None) -> Plan:
        """Return a plan; a job that starts at once in the configuration that it holds needs no restart."""
        goes_on = (row >= 0) & (start <= SLACK)
        goes_on[goes_on] = self.going_on[row[goes_on]] >= 0
        return Plan(np.where(goes_on, self.going_on[row], row) if goes_on.any() else row, start, places or {})

    def costs(self, job: IntArray, end: FloatArray) -> FloatArray:
        """Return what it costs that jobs end then; arrays of one shape."""
        return self.goal.cost(self.weight[job], end, self.arrival[job], self.due[job])

    def cost(self, plan: Plan) -> float:
        """Return what a plan costs; inf where a job that has to run does not."""
        if np.any(self.must & (plan.row < 0)):
            return float("inf")
        ran = np.flatnonzero(plan.row >= 0)
        return self.goal.total(self.costs(ran, plan.start[ran] + self.duration[plan.row[ran]]))


@dataclass(frozen=True)
class Plan:
    """The chosen row of each job, -1 for none, and its start (nan for none); shape ``(m,)`` each.

    places
        GPUs on each server, of each job that runs, where places are decided.
    """

    row: IntArray
    start: FloatArray
    places: Mapping[int, dict[int, int]] = field(default_factory=dict)


def build_problem(instance: Instance, horizon: Horizon) -> Question:
    """Return the question of an instance.

    A row is left out where another of its job needs no more of anything, takes no longer and may start no
    later: for a regular objective it is never missed.

    **The default horizon** cuts off no better schedule. Let ``T`` be the last arrival, deadline or end of a
    reservation, ``p_j`` the shortest duration of job j, and order the jobs of a schedule by their ends, C(1) <= C(2) <=
    ...; let B(i) = T + p(1) + ... + p(i). If the last job ends after B(m), take the largest k with C(k-1) <= B(k-1)
    (C(0) = 0). All of k, k+1, ... end after their B; run one after another from max(T, C(k-1)) in their fastest
    ways, alone in the cluster, each ends by its B, earlier than before. So some best schedule ends by B(m).

    Raises
    ------
    InputError
        See :func:`optsched.schedule.horizon.validated`, and for an unknown objective.
    """
    validated(instance, horizon)
    aim = goal(horizon.objective)
    jobs, now = instance.jobs, instance.now_s
    open_ended = [msgspec.structs.replace(job, arrival_s=0.0, deadline_s=None) for job in jobs]
    counted = msgspec.structs.replace(instance, jobs=tuple(open_ended), decides="counts")
    table = tabulate(counted)
    names, capacity, need = _resources(instance, horizon, table)
    number = {name: k for k, name in enumerate(names)}
    reserved = tuple(
        (number[r.resource], r.amount, max(0.0, r.start_s - now), r.end_s - now)
        for r in horizon.reservations
        if r.resource in number and r.end_s > now
    )
    arrival = np.array([job.arrival_s - now for job in jobs], dtype=np.float64)
    due = np.array([np.inf if job.deadline_s is None else job.deadline_s - now for job in jobs], dtype=np.float64)
    own = np.array([job.weight for job in jobs], dtype=np.float64)
    restart = np.array([job.restart_s * (job.holds is not None) for job in jobs], dtype=np.float64)
    remaining = np.array([job.remaining_examples for job in jobs], dtype=np.float64)
    limit = np.where([hard(job, aim.rejects) for job in jobs], due, np.inf)

    # what a job holds now may go on without a restart, if it goes on at once; else it is a choice like any other
    goes_on = np.flatnonzero(table.kept & (restart[table.job] > 0) & (arrival[table.job] <= 0))
    rows = np.concatenate([np.arange(len(table)), goes_on])
    at_once = np.arange(len(rows)) >= len(table)
    of = table.job[rows]
    duration = remaining[of] / table.columns.goodput[rows] + np.where(at_once, 0.0, restart[of])
    earliest = np.maximum(0.0, arrival)[of]
    fits = np.all(need[rows] <= capacity * (1 + 1e-9), axis=1)
    servers = servers_of(instance, table.pools)
    if servers is not None:
        fits &= _on_servers(servers, instance, table)[rows]
    shortest = np.full(len(jobs), np.inf)
    np.minimum.at(shortest, of[fits & ~at_once], duration[fits & ~at_once])
    able = np.isfinite(shortest)
    length = horizon.horizon_s or _far_enough(aim.rejects, arrival, due, reserved, shortest)
    latest = np.minimum(length, limit[of]) + SLACK - duration
    latest = np.where(at_once, np.minimum(0.0, latest), latest)
    usable = fits & (latest >= earliest)
    reasons = dict(table.reasons)
    for j in np.flatnonzero(np.bincount(of[usable], minlength=len(jobs)) == 0).tolist():
        if j not in reasons:
            reasons[j] = _why_never(instance, names, j, of, fits, float(limit[j]), length)

    order = np.flatnonzero(usable)
    order = order[np.lexsort((order, of[order]))]
    order = order[_undominated(of[order], need[rows[order]], duration[order], at_once[order])]
    job = of[order]
    going_on = np.full(len(rows), -1)
    going_on[goes_on] = positions(order, len(rows))[len(table) :]
    return Question(
        instance=instance,
        horizon=msgspec.structs.replace(horizon, horizon_s=length),
        goal=aim,
        job=job,
        columns=table.columns.take(rows[order]),
        first=offsets(np.bincount(job, minlength=len(jobs))),
        duration=duration[order],
        going_on=going_on[order],
        earliest=earliest[order],
        latest=latest[order],
        need=need[rows[order]],
        capacity=capacity,
        resources=names,
        reserved=reserved,
        arrival=arrival,
        due=due,
        weight=aim.weights(own, able),
        must=np.array([job.required for job in jobs], dtype=bool) | (able & (not aim.rejects)),
        length=length,
        reasons=reasons,
        pools=table.pools,
        servers=servers,
    )


def _on_servers(servers: Servers, instance: Instance, table: Configurations) -> NDArray[np.bool_]:
    """Tell which rows fit the empty servers; parameter servers are not placed over time."""
    columns = table.columns
    per_gpu = np.array([(1.0, job.cpu_cores_per_gpu, job.memory_gb_per_gpu) for job in instance.jobs]).reshape(-1, 3)
    asked = list(
        zip(table.job.tolist(), columns.pool.tolist(), columns.gpus.tolist(), columns.nodes.tolist(), strict=True)
    )
    there = [spread(servers, servers.room, p, gpus, nodes, per_gpu[j]) is not None for j, p, gpus, nodes in asked]
    fits: NDArray[np.bool_] = np.array(there, dtype=bool) & (columns.servers == 0)
    return fits


def _resources(
    instance: Instance, horizon: Horizon, table: Configurations
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Return names, capacities and needs of the limited resources that any row takes."""
    there = capacities(instance, horizon)
    sites = [site.id for site in instance.cluster.sites]
    names = [str(pool) for pool in table.pools]
    names += [f"{field}@{site}" for field in ("cpu_cores", "memory_gb") for site in sites]
    need = np.zeros((len(table), len(names) + len(horizon.resources)))
    row, resource, amount = table.used
    np.add.at(need, (row, resource), amount)
    columns = table.columns
    asked = list(
        zip(table.job.tolist(), columns.pool.tolist(), columns.gpus.tolist(), columns.nodes.tolist(), strict=True)
    )
    for column, shared in enumerate(horizon.resources, start=len(names)):
        need[:, column] = [
            shared.amount(instance.jobs[j].id, table.pools[p].site, table.pools[p].gpu_type, gpus, nodes)
            for j, p, gpus, nodes in asked
        ]
    names += [shared.name for shared in horizon.resources]
    used = [k for k, name in enumerate(names) if name in there and need[:, k].any()]
    return tuple(names[k] for k in used), np.array([there[names[k]] for k in used]), need[:, used]


def _far_enough(
    rejects: bool,
    arrival: FloatArray,
    due: FloatArray,
    reserved: tuple[tuple[int, float, float, float], ...],
    shortest: FloatArray,
) -> float:
    """Return a horizon that cuts off no better schedule (see :func:`build_problem`)."""
    known = due[np.isfinite(due)]
    if rejects and len(due) and len(known) == len(due):
        return max(1.0, float(known.max()))
    last = max([0.0, *arrival.tolist(), *known.tolist(), *(end for _, _, _, end in reserved)])
    return max(1.0, float(last) + float(shortest[np.isfinite(shortest)].sum()))


def _why_never(
    instance: Instance,
    names: tuple[str, ...],
    j: int,
    of: IntArray,
    fits: NDArray[np.bool_],
    limit: float,
    length: float,
) -> str:
    if not fits[of == j].any():
        return f"every configuration needs more than there is of one of {', '.join(names)}"
    if limit <= length:
        return f"no configuration ends by its deadline at {instance.jobs[j].deadline_s:g} s"
    return f"no configuration ends within the horizon of {length:g} s"


def _undominated(
    job: IntArray, need: FloatArray, duration: FloatArray, at_once: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Tell which rows no other row of the same job dominates; of equal rows the first stays.

    Rows that start at once are compared with nothing: they dominate no row that may start later.
    """
    keep = np.ones(len(job), dtype=bool)
    for begin, stop in itertools.pairwise([*run_starts(job).tolist(), len(job)]):
        own = np.arange(begin, stop)[~at_once[begin:stop]]
        no_more = np.all(need[own][:, None] <= need[own][None], axis=2) & (duration[own][:, None] <= duration[own])
        equal = no_more & no_more.T
        first = np.arange(len(own))[:, None] < np.arange(len(own))
        keep[own] = ~np.any(no_more & (~equal | first) & ~np.eye(len(own), dtype=bool), axis=0)
    return keep


def cheapest(question: Question) -> float:
    """Return the cost of all jobs as if each were alone in the cluster: a bound that needs no solver."""
    able = np.flatnonzero(np.diff(question.first) > 0)
    if len(able) == 0:
        return 0.0
    soonest = np.minimum.reduceat(question.earliest + question.duration, question.first[able])
    return question.goal.total(question.costs(able, soonest))


def tightened(question: Question, cost: float) -> Question:
    """Return the question with later starts left out in which a job alone would cost more than a known schedule.

    If a schedule costs U, and no other job i less than l_i, which it costs at its earliest end, then in a schedule that
    is no worse job j costs at most U - sum_{i != j} l_i (for the most of all costs: at most U).
    """
    goal = question.goal
    able = np.diff(question.first) > 0
    if not np.isfinite(cost) or goal.rejects or not able.all() or question.jobs == 0:
        return question
    soonest = np.minimum.reduceat(question.earliest + question.duration, question.first[:-1])
    each = np.arange(question.jobs)
    least = question.costs(each, soonest)
    most = np.full(question.jobs, cost) if goal.aggregate == "max" else cost - least.sum() + least
    most = most + 1e-9 * (1 + abs(cost))
    low, high = soonest, np.full(question.jobs, question.length + SLACK)
    whole = question.costs(each, high) <= most
    for _ in range(60):  # costs never fall over time
        middle = (low + high) / 2
        kept = question.costs(each, middle) <= most
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    end = np.where(whole, question.length, high) + SLACK
    latest = np.minimum(question.latest, end[question.job] - question.duration)
    return replace(question, latest=latest, length=min(question.length, float(end.max())))


def runs(question: Question, plan: Plan) -> tuple[Run, ...]:
    """Return the records of a plan, by start and then in the order of the jobs."""
    columns, now = question.columns, question.instance.now_s
    ran = np.flatnonzero(plan.row >= 0)
    ran = ran[np.argsort(plan.start[ran], kind="stable")]
    found = []
    for j in ran.tolist():
        row, start = int(plan.row[j]), float(plan.start[j])
        pool = question.pools[columns.pool[row]]
        places = plan.places.get(j)
        placement = None
        if question.servers is not None and places is not None:
            placement = {question.servers.name[s]: gpus for s, gpus in places.items()}
        batch = float(columns.local_batch[row])
        found.append(
            Run(
                job=question.instance.jobs[j].id,
                start_s=now + start,
                end_s=now + start + float(question.duration[row]),
                site=pool.site,
                gpu_type=pool.gpu_type,
                gpus=int(columns.gpus[row]),
                nodes=int(columns.nodes[row]),
                servers=int(columns.servers[row]),
                local_batch=None if np.isnan(batch) else batch,
                accumulation=int(columns.accumulation[row]),
                placement=placement,
                throughput=float(columns.throughput[row]),
            )
        )
    return tuple(found)
