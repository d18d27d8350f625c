"""Which servers may host each row: labels, taints, draining servers, and domains of the topology.

A job that must stand within one domain of a level has each of its rows once for every domain, so that all that reads
the table needs to know nothing but a set of servers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import IntArray
from optsched.instance import Instance, Job, ServerGroup
from optsched.instance.topology import canonical, names_of
from optsched.problem.configurations.table import ConfigurationColumns

__all__ = ["HostSets", "host_sets", "server_numbers", "why_no_servers", "with_hosts"]


@dataclass(frozen=True)
class HostSets:
    """Sets of servers, and those that each job may use.

    sets
        ``(sets, servers)``, the servers in the order of the file.
    counts
        Of each set: how many servers of each group are in it.
    of_job
        Numbers of the sets of each job: one of them for each domain that it may stand in; -1 for all servers.
    of_holding
        Number of the set of the servers that a job holds by name, by its number; -1 where it may not go on there.
    """

    sets: NDArray[np.bool_]
    counts: tuple[Mapping[str, int], ...]
    of_job: tuple[tuple[int, ...], ...]
    of_holding: Mapping[int, int]


def server_numbers(instance: Instance, names: Sequence[str]) -> IntArray:
    """Return the numbers of servers in the order of the file, shape of ``names``."""
    first, total = {}, 0
    for group in instance.cluster.servers:
        first[group.id] = total
        total += group.count
    found = []
    for name in names:
        group_id, slash, number = name.rpartition("/")
        found.append(first[name] if name in first else first[group_id] + int(number) if slash else first[name])
    return np.array(found, dtype=np.int64)


def host_sets(instance: Instance) -> HostSets | None:
    """Return the sets of servers of an instance; None where every job may use all servers."""
    groups = instance.cluster.servers
    selects = any(job.server_labels or job.within for job in instance.jobs)
    if not (selects or instance.cluster.draining or any(group.taints for group in groups)):
        return None
    names = [name for group in groups for name in names_of(group)]
    of_group = np.repeat(np.arange(len(groups)), [group.count for group in groups])
    draining = np.isin(names, [canonical(instance, name) for name in instance.cluster.draining])
    number: dict[bytes, int] = {}
    known: dict[object, tuple[int, ...]] = {}

    def numbered(chosen: NDArray[np.bool_]) -> int:
        return number.setdefault(chosen.tobytes(), len(number))

    of_job, of_holding = [], {}
    for j, job in enumerate(instance.jobs):
        key = tuple(job.server_labels.items()), job.tolerates, job.within
        if key not in known:
            fine = np.array([_allowed(job, group) for group in groups], dtype=bool)[of_group]
            domains = _domains(job, groups)
            open_to = [fine & ~draining & part[of_group] for part in domains]
            known[key] = tuple(-1 if part.all() else numbered(part) for part in open_to if part.any())
        of_job.append(known[key])
        if (holds := job.holds) is not None and (holds.placement or holds.server_placement):
            held = [canonical(instance, name) for name in (*(holds.placement or ()), *(holds.server_placement or ()))]
            here = server_numbers(instance, held)
            there = np.zeros(len(names), dtype=bool)
            there[here] = True
            stays = all(_allowed(job, groups[k]) for k in of_group[here].tolist())
            stays &= any(part[of_group[here]].all() for part in _domains(job, groups))
            of_holding[j] = numbered(there) if stays else -1
    sets = np.array([np.frombuffer(part, dtype=np.bool_) for part in number]).reshape(-1, len(names))
    counts = tuple(Counter(groups[k].id for k in of_group[part].tolist()) for part in sets)
    return HostSets(sets, counts, tuple(of_job), of_holding)


def _allowed(job: Job, group: ServerGroup) -> bool:
    """Tell whether a job's labels and taints let it use servers of a group."""
    labelled = all(group.labels.get(label) in values for label, values in job.server_labels.items())
    return labelled and set(group.taints) <= set(job.tolerates)


def _domains(job: Job, groups: Sequence[ServerGroup]) -> list[NDArray[np.bool_]]:
    """Return the groups of each domain that a job may stand in, shape ``(groups,)`` each; all without a level."""
    if job.within is None:
        return [np.ones(len(groups), dtype=bool)]
    level = job.within
    names = [(g.site, g.rack if level == "rack" else g.labels.get(level)) for g in groups]
    known = dict.fromkeys(name for name in names if name[1] is not None)
    return [np.array([name == domain for name in names], dtype=bool) for domain in known]


def with_hosts(
    instance: Instance, hosts: HostSets, job: IntArray, rows: ConfigurationColumns, kept: NDArray[np.bool_]
) -> tuple[IntArray, ConfigurationColumns, NDArray[np.bool_], IntArray]:
    """Return every row once for each set of servers that it may use, and the number of that set, -1 for all.

    What a job keeps on servers that are known stays on these, also where they are draining.
    """
    times = np.array([len(sets) for sets in hosts.of_job], dtype=np.int64)[job]
    named = np.array([j in hosts.of_holding for j in range(len(instance.jobs))], dtype=bool)
    stays = np.array([hosts.of_holding.get(j, -1) for j in range(len(instance.jobs))], dtype=np.int64)
    held = kept & named[job]
    times[held] = stays[job[held]] >= 0
    row = np.repeat(np.arange(len(job)), times)
    within = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
    most = max((len(sets) for sets in hosts.of_job), default=0)
    padded = np.array([[*sets, *[-1] * (most - len(sets))] for sets in hosts.of_job], dtype=np.int64)
    stand = padded.reshape(len(instance.jobs), most)[job[row], within] if most else np.empty(0, dtype=np.int64)
    stand = np.where(held[row], stays[job[row]], stand)
    return job[row], rows.take(row), kept[row], stand


def why_no_servers(instance: Instance, job: Job) -> str:
    """Say what keeps a job from all servers, if that is its labels, taints, draining servers or its level."""
    types = {*job.curves, *(c.gpu_type for c in job.configurations)}
    groups = [g for g in instance.cluster.servers if g.gpu_type in types]
    if groups and not any(_allowed(job, group) for group in groups):
        return "no server of its GPU types has its labels and only taints that it tolerates"
    if job.server_labels or job.within or instance.cluster.draining or any(g.taints for g in groups):
        level = "" if job.within is None else f", within one {job.within},"
        return (
            f"the servers that its labels, taints and draining servers leave it hold{level} none of its configurations"
        )
    return ""
