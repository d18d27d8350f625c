"""Properties of a plan: Pareto efficiency, sharing incentive, envy-freeness."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, even_split
from optsched.checker import check
from optsched.explain.goodput_floors import floored
from optsched.explain.oracle import Asker, Report
from optsched.explain.plans import confirmed, entitlements, goodputs
from optsched.explain.records import Audit, Envy, Pareto, Share
from optsched.instance import Instance, Job, ObjectiveSpec, admit
from optsched.instance.solution import Allocation
from optsched.problem.build import build_problem
from optsched.problem.configurations import throughputs
from optsched.problem.problem import Problem

__all__ = ["DEFINITIONS", "audit"]

DEFINITIONS = {
    "pareto": "Pareto efficiency: no plan gives a job more progress and no job less (Ghodsi et al., NSDI'11, sec. 3)",
    "sharing": "sharing incentive: no job progresses less than alone on a share of the cluster by weight "
    "(Ghodsi et al., NSDI'11, sec. 3; the share of a pool, or a part of the time, as Themis, NSDI'20, sec. 3.1)",
    "envy": "weighted envy-freeness: no job would progress more with what another one holds, each divided by the "
    "weight of who holds it (Foley (1967); with weights Chakraborty et al., ACM Trans. Econ. Comput. 9 (2021), sec. 2)",
}
"""What each property means, and where it comes from. A job's utility is its progress, net of restarts."""

_SLACK = 1e-6


def audit(
    instance: Instance | Path | str,
    allocations: Sequence[Allocation],
    *,
    gap: float = 1e-4,
    seconds: float | None = 60.0,
    time_limit: float | None = None,
    report: Report | None = None,
) -> Audit:
    """Return which properties a plan has, with a witness for each that it has not.

    Parameters
    ----------
    gap
        Relative: a plan is called efficient where it is proven that the sum of progress can rise no more than that
        while no job loses.
    report
        Called with what is being asked, for people who wait.

    Raises
    ------
    InputError
        For a plan that breaks a rule.
    """
    instance = admit(instance)
    confirmed(instance, allocations, instance.objective)
    asker = Asker.within(time_limit, ObjectiveSpec(name="progress"), gap, seconds, report)
    asker.about = "audit"
    progress = _progress(instance, allocations)
    here = sum(job.arrival_s <= instance.now_s for job in instance.jobs)
    pareto = _pareto(instance, allocations, progress, asker)
    envy, decided = _envy(instance, allocations, progress, asker)
    return Audit(
        pareto=pareto,
        sharing=tuple(_shares(instance, progress)),
        envy=envy,
        envy_decided=decided,
        jobs=here,
        definitions=DEFINITIONS,
    )


def _progress(instance: Instance, allocations: Sequence[Allocation]) -> dict[str, float]:
    """Return the true progress of every job that is there; 0 for one that waits."""
    reference = build_problem(instance, ObjectiveSpec(name="progress")).configurations.reference
    of = {job.id: float(reference[k]) for k, job in enumerate(instance.jobs)}
    net = goodputs(instance, allocations)
    return {job.id: net.get(job.id, 0.0) / of[job.id] for job in instance.jobs if job.arrival_s <= instance.now_s}


def _pareto(instance: Instance, allocations: Sequence[Allocation], progress: dict[str, float], asker: Asker) -> Pareto:
    """Maximize the sum of progress over the plans in which no job loses: only an efficient plan is among the best.

    (Benson, J. Optim. Theory Appl. 26 (1978), the hybrid of sums and floors.)
    """
    if any(limit.objective.name == "finish-time" for limit in instance.limits):
        return Pareto(status="unknown", note="a limit on finish-time, which floors under progress would change")
    tight = floored(instance, goodputs(instance, allocations))
    weights = {job.id: job.weight for job in instance.jobs}
    note = "jobs of weight 0 are not looked at, since limits of the instance read weights"
    if not instance.limits:
        tight, note = replace(tight, jobs=tuple(replace(job, weight=1.0) for job in tight.jobs)), ""
        weights = dict.fromkeys(weights, 1.0)
    note = note if 0.0 in weights.values() else ""
    now = sum(weights[name] * value for name, value in progress.items())
    found = asker.best(tight)
    if found is None or found.value is None or found.bound is None:
        return Pareto(status="unknown", note="no answer in the time given")
    slack = found.bound - now
    if slack <= 1e-9 * max(1.0, now):  # rounding
        slack = 0.0
    rises = found.value - now
    if rises > max(asker.gap * now, 1e-9) and check(instance, found.allocations).ok:
        after = _progress(instance, found.allocations)
        gains = {name: after[name] - value for name, value in progress.items() if after[name] > value * (1 + _SLACK)}
        return Pareto(status="dominated", slack=slack, witness=found.allocations, gains=gains, note=note)
    close = slack <= max(2 * asker.gap * now, 1e-9)
    return Pareto(status="efficient" if close else "unknown", slack=slack, note=note)


def _shares(instance: Instance, progress: dict[str, float]) -> Iterator[Share]:
    """Yield the jobs that have less than the value of their share."""
    of_job, of_tenant = entitlements(instance)
    for name, entitled in of_job.items():
        if progress[name] < entitled * (1 - _SLACK):
            yield Share(who=name, kind="job", progress=progress[name], entitled=entitled)
    if not instance.tenants:
        return
    has = dict.fromkeys(of_tenant, 0.0)
    for job in instance.jobs:
        has[job.tenant] = has.get(job.tenant, 0.0) + progress.get(job.id, 0.0)
    for name, entitled in of_tenant.items():
        if has[name] < entitled * (1 - _SLACK):
            yield Share(who=name, kind="tenant", progress=has[name], entitled=entitled)


