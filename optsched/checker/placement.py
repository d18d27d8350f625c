"""Rules of places: servers that exist, pieces that are even and apart, and what each server and each pool has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from optsched.checker.recompute import TOLERANCE, Truth
from optsched.checker.violation import Violation
from optsched.instance import ServerGroup
from optsched.instance.server_names import Server, plain, server_of
from optsched.instance.solution import Allocation

__all__ = ["Places", "capacity_rules", "found_places", "place_rules"]


@dataclass(frozen=True)
class Places:
    """Where an allocation stands, of what it names rightly: workers, and parameter servers, on each server."""

    workers: Mapping[Server, int]
    servers: Mapping[Server, int]


def found_places(truth: Truth, a: Allocation) -> Places:
    """Return the places that an allocation names, without servers that do not exist or that it may not use."""

    def found(named: dict[str, int] | None, gpu_type: str | None) -> dict[Server, int]:
        counts: dict[Server, int] = defaultdict(int)
        for name, count in (named or {}).items():
            server = server_of(name, truth.groups)
            if server is not None and _usable(truth.groups[server[0]], a.site, gpu_type):
                counts[server] += count
        return dict(counts)

    return Places(found(a.placement, a.gpu_type), found(a.server_placement, None))


def _usable(group: ServerGroup, site: str, gpu_type: str | None) -> bool:
    """Tell whether servers stand in a site and have a GPU type; None: any, or none."""
    return group.site == site and gpu_type in (None, group.gpu_type)


def place_rules(truth: Truth, a: Allocation, places: Places) -> Iterator[Violation]:
    """Check the places of one allocation; where the plan does not decide on them, those that its workers name."""
    decided = truth.instance.decides != "counts"
    if a.placement is not None or decided:
        yield from _workers_rules(truth, a, places)
    if not decided:
        return
    yield from _servers_rules(truth, a, places)
    pieces = places.workers.values()
    if pieces and max(pieces) - min(pieces) > 1:
        yield Violation("even", a.job, f"has {max(pieces)} GPUs on one server, and {min(pieces)} on another")
    for (group, number), count in places.servers.items():
        own = places.workers.get((group, number), 0)
        if count > 1 or own:
            how = f"has {count} parameter servers and {own} GPUs on {group}/{number}"
            yield Violation("apart", a.job, how)
    racks = {(truth.groups[group].site, truth.groups[group].rack) for group, _ in places.servers}
    if len(racks) > 1:
        names = ", ".join(sorted("no rack" if rack is None else rack for _, rack in racks))
        yield Violation("one-rack", a.job, f"has its parameter servers in {names}")


def _workers_rules(truth: Truth, a: Allocation, places: Places) -> Iterator[Violation]:
    """Check that the workers stand where they can, on as many servers as the allocation says."""
    if a.placement is None:
        yield Violation("placement", a.job, "names no servers")
        return
    gpus, nodes = sum(a.placement.values()), len(set(map(plain, a.placement)))
    if (gpus, nodes) != (a.gpus, a.nodes):
        yield Violation("placement", a.job, f"names {gpus} GPUs on {nodes} servers for {a.gpus} on {a.nodes}")
    for name in a.placement:
        server = server_of(name, truth.groups)
        if server is None or server not in places.workers:
            yield Violation("placement", a.job, f"server {name!r} is not one of {a.gpu_type} in {a.site}")
    limit = truth.jobs[a.job].max_gpus_per_server
    for (group, number), count in places.workers.items():
        if limit is not None and count > limit:
            yield Violation("spread", a.job, f"has {count} GPUs on {group}/{number}, and may have {limit}")


def _servers_rules(truth: Truth, a: Allocation, places: Places) -> Iterator[Violation]:
    """Check that all parameter servers stand in the job's site."""
    named = a.server_placement or {}
    if sum(named.values()) != a.servers:
        yield Violation("placement", a.job, f"places {sum(named.values())} of {a.servers} parameter servers")
    for name in named:
        server = server_of(name, truth.groups)
        if server is None or server not in places.servers:
            yield Violation("placement", a.job, f"server {name!r} is not one in {a.site}")


def capacity_rules(truth: Truth, held: Mapping[str, Allocation], places: Mapping[str, Places]) -> Iterator[Violation]:
    """Check the GPUs of pools and servers; CPU cores and memory of servers, or of sites where no place is decided.

    Parameters
    ----------
    held, places
        The allocation, and what it names of places, of each job.
    """
    gpus: dict[tuple[str, str], int] = defaultdict(int)
    for a in held.values():
        gpus[a.site, a.gpu_type] += a.gpus
    for (site, gpu), used in gpus.items():
        if used > (there := truth.gpus(site, gpu)):
            yield Violation("capacity", f"{gpu}@{site}", f"{used} GPUs are held, and there are {there}")
    yield from _full_servers(truth, held, places)
    if truth.instance.decides == "counts":
        yield from _full_sites(truth, held)


def _needs(truth: Truth, a: Allocation, workers: int, servers: int) -> tuple[float, float]:
    """Return the CPU cores and the memory (GB) of some of an allocation's workers and parameter servers."""
    job = truth.jobs[a.job]
    cores, memory = job.cpu_cores_per_gpu * workers, job.memory_gb_per_gpu * workers
    if (ps := job.parameter_servers) is not None:
        cores, memory = cores + ps.cpu_cores * servers, memory + ps.memory_gb * servers
    return cores, memory


def _full_servers(truth: Truth, held: Mapping[str, Allocation], places: Mapping[str, Places]) -> Iterator[Violation]:
    """Check what each server has: its GPUs wherever places are named, cores and memory where they are decided."""
    used: dict[Server, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for name, a in held.items():
        at = places[name]
        for server in {*at.workers, *at.servers}:
            workers, servers = at.workers.get(server, 0), at.servers.get(server, 0)
            for number, amount in enumerate((workers, *_needs(truth, a, workers, servers))):
                used[server][number] += amount
    for (name, number), amounts in used.items():
        group = truth.groups[name]
        limits = [(group.gpus, "GPUs"), (group.cpu_cores, "CPU cores"), (group.memory_gb, "GB of memory")]
        for (there, noun), amount in zip(
            limits[: 1 if truth.instance.decides == "counts" else 3], amounts, strict=False
        ):
            if there is not None and amount > there * (1 + TOLERANCE):
                yield Violation("capacity", f"{name}/{number}", f"{amount:g} {noun} are held, and there are {there:g}")


def _full_sites(truth: Truth, held: Mapping[str, Allocation]) -> Iterator[Violation]:
    """Check the CPU cores and the memory of each site of which every server says what it has."""
    used: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for a in held.values():
        for number, amount in enumerate(_needs(truth, a, a.gpus, a.servers)):
            used[a.site][number] += amount
    for site, amounts in used.items():
        groups = [group for group in truth.groups.values() if group.site == site]
        for field, noun, amount in zip(("cpu_cores", "memory_gb"), ("CPU cores", "GB of memory"), amounts, strict=True):
            each = [(group.count, getattr(group, field)) for group in groups]
            if all(x is not None for _, x in each):
                there = sum(count * x for count, x in each)
                if amount > there * (1 + TOLERANCE):
                    yield Violation("capacity", site, f"{amount:g} {noun} are held, and there are {there:g}")
