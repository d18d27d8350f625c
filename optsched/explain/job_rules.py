"""The rules of one job: each as a constraint that can be removed, with the levers that relax it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from msgspec.structs import replace

from optsched.explain.goodput_floors import with_job
from optsched.explain.rules import Constraint, Lever
from optsched.instance import Instance, Job

__all__ = ["JobRule", "fine", "job_rules"]


class JobRule(NamedTuple):
    """A rule of one job.

    constraint
        The rule as a whole; None for the weight, which forbids nothing.
    levers
        What relaxes it by an amount.
    """

    constraint: Constraint | None
    levers: tuple[Lever, ...] = ()


def job_rules(instance: Instance, job: Job) -> Iterator[JobRule]:
    """Yield the rules of a job, except that it is required."""
    yield from _times(instance, job)
    yield JobRule(None, (_weight(job),))
    yield from _gpus(instance, job)
    limited = {c for c in job.curves.values() if instance.curves[c].max_local_batch is not None}
    if limited and (job.local_batches or job.global_batches):
        batches = ", ".join(map(str, job.local_batches or job.global_batches))
        text = f"memory of the GPUs for the batches of {job.id} ({batches})"
        remove = partial(_without_memory, name=job.id)
        yield JobRule(Constraint(f"memory:{job.id}", text, "memory", remove), tuple(_batch(instance, job)))


def _times(instance: Instance, job: Job) -> Iterator[JobRule]:
    """Yield when a job may run, and what that may cost."""
    late, deadline, budget = job.arrival_s - instance.now_s, job.deadline_s, job.budget
    if late > 0:
        text = f"job {job.id} arrives at {job.arrival_s:g} s, after now ({instance.now_s:g} s)"
        lever = _lever(
            job,
            "arrival",
            lambda j, s: {"arrival_s": j.arrival_s - s},
            lambda s: f"an arrival of {job.id} {s:g} s earlier",
            unit="s",
            step=late,
            size=3600.0,
        )
        yield _rule(job, "arrival", text, "arrival", {"arrival_s": instance.now_s}, lever)
    if deadline is not None:
        lever = _lever(
            job,
            "deadline",
            lambda j, s: {"deadline_s": (j.deadline_s or 0.0) + s},
            lambda s: f"a deadline of {job.id} {s:g} s later",
            unit="s",
            top=10**8,
            whole=False,
            size=3600.0,
        )
        text = f"deadline of {job.id} at {deadline:g} s"
        yield _rule(job, "deadline", text, "deadline", {"deadline_s": None}, lever)
    if budget is not None:
        lever = _lever(
            job,
            "budget",
            lambda j, x: {"budget": (j.budget or 0.0) + x},
            lambda x: f"a budget of {job.id} of {x:g} more",
            unit="currency",
            step=fine(budget),
            top=10**8,
            whole=False,
            size=budget or 1.0,
        )
        yield _rule(job, "budget", f"budget of {job.id}: {budget:g}", "budget", {"budget": None}, lever)


def _weight(job: Job) -> Lever:
    """Return the lever of the weight: a factor, or an amount where it is 0."""
    lever = partial(_lever, job, "weight", kind="others", step=0.01, top=10**5, whole=False)
    if job.weight > 0:
        return lever(
            lambda j, x: {"weight": j.weight * (1 + x)}, lambda x: f"weight of {job.id} x {1 + x:g}", unit="times"
        )
    return lever(lambda j, x: {"weight": x}, lambda x: f"a weight of {job.id} of {x:g} in place of 0", unit="")


def _gpus(instance: Instance, job: Job) -> Iterator[JobRule]:
    """Yield where a job may run, and on how many GPUs."""
    name, sites, limit = job.id, job.sites, job.max_gpus_per_server
    if sites is not None and len(sites) < len(instance.cluster.sites):
        levers = [_site(job, site.id) for site in instance.cluster.sites if site.id not in sites]
        yield _rule(job, "sites", f"sites of {name}: {', '.join(sites) or 'none'}", "own", {"sites": None}, *levers)
    if job.curves and job.min_gpus > 1:
        lever = _lever(
            job,
            "min_gpus",
            lambda j, n: {"min_gpus": j.min_gpus - int(n)},
            lambda n: f"at least {job.min_gpus - n:g} GPUs of {name} in place of {job.min_gpus}",
            name="fewest GPUs",
            kind="own",
            unit="GPUs",
            top=job.min_gpus - 1,
            size=job.min_gpus,
        )
        # every count that it could have before stays one
        removed = {"min_gpus": 1, "gpu_multiple": 1}
        yield _rule(job, "min_gpus", f"job {name} needs at least {job.min_gpus} GPUs", "own", removed, lever)
    if limit is not None:
        largest = max(group.gpus for group in instance.cluster.servers)
        lever = _lever(
            job,
            "max_gpus_per_server",
            lambda j, n: {"max_gpus_per_server": (j.max_gpus_per_server or 0) + int(n)},
            lambda n: f"up to {limit + n:g} GPUs of {name} on one server",
            name="most GPUs on one server",
            kind="own",
            unit="GPUs",
            top=largest - limit,
            size=limit,
        )
        text, levers = f"at most {limit} GPUs of {name} on one server", [lever] if largest > limit else []
        yield _rule(job, "max_gpus_per_server", text, "own", {"max_gpus_per_server": None}, *levers)


def _site(job: Job, site: str) -> Lever:
    return _lever(
        job,
        f"site:{site}",
        lambda j, _: {"sites": (*(j.sites or ()), site)},
        lambda _: f"site {site} for {job.id}, too",
        name=f"site {site}",
        kind="own",
        unit="sites",
    )


def _batch(instance: Instance, job: Job) -> Iterator[Lever]:
    """Yield the largest batch that fits, where none of the job's does."""
    fits = [instance.curves[name].max_local_batch for name in job.curves.values()]
    most = max((size for size in fits if size is not None), default=None)
    if None not in fits and most is not None and job.local_batches and min(job.local_batches) > most:
        yield _lever(
            job,
            "batch",
            lambda j, b: {"local_batches": (int(b),)},
            lambda b: f"a batch of {job.id} of {b:g} examples a GPU, which fits the memory",
            kind="memory",
            unit="examples",
            step=most,
        )