def _envy(
    instance: Instance, allocations: Sequence[Allocation], progress: dict[str, float], asker: Asker
) -> tuple[tuple[Envy, ...], bool]:
    """Return, of each job that envies any, the one that it envies most, and whether there was time for all.

    What is held is looked at once, however many hold the same: of these, the one of least weight is envied most.
    """
    problem = build_problem(instance, ObjectiveSpec(name="progress"))
    jobs = instance.jobs
    number = {job.id: k for k, job in enumerate(jobs)}
    weight = np.array([job.weight for job in jobs])
    able = (np.diff(problem.configurations.first) > 0) & (weight > 0) & np.array([job.id in progress for job in jobs])
    mine = np.array([progress.get(job.id, 0.0) for job in jobs]) / np.where(weight > 0, weight, 1.0)
    equal: dict[Hashable, list[Allocation]] = {}
    for a in sorted(allocations, key=lambda a: weight[number[a.job]]):
        equal.setdefault(_what_counts(jobs[number[a.job]], a), []).append(a)
    most, of = np.zeros(len(jobs)), np.full(len(jobs), -1)
    for held in equal.values():
        if asker.late:
            break
        first = number[held[0].job]
        theirs = _with_theirs(problem, jobs[first], held[0])
        for k, other in enumerate(number[a.job] for a in held[:2]):  # the first itself can envy the second only
            each = np.where(theirs > 0, theirs / weight[other] if weight[other] > 0 else np.inf, 0.0)
            better = able & (each > most) & ((np.arange(len(jobs)) == first) == (k == 1))
            most[better], of[better] = each[better], other
    envious = np.flatnonzero((of >= 0) & (most > mine * (1 + _SLACK) + 1e-12))
    return tuple(
        Envy(job=jobs[j].id, of=jobs[of[j]].id, progress=float(mine[j]), other=float(min(most[j], 1e300)))
        for j in envious.tolist()
    ), not asker.late


def _what_counts(owner: Job, a: Allocation) -> Hashable:
    """Return all of a holding that decides how fast another job would be with it."""
    pieces = None if a.placement is None else tuple(sorted(a.placement.values()))
    return (
        a.site,
        a.gpu_type,
        a.gpus,
        a.nodes,
        a.servers,
        a.gbps,
        pieces,
        owner.cpu_cores_per_gpu,
        owner.memory_gb_per_gpu,
        owner.parameter_servers,
    )


def _with_theirs(problem: Problem, owner: Job, a: Allocation) -> FloatArray:
    """Return the progress that each job would have with what another one holds, shape ``(jobs,)``; 0 if it is no use.

    That is in its best way on no more GPUs of that pool on no more servers than these hold, with no more cores and
    memory (where these bind), and at no more than that network rate.
    """
    table, columns = problem.configurations, problem.configurations.columns
    pool = next(k for k, p in enumerate(table.pools) if (p.site, p.gpu_type) == (a.site, a.gpu_type))
    fits = (
        (columns.pool == pool) & (columns.gpus <= a.gpus) & (columns.nodes <= a.nodes) & (columns.servers <= a.servers)
    )
    if a.placement is not None:
        fits &= _pieces_fit(columns.gpus, columns.nodes, a)
    some = np.flatnonzero(fits)
    job, gpus, servers = table.job[some], columns.gpus[some], columns.servers[some]
    keep = np.ones(len(some), dtype=bool)
    for field, per_gpu in (("cpu_cores", "cpu_cores_per_gpu"), ("memory_gb", "memory_gb_per_gpu")):
        if any(getattr(g, field) is not None for g in problem.instance.cluster.servers if g.site == a.site):
            held = getattr(owner, per_gpu) * a.gpus + _of_server(owner, field) * a.servers
            each = np.array([(getattr(one, per_gpu), _of_server(one, field)) for one in problem.instance.jobs])[job]
            keep &= each[:, 0] * gpus + each[:, 1] * servers <= held * (1 + 1e-9)
    rate = np.full(len(some), np.nan)
    if problem.instance.decides == "network":
        slowest = table.slowest[some]
        rated = ~np.isnan(slowest)
        rate[rated] = np.minimum(columns.gbps[some][rated], a.gbps or 0.0)
        keep &= ~rated | (rate >= slowest * (1 - 1e-9))
    some, rate, job = some[keep], rate[keep], job[keep]
    speed = throughputs(problem.instance, table.pools, job, columns.take(some), rate)
    good = np.nan_to_num(speed * columns.efficiency[some] * table.share[some])
    best = np.zeros(table.jobs)
    np.maximum.at(best, job, good)
    return np.divide(best, table.reference, out=np.zeros(table.jobs), where=best > 0)


def _of_server(job: Job, field: str) -> float:
    return 0.0 if job.parameter_servers is None else float(getattr(job.parameter_servers, field))


def _pieces_fit(gpus: IntArray, nodes: IntArray, a: Allocation) -> NDArray[np.bool_]:
    """Tell of each way whether its even pieces fit into the pieces of an allocation, the largest into the largest."""
    there = np.array(sorted((a.placement or {}).values(), reverse=True))
    (larger, smaller), (more, _) = (part.T for part in even_split(gpus, nodes))
    last = np.minimum(nodes, len(there)) - 1
    fits: NDArray[np.bool_] = (nodes <= len(there)) & (there[last] >= smaller)
    fits &= (more == 0) | (there[np.clip(more - 1, 0, last)] >= larger)
    return fits
