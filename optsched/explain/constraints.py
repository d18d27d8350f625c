"""Constraints as people name them, and an instance without some of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from msgspec.structs import replace

from optsched.errors import InputError, shown
from optsched.explain.capacity_edits import alike, faster_link, faster_servers, more_gpus, more_servers, says
from optsched.explain.goodput_floors import with_job
from optsched.explain.job_rules import job_rules
from optsched.explain.rules import Constraint
from optsched.instance import Instance, Job

__all__ = ["constraints_of", "own_constraints", "without"]

_MUCH = 1e6
"""Gb/s that no job uses up."""


def without(instance: Instance, keys: Iterable[str]) -> Instance:
    """Return the instance without the named constraints; raise InputError for one that it does not have."""
    known = {one.key: one for one in constraints_of(instance)}
    for key in keys:
        if key not in known:
            raise InputError("the key of a constraint of the instance", path="constraint", value=shown(key))
        instance = known[key].remove(instance)
    return instance


def constraints_of(instance: Instance) -> Iterator[Constraint]:
    """Yield all named constraints: of the plan as a whole, of what is shared, and of each job."""
    for number, limit in enumerate(instance.limits):
        said = " and ".join(
            f"{word} {bound:g}"
            for word, bound in (("at least", limit.at_least), ("at most", limit.at_most))
            if bound is not None
        )

        def lift(i: Instance, spec: object = limit) -> Instance:
            return replace(i, limits=tuple(one for one in i.limits if one is not spec))

        yield Constraint(f"limit:{number}", f"limit {number}: {limit.objective.name} {said}", "limit", lift)
    yield from _shared(instance)
    if instance.max_moves is not None and any(job.holds for job in instance.jobs):
        jobs = "job" if instance.max_moves == 1 else "jobs"
        text = f"at most {instance.max_moves} {jobs} may lose or change what they hold"
        yield Constraint("max_moves", text, "moves", lambda i: replace(i, max_moves=None))
    yield from _quotas(instance)
    for job in instance.jobs:
        yield from own_constraints(instance, job)
    for job in instance.jobs:
        if job.is_pinned(instance.now_s):
            text = f"job {job.id} is pinned to what it holds"
            yield Constraint(f"pinned:{job.id}", text, "blocked", _of(job, pinned=False, pinned_until_s=None))
        if job.required:
            yield Constraint(f"required:{job.id}", f"job {job.id} must run", "blocked", _of(job, required=False))


def _quotas(instance: Instance) -> Iterator[Constraint]:
    """Yield the quotas; a tenant without its quota may use all that the others lend, and lends all that it owns."""
    for tenant in instance.tenants:
        for number, quota in enumerate(tenant.quotas):
            if quota.borrow is None and quota.lend is None:
                continue
            sides = ((quota.borrow, "borrow"), (quota.lend, "lend"))
            said = ", ".join(f"may {verb} {most:g}" for most, verb in sides if most is not None)
            of = "" if quota.gpu_type is None else f" of {quota.gpu_type}"

            def lift(i: Instance, name: str = tenant.id, gpu_type: str | None = quota.gpu_type) -> Instance:
                tenants = tuple(
                    t
                    if t.id != name
                    else replace(
                        t,
                        quotas=tuple(
                            q if q.gpu_type != gpu_type else replace(q, borrow=None, lend=None) for q in t.quotas
                        ),
                    )
                    for t in i.tenants
                )
                return replace(i, tenants=tenants)

            text = f"quota of {tenant.id}: {quota.nominal:g} GPUs{of}, {said}"
            yield Constraint(f"quota:{tenant.id}:{number}", text, "quota", lift)


def own_constraints(instance: Instance, job: Job) -> Iterator[Constraint]:
    """Yield the limits of one job, except that it is required."""
    for rule in job_rules(instance, job):
        if rule.constraint is not None:
            yield rule.constraint


def _of(job: Job, **fields: Any) -> Callable[[Instance], Instance]:
    return lambda instance: with_job(instance, job.id, **fields)


def _shared(instance: Instance) -> Iterator[Constraint]:
    """Yield the capacities. To remove one is to have more of it than all jobs together can use."""
    pieces = sum(_most_gpus(job) for job in instance.jobs)
    cluster = instance.cluster
    for site in cluster.sites:
        for gpu in cluster.gpu_types:
            groups = [g for g in cluster.servers if (g.site, g.gpu_type) == (site.id, gpu.id)]
            if not groups:
                continue
            there = sum(g.count * g.gpus for g in groups)
            many = max(1, min(pieces, 4 * there + sum(job.min_gpus for job in instance.jobs)))

            def more(i: Instance, place: tuple[str, str] = (site.id, gpu.id), many: int = many) -> Instance:
                if i.decides == "counts":
                    return more_gpus(i, *place, many)
                for group in alike(instance):
                    if (group.site, group.gpu_type) == place:
                        i = more_servers(i, group.id, many)
                return i

            text = f"capacity of {gpu.id}@{site.id}: {there} {'GPU' if there == 1 else 'GPUs'}"
            yield Constraint(f"gpus:{gpu.id}@{site.id}", text, "capacity", more, _more_on_each(site.id, gpu.id, many))
        for field, noun in (("cpu_cores", "CPU cores"), ("memory_gb", "GB of memory")):
            mine = [g for g in cluster.servers if g.site == site.id]
            binds = says(instance, site.id, field)
            if mine and (binds or (instance.decides != "counts" and any(getattr(g, field) is not None for g in mine))):
                total = sum(g.count * (getattr(g, field) or 0.0) for g in mine)
                yield Constraint(
                    f"{field}@{site.id}", f"{noun} in {site.id}: {total:g}", "capacity", _unbound(site.id, field)
                )
    if instance.decides != "network":
        return
    for link in cluster.links:
        text = f"capacity of link {link.id} ({' - '.join(link.ends)}): {link.capacity_gbps:g} Gb/s"
        yield Constraint(f"link:{link.id}", text, "link", partial(faster_link, link=link.id, gbps=_MUCH))
    for group in cluster.servers:
        text = f"network of the servers of {group.id}: {group.network_gbps:g} Gb/s"
        # a rate is at least a hundredth of the fastest: much more would forbid slow rates
        much = 4 * max(g.network_gbps or 0.0 for g in cluster.servers if g.site == group.site)
        edit = partial(faster_servers, group=group.id, gbps=much)
        yield Constraint(f"network:{group.id}", text, "network", edit)


def _more_on_each(site: str, gpu_type: str, many: int) -> Callable[[Instance], Instance]:
    """Return an edit that gives each server of a pool more GPUs, where places are decided, and no cores or memory."""

    def edit(instance: Instance) -> Instance:
        if instance.decides == "counts":
            return more_gpus(instance, site, gpu_type, many)
        servers = tuple(
            replace(g, gpus=g.gpus + many) if (g.site, g.gpu_type) == (site, gpu_type) else g
            for g in instance.cluster.servers
        )
        return replace(instance, cluster=replace(instance.cluster, servers=servers))

    return edit


def _unbound(site: str, field: str) -> Callable[[Instance], Instance]:
    """Return an edit after which servers of a site do not say what they have, which then does not bind."""

    def edit(instance: Instance) -> Instance:
        servers = tuple(replace(g, **{field: None}) if g.site == site else g for g in instance.cluster.servers)
        return replace(instance, cluster=replace(instance.cluster, servers=servers))

    return edit


def _most_gpus(job: Job) -> int:
    """Return a number of GPUs that is enough for the job to run, and for what it holds."""
    listed = max((c.gpus for c in job.configurations), default=0)
    return max(job.min_gpus, job.max_gpus or 0, listed, 0 if job.holds is None else job.holds.gpus)
