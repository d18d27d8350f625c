"""From what Slurm tells to a cluster and its jobs, as the scheduler takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optsched._util.files import convert
from optsched.errors import InputError, shown
from optsched.instance import Cluster, GpuType, ServerGroup
from optsched.integrations.comment import described, told
from optsched.integrations.slurm.records import Node, SlurmJob
from optsched.scheduler import LiveJob

__all__ = ["View", "view_of"]

HAVE = ("RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "STOPPED")
"""States in which a job's GPUs are taken."""


@dataclass(frozen=True)
class View:
    """A cluster that Slurm runs, as the scheduler sees it.

    cluster
        Nodes as servers by their names, without GPUs that jobs of others have; None where none is left.
    jobs
        Jobs of optsched, by the text of their numbers.
    slurm
        The same jobs as Slurm tells them.
    stray
        Jobs that Slurm would start anywhere, since they are neither held nor placed.
    notes
        What was left out, and why.
    """

    cluster: Cluster | None
    jobs: list[LiveJob]
    slurm: dict[str, SlurmJob]
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    stray: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def view_of(
    queue: Sequence[SlurmJob],
    nodes: Sequence[Node],
    curves: Collection[str] = (),
    partition: str | None = None,
    given_up: Collection[int] = (),
) -> View:
    """Return what the scheduler is told.

    Parameters
    ----------
    curves
        Names of known curves: a job follows ``NAME/TYPE`` on each GPU type of which there is one, NAME being what its
        comment says as ``curves`` or ``application``.
    partition
        Whose nodes and jobs are planned; None: the only one with GPUs.
    given_up
        Released jobs that wait for too long for their nodes, which are planned anew.
    """
    own_nodes, notes = _nodes(nodes, partition)
    types = {node.name: next(iter(node.gpus)) for node in own_nodes}
    mine: dict[str, SlurmJob] = {}
    words: dict[str, dict[str, Any]] = {}
    for job in queue:
        if job.asked is None or job.state not in ("PENDING", "RUNNING", "CONFIGURING"):
            continue
        try:
            said = told(job.comment)
        except InputError as error:
            notes.append(f"job {job.id} is left alone: {error}")
            continue
        if said is not None and (partition is None or job.partition == partition):
            mine[str(job.id)], words[str(job.id)] = job, said
    foreign: Counter[str] = Counter()
    for job in queue:
        if job.state in HAVE and str(job.id) not in mine:
            foreign.update(job.on)
    usable = {n.name: max(0, n.gpus[types[n.name]] - foreign[n.name]) for n in own_nodes if n.usable}
    held: Counter[str] = Counter()
    jobs, stray = [], []
    for name, job in mine.items():
        holds, pinned = _held(job, usable, types, given_up)
        held.update(holds)
        try:
            jobs.append(_live(job, words[name], holds, types, curves, pinned))
        except InputError as error:
            notes.append(f"job {job.id} is left alone: {error}")
            continue
        if job.state == "PENDING" and not job.held and not holds:
            stray.append(job.id)
    there = {live.id for live in jobs}
    for name in mine.keys() - there:
        for node, gpus in mine[name].on.items():
            usable[node] = max(0, usable.get(node, 0) - gpus)
    mine = {name: job for name, job in mine.items() if name in there}
    sizes = {node.name: usable.get(node.name, held[node.name]) for node in own_nodes}
    return View(_cluster(sizes, types), jobs, mine, words, tuple(stray), tuple(notes))


def _nodes(nodes: Sequence[Node], partition: str | None) -> tuple[list[Node], list[str]]:
    """Return the nodes with GPUs of one partition, and what is to be said of the others."""
    with_gpus = [node for node in nodes if node.gpus]
    names = sorted({name for node in with_gpus for name in node.partitions})
    if partition is not None and partition not in names:
        raise InputError(
            f"a partition with GPUs: {', '.join(names) or 'there is none'}", path="--partition", value=shown(partition)
        )
    if partition is None and len(names) > 1:
        raise InputError(f"one of the partitions with GPUs: {', '.join(names)}", path="--partition", value="none")
    own = [node for node in with_gpus if partition is None or partition in node.partitions]
    notes = [f"node {node.name} is left out: it has GPUs of several types" for node in own if len(node.gpus) > 1]
    notes += [f"node {node.name} takes nothing new: it is {node.state}" for node in own if not node.usable]
    return [node for node in own if len(node.gpus) == 1], notes


def _held(
    job: SlurmJob, usable: Mapping[str, int], types: Mapping[str, str], given_up: Collection[int]
) -> tuple[dict[str, int], bool]:
    """Return the GPUs that a job has, or was just given, by node, and whether it must keep them."""
    if job.on:
        drained = any(name not in usable for name in job.on)  # it goes on there, and could not come back
        return (dict(job.on), drained or not job.requeue) if all(name in types for name in job.on) else ({}, False)
    if job.state != "PENDING" or job.held or not job.required or job.id in given_up:
        return {}, False
    asked = job.asked
    names = sorted(job.required)
    if asked is None or job.most_nodes not in (0, len(names)):
        return {}, False
    share = _even(asked[1], names)
    fits = all(share[name] <= usable.get(name, 0) for name in names)
    return (share, True) if fits and len({types[name] for name in names}) == 1 else ({}, False)


def _even(gpus: int, names: Sequence[str]) -> dict[str, int]:
    """Return GPUs spread over nodes as evenly as they go."""
    each, more = divmod(gpus, len(names))
    return {name: each + (index < more) for index, name in enumerate(names) if each + (index < more)}


def _live(
    job: SlurmJob,
    said: Mapping[str, Any],
    holds: Mapping[str, int],
    types: Mapping[str, str],
    curves: Collection[str],
    pinned: bool,
) -> LiveJob:
    """Return a job of the scheduler."""
    assert job.asked is not None
    wanted, gpus = job.asked
    allowed = [name for name in sorted(set(types.values())) if wanted in ("", name)]
    fields = described(said, job.name or str(job.id), gpus, allowed, curves)
    fields |= {"id": str(job.id), "arrival_s": job.submitted_s, "restarts": job.restarts, "current": None}
    if holds:
        gpu_type = types[next(iter(holds))]
        fields["current"] = {
            "gpu_type": gpu_type,
            "gpus": sum(holds.values()),
            "nodes": len(holds),
            "placement": dict(holds),
        }
        fields["pinned"] = pinned or bool(said.get("pinned", False))
    return convert(fields, LiveJob)


def _cluster(sizes: Mapping[str, int], types: Mapping[str, str]) -> Cluster | None:
    groups = tuple(ServerGroup(id=name, gpu_type=types[name], gpus=gpus) for name, gpus in sizes.items() if gpus > 0)
    if not groups:
        return None
    return Cluster(gpu_types=_types(types.values()), servers=groups)


def _types(names: Iterable[str]) -> tuple[GpuType, ...]:
    return tuple(GpuType(id=name) for name in sorted(set(names)))
