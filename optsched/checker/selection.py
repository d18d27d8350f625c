"""Rules of servers: the labels and taints that a job must keep to, draining servers, and domains of the topology."""

from __future__ import annotations

from collections.abc import Iterator

from optsched.checker.placement import Places
from optsched.checker.recompute import Truth, keeps
from optsched.checker.violation import Violation
from optsched.instance import Job, ServerGroup
from optsched.instance.server_names import server_of
from optsched.instance.solution import Allocation

__all__ = ["domain_of", "selection_rules", "usable"]


def usable(job: Job, group: ServerGroup) -> str:
    """Return why a job may not use the servers of a group; empty where it may."""
    for label, values in job.server_labels.items():
        if group.labels.get(label) not in values:
            return f"is labelled {label}={group.labels.get(label, '')!r}, and must be one of {', '.join(values)}"
    for taint in group.taints:
        if taint not in job.tolerates:
            return f"has the taint {taint!r}, which it does not tolerate"
    return ""


def domain_of(level: str, group: ServerGroup) -> tuple[str, str] | None:
    """Return the domain of a level that the servers of a group are in; None for none."""
    name = group.rack if level == "rack" else group.labels.get(level)
    return None if name is None else (group.site, name)


def selection_rules(truth: Truth, a: Allocation, places: Places) -> Iterator[Violation]:
    """Check every server that an allocation stands on."""
    if truth.instance.decides == "counts":
        return
    job, used = truth.jobs[a.job], {*places.workers, *places.servers}
    stays = set()
    if job.holds is not None and keeps(job, a):
        named = (*(job.holds.placement or ()), *(job.holds.server_placement or ()))
        stays = {server_of(name, truth.groups) for name in named}
    draining = {server_of(name, truth.groups) for name in truth.instance.cluster.draining}
    for server in sorted(used):
        group = truth.groups[server[0]]
        if why := usable(job, group):
            yield Violation("servers", job.id, f"server {server[0]}/{server[1]} {why}")
        if server in draining and server not in stays:
            yield Violation("draining", job.id, f"server {server[0]}/{server[1]} is draining, and takes no new job")
    if job.within is not None:
        domains = {domain_of(job.within, truth.groups[name]) for name, _ in used}
        if None in domains or len(domains) > 1:
            names = ", ".join(sorted("none" if d is None else d[1] for d in domains))
            yield Violation("within", job.id, f"must stand within one {job.within}, and stands in {names}")
