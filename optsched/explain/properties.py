"""Properties of a plan: Pareto efficiency, sharing incentive, envy-freeness."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec.structs import replace

from optsched.checker import check
from optsched.configurations import throughputs
from optsched.curves import FloatArray, IntArray
from optsched.explain.asking import Asker
from optsched.explain.floors import floored
from optsched.explain.plans import confirmed, entitlements, goodputs
from optsched.explain.records import Audit, Envy, Pareto, Share
from optsched.instance import Instance, Job, ObjectiveSpec
from optsched.pose import pose
from optsched.problem import Problem
from optsched.solution import Allocation

__all__ = ["DEFINITIONS", "audit"]

DEFINITIONS = {
    "pareto": "Pareto efficiency: no plan gives a job more progress and no job less (Ghodsi et al., NSDI'11, sec. 3)",
    "sharing": "sharing incentive: nobody progresses less than alone on a share of the cluster by weight "
    "(Ghodsi et al., NSDI'11, sec. 3; the share of a pool, or a part of the time, as Themis, NSDI'20, sec. 3.1)",
    "envy": "weighted envy-freeness: no job would progress more with what another one holds, each divided by the "
    "weight of who holds it (Foley (1967); with weights Chakraborty et al., ACM Trans. Econ. Comput. 9 (2021), sec. 2)",
}
"""What each property means, and where it comes from. A job's utility is its progress, net of restarts."""

_SLACK = 1e-6


def audit(
    instance: Instance,
    allocations: Sequence[Allocation],
    *,
    gap: float = 1e-4,
    seconds: float | None = 60.0,
    time_limit: float | None = None,
) -> Audit:
    """Return which properties a plan has, with a witness for each that it has not.

    Parameters
    ----------
    gap
        Relative: a plan is called efficient where it is proven that the sum of progress can rise no more than that
        while nobody loses.

    Raises
    ------
    InputError
        For a plan that breaks a rule.
    """
    confirmed(instance, allocations, instance.objective)
    asker = Asker(
        ObjectiveSpec(name="progress"), gap, seconds, None if time_limit is None else time.monotonic() + time_limit
    )
    progress = _progress(instance, allocations)
    here = sum(job.arrival_s <= instance.now_s for job in instance.jobs)
    return Audit(
        pareto=_pareto(instance, allocations, progress, asker),
        sharing=tuple(_shares(instance, progress)),
        envy=tuple(_envy(instance, allocations, progress)),
        jobs=here,
        definitions=DEFINITIONS,
    )


def _progress(instance: Instance, allocations: Sequence[Allocation]) -> dict[str, float]:
    """Return the true progress of every job that is there; 0 for one that waits."""
    reference = pose(instance, ObjectiveSpec(name="progress")).configurations.reference
    of = {job.id: float(reference[k]) for k, job in enumerate(instance.jobs)}
    net = goodputs(instance, allocations)
    return {job.id: net.get(job.id, 0.0) / of[job.id] for job in instance.jobs if job.arrival_s <= instance.now_s}