def _rule(job: Job, what: str, text: str, kind: str, removed: dict[str, Any], *levers: Lever) -> JobRule:
    """Return a rule that is removed by setting fields of its job."""

    def remove(instance: Instance) -> Instance:
        return with_job(instance, job.id, **removed)

    return JobRule(Constraint(f"{what}:{job.id}", text, kind, remove), levers)


def _lever(
    job: Job,
    what: str,
    fields: Callable[[Job, float], dict[str, Any]],
    text: Callable[[float], str],
    *,
    unit: str,
    name: str = "",
    kind: str = "",
    step: float = 1.0,
    top: int = 1,
    whole: bool = True,
    size: float = 1.0,
) -> Lever:
    """Return a lever that sets fields of its job by the amount; the name and the kind are ``what`` by default."""

    def change(instance: Instance, amount: float) -> Instance:
        one = next(j for j in instance.jobs if j.id == job.id)
        return with_job(instance, job.id, **fields(one, amount))

    said = f"{name or what} of {job.id}"
    return Lever(f"{what}:{job.id}", said, unit, kind or what, step, top, change, text, whole, size)


def _without_memory(instance: Instance, name: str) -> Instance:
    """Return the instance in which every batch of one job fits: its curves are copied without their limits."""
    job = next(one for one in instance.jobs if one.id == name)
    renamed = {gpu: f"{curve} for {name}" for gpu, curve in job.curves.items()}
    copies = {renamed[gpu]: replace(instance.curves[curve], max_local_batch=None) for gpu, curve in job.curves.items()}
    return with_job(replace(instance, curves={**instance.curves, **copies}), name, curves=renamed)


def fine(amount: float) -> float:
    """Return a thousandth of an amount, rounded down to a power of ten."""
    return 10.0 ** math.floor(math.log10(abs(amount)) - 2) if amount else 0.01
