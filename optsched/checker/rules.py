"""Rules of each allocation for itself, and of the plan as a whole, that ask neither for places nor for capacities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optsched.checker.recompute import TOLERANCE, Truth, close, keeps
from optsched.checker.traffic import rate_rule
from optsched.checker.violation import Violation
from optsched.instance import Instance, Job
from optsched.instance.solution import Allocation

__all__ = ["own_rules", "plan_rules"]


def own_rules(truth: Truth, job: Job, a: Allocation, throughput: float) -> Iterator[Violation]:
    """Check what a job's allocation must keep whatever the others hold."""
    now = truth.instance.now_s

    def broken(rule: str, how: str) -> Violation:
        return Violation(rule, job.id, how)

    if job.sites is not None and a.site not in job.sites:
        yield broken("site", f"is in {a.site}, and may be in {', '.join(job.sites)}")
    if job.arrival_s > now:
        yield broken("arrival", f"arrives at {job.arrival_s:g} s, after now ({now:g} s)")
    if np.isnan(throughput):
        yield broken("configuration", f"{a.gpus} {a.gpu_type} on {a.nodes} nodes is none of its configurations")
        return
    yield from rate_rule(truth, job, a)
    if _wrong_label(job, a):
        yield broken("label", f"is called {a.label!r}, which is the name of another of its configurations")
    if not job.configurations:
        yield from _curve_rules(truth, job, a)
    if how := _wrong_nodes(truth, job, a):
        yield broken("nodes", how)
    if job.remaining_examples is not None:
        seconds = job.remaining_examples / (throughput * truth.efficiency(job, a))
        end = now + truth.lost_seconds(job, a) + seconds
        if job.deadline_s is not None and end > job.deadline_s * (1 + TOLERANCE):
            yield broken("deadline", f"ends at {end:g} s, after {job.deadline_s:g} s")
        cost = truth.prices.get(a.site, {}).get(a.gpu_type, 0.0) * a.gpus * seconds / 3600
        if job.budget is not None and cost > job.budget * (1 + TOLERANCE):
            yield broken("budget", f"costs {cost:g}, more than {job.budget:g}")


def _wrong_label(job: Job, a: Allocation) -> bool:
    """Tell whether an allocation bears the label of a configuration with other counts."""
    named = [c for c in job.configurations if c.label and c.label == a.label]
    return bool(named) and not any(
        (c.gpu_type, c.gpus, c.servers) == (a.gpu_type, a.gpus, a.servers)
        and c.nodes in (None, a.nodes)
        and c.local_batch in (None, a.local_batch)
        for c in named
    )


def _wrong_nodes(truth: Truth, job: Job, a: Allocation) -> str:
    """Return what is wrong with the number of nodes; empty where nothing is.

    Where a plan decides on counts only, a job of curves runs on the fewest nodes, or on as many as it holds now.
    """
    fewest = truth.fewest_nodes(job, a.site, a.gpu_type, a.gpus)
    most = min(a.gpus, truth.servers(a.site, a.gpu_type))
    if a.gpus > truth.gpus(a.site, a.gpu_type):
        return ""  # the capacity of the pool says it
    if fewest > most:
        limit = "" if job.max_gpus_per_server is None else f", at most {job.max_gpus_per_server} on each"
        return f"{a.gpus} GPUs fit on no {a.gpu_type} servers in {a.site}{limit}"
    if not fewest <= a.nodes <= most:
        return f"{a.gpus} GPUs on {a.nodes} nodes, and {fewest} to {most} are possible"
    stays = job.holds is not None and job.holds.nodes == a.nodes and keeps(job, a)
    if truth.instance.decides == "counts" and not job.configurations and a.nodes != fewest and not stays:
        return f"{a.gpus} GPUs on {a.nodes} nodes, and a plan by counts takes the fewest, {fewest}"
    return ""


def _curve_rules(truth: Truth, job: Job, a: Allocation) -> Iterator[Violation]:
    """Check the limits on counts and batches of a job that is given by curves."""
    most = job.max_gpus if job.max_gpus is not None else a.gpus
    if not job.min_gpus <= a.gpus <= most or (a.gpus - job.min_gpus) % job.gpu_multiple:
        allowed = f"{job.min_gpus} to {job.max_gpus or 'all'} in steps of {job.gpu_multiple}"
        yield Violation("gpu-count", job.id, f"has {a.gpus} GPUs, and may have {allowed}")
    ps = job.parameter_servers
    low, high = (ps.minimum, ps.maximum) if ps else (0, 0)
    if not low <= a.servers <= high:
        yield Violation("parameter-servers", job.id, f"has {a.servers}, and may have {low} to {high}")
    limit = truth.instance.curves[job.curves[a.gpu_type]].max_local_batch
    over = a.local_batch is not None and limit is not None and a.local_batch > limit * (1 + TOLERANCE)
    if over and not _goes_on(job, a):
        yield Violation("memory", job.id, f"has {a.local_batch:g} examples a GPU, and {limit} fit the memory")
    if not _batch_allowed(job, a):
        batch = "no batch" if a.local_batch is None else f"batch {a.local_batch:g} x {a.gpus} x {a.accumulation}"
        yield Violation("batch", job.id, f"has {batch}, which is none of those that it may have")


def _goes_on(job: Job, a: Allocation) -> bool:
    """Tell whether a job keeps the batch that it is known to run with, whatever it would be given."""
    return a.accumulation == 1 and job.holds is not None and job.holds.local_batch is not None and keeps(job, a)


def _batch_allowed(job: Job, a: Allocation) -> bool:
    if a.local_batch is None:
        return a.accumulation == 1 and not (job.global_batches or job.local_batches)
    if _goes_on(job, a):
        return True
    if job.global_batches:
        return any(close(a.gpus * a.local_batch * a.accumulation, batch) for batch in job.global_batches)
    return a.accumulation == 1 and any(close(a.local_batch, batch) for batch in job.local_batches)


def plan_rules(instance: Instance, held: dict[str, Allocation]) -> Iterator[Violation]:
    """Check what the plan as a whole must keep: required and pinned jobs, and the limit on moves."""
    for job in instance.jobs:
        if job.required and job.id not in held:
            yield Violation("required", job.id, "must run and does not")
        if job.is_pinned(instance.now_s) and not (job.id in held and keeps(job, held[job.id])):
            yield Violation("pinned", job.id, "is pinned, and does not keep what it holds")
    if instance.max_moves is not None:
        moved = [j.id for j in instance.jobs if j.holds and not (j.id in held and keeps(j, held[j.id]))]
        if len(moved) > instance.max_moves:
            how = f"{len(moved)} jobs lose or change what they hold, and {instance.max_moves} may"
            yield Violation("moves", ", ".join(moved[:5]), how)