def _pareto(instance: Instance, allocations: Sequence[Allocation], progress: dict[str, float], asker: Asker) -> Pareto:
    """Maximize the sum of progress over the plans in which nobody loses: only an efficient plan is among the best.

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
    slack = max(0.0, found.bound - now)
    rises = found.value - now
    if rises > max(asker.gap * now, 1e-9) and check(instance, found.allocations).ok:
        after = _progress(instance, found.allocations)
        gains = {name: after[name] - value for name, value in progress.items() if after[name] > value * (1 + _SLACK)}
        return Pareto(status="dominated", slack=slack, witness=found.allocations, gains=gains, note=note)
    close = slack <= max(2 * asker.gap * now, 1e-9)
    return Pareto(status="efficient" if close else "unknown", slack=slack, note=note)


def _shares(instance: Instance, progress: dict[str, float]) -> Iterator[Share]:
    """Yield who has less than its share is worth."""
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


def _envy(instance: Instance, allocations: Sequence[Allocation], progress: dict[str, float]) -> Iterator[Envy]:
    """Yield, of each job that envies any, the one that it envies most."""
    problem = pose(instance, ObjectiveSpec(name="progress"))
    jobs = {job.id: job for job in instance.jobs}
    numbers = {job.id: k for k, job in enumerate(instance.jobs)}
    for name in progress:
        job = jobs[name]
        rows = np.flatnonzero(problem.configurations.job == numbers[name])
        if job.weight == 0 or len(rows) == 0:
            continue
        mine = progress[name] / job.weight
        worst: Envy | None = None
        for a in allocations:
            theirs = jobs[a.job].weight
            if a.job == name:
                continue
            other = _with_theirs(problem, job, rows, jobs[a.job], a)
            each = other / theirs if theirs > 0 else (np.inf if other > 0 else 0.0)
            if each > mine * (1 + _SLACK) + 1e-12 and (worst is None or each > worst.other):
                worst = Envy(job=name, of=a.job, progress=mine, other=float(min(each, 1e300)))
        if worst is not None:
            yield worst


def _with_theirs(problem: Problem, job: Job, rows: IntArray, owner: Job, a: Allocation) -> float:
    """Return the progress that a job would have with what another one holds: its best way inside of that.

    That is on no more GPUs of that pool on no more servers than these hold, with no more cores and memory (where these
    bind), and at no more than that network rate.
    """
    table = problem.configurations
    ways = table.ways.take(rows)
    pool = next(k for k, p in enumerate(table.pools) if (p.site, p.gpu_type) == (a.site, a.gpu_type))
    fits = (ways.pool == pool) & (ways.gpus <= a.gpus) & (ways.nodes <= a.nodes) & (ways.servers <= a.servers)
    if a.placement is not None:
        fits &= _pieces_fit(ways.gpus, ways.nodes, a)
    for field, per_gpu in (("cpu_cores", "cpu_cores_per_gpu"), ("memory_gb", "memory_gb_per_gpu")):
        if any(getattr(g, field) is not None for g in problem.instance.cluster.servers if g.site == a.site):
            held = getattr(owner, per_gpu) * a.gpus + _of_server(owner, field) * a.servers
            fits &= getattr(job, per_gpu) * ways.gpus + _of_server(job, field) * ways.servers <= held * (1 + 1e-9)
    rate = np.full(len(rows), np.nan)
    slowest = table.slowest[rows]
    if problem.instance.decides == "network":
        rated = ~np.isnan(slowest)
        rate[rated] = np.minimum(ways.gbps[rated], a.gbps or 0.0)
        fits &= ~rated | (rate >= slowest * (1 - 1e-9))
    if not fits.any():
        return 0.0
    some, rate = rows[fits], rate[fits]
    speed = throughputs(problem.instance, table.pools, table.job[some], table.ways.take(some), rate)
    good = speed * table.ways.efficiency[some] * table.share[some]
    return float(np.nanmax(good) / table.reference[table.job[some[0]]])


def _of_server(job: Job, field: str) -> float:
    return 0.0 if job.parameter_servers is None else float(getattr(job.parameter_servers, field))


def _pieces_fit(gpus: IntArray, nodes: IntArray, a: Allocation) -> FloatArray:
    """Tell of each way whether its even pieces fit into the pieces of an allocation, the largest into the largest."""
    there = sorted((a.placement or {}).values(), reverse=True)
    fits = np.zeros(len(gpus), dtype=bool)
    for k, (count, pieces) in enumerate(zip(gpus.tolist(), nodes.tolist(), strict=True)):
        whole, more = divmod(count, pieces)
        wanted = [whole + (n < more) for n in range(pieces)]
        fits[k] = pieces <= len(there) and all(w <= t for w, t in zip(wanted, there, strict=False))
    return fits
