"""Every way to run a job in all places that it could have alone, for the brute force over plans with places.

Nothing of the tables, models, heuristics or the checker is used. Curves, traffic and rules are written once more, from
``docs/placement.md`` and the docstrings of the curves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from optsched.instance import Holding, Instance, Job, ServerGroup
from optsched.instance.solution import Allocation
from tests.support.rates_oracle import speed

__all__ = ["Option", "able", "options_of", "servers_of", "sides"]

Way = tuple[str, str, int, int, int, "float | None", int]
"""Site, GPU type, GPUs, nodes, parameter servers, examples a GPU and pass, passes."""


@dataclass(frozen=True)
class Server:
    name: str
    group: ServerGroup
    symmetry: object
    """Servers with equal ones are interchangeable."""


@dataclass(frozen=True)
class Option:
    """A way to run a job in some places.

    rate
        Examples/s at a network rate (or at rates, as an array).
    efficiency, share, reference
        As everywhere: progress is rate x efficiency x share / reference.
    least, most
        Network rates that may be chosen; both the same where one is asked for, both 0 where there is none.
    sends
        Of the rate, through each server's network and across each link.
    uses
        (server, GPUs, CPU cores, memory) of each server that it stands on.
    """

    job: Job
    number: int
    way: Way
    rate: Callable[[np.ndarray | float], np.ndarray | float]
    efficiency: float
    share: float
    reference: float
    kept: bool
    least: float
    most: float
    sends: tuple[float, ...]
    uses: tuple[tuple[int, float, float, float], ...]
    placement: dict[str, int]
    server_placement: dict[str, int]
    asks: bool

    @property
    def fixed(self) -> bool:
        return self.least == self.most

    def value(self, gbps: np.ndarray | float, goal: str) -> np.ndarray | float:
        """Return what the job counts for at a network rate."""
        net = self.rate(gbps) * self.share
        if goal == "throughput":
            return net
        progress = net * self.efficiency / self.reference
        return progress * self.job.weight if goal == "progress" else progress / (self.job.weight or 1.0)

    def allocation(self, gbps: float) -> Allocation:
        site, gpu_type, gpus, nodes, servers, batch, passes = self.way
        rate = float(self.rate(gbps))
        return Allocation(
            job=self.job.id,
            site=site,
            gpu_type=gpu_type,
            gpus=gpus,
            nodes=nodes,
            servers=servers,
            local_batch=batch,
            accumulation=passes,
            gbps=gbps if self.asks else None,
            placement=self.placement,
            server_placement=self.server_placement or None,
            throughput=rate,
            progress=rate * self.efficiency * self.share / self.reference,
        )


def servers_of(instance: Instance) -> list[Server]:
    named = set()
    for job in instance.jobs:
        if job.holds is not None:
            named |= set(job.holds.placement or ()) | set(job.holds.server_placement or ())
    found = []
    for group in instance.cluster.servers:
        for number in range(group.count):
            name = group.id if group.count == 1 else f"{group.id}/{number}"
            alone = name in named or f"{group.id}/{number}" in named
            found.append(Server(name, group, (group.id, number) if alone else group.id))
    return found


def sides(instance: Instance, servers: list[Server]) -> list[tuple[float, set[int]]]:
    """Return for each link its capacity, and the servers on one of its sides."""
    linked = {end for link in instance.cluster.links for end in link.ends}
    home = [s.group.rack if s.group.rack in linked else s.group.site for s in servers]
    found = []
    for link in instance.cluster.links:
        side, waiting = {link.ends[0]}, [link.ends[0]]
        while waiting:
            place = waiting.pop()
            for other in instance.cluster.links:
                if other is not link and place in other.ends:
                    beyond = other.ends[0] if other.ends[1] == place else other.ends[1]
                    if beyond not in side:
                        side.add(beyond)
                        waiting.append(beyond)
        found.append((link.capacity_gbps, {k for k, place in enumerate(home) if place in side}))
    return found


def sent(way: Way, workers: dict[int, int], parameter: dict[int, int], inside: set[int]) -> float:
    """Return what a set of servers sends to the others, as a part of the job's rate."""
    gpus, nodes, count = way[2:5]
    if count == 0:
        here = sum(k in inside for k in workers)
        return 1.0 if 0 < here < nodes else 0.0
    total = 0.0
    for k, w in workers.items():
        for j, p in parameter.items():
            if (k in inside) != (j in inside):
                total += w * p / max(gpus, count)
    return total


def pools(servers: list[Server]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for number, server in enumerate(servers):
        if server.group.gpu_type is not None:
            found.setdefault((server.group.site, server.group.gpu_type), []).append(number)
    return found


def packed(sizes: list[int], gpus: int, most: int | None) -> int:
    """Return the fewest servers that hold so many GPUs; one more than there are where none do."""
    left, nodes = gpus, 0
    for size in sorted((min(size, most or size) for size in sizes), reverse=True):
        if left <= 0:
            break
        left, nodes = left - size, nodes + 1
    return nodes if left <= 0 else len(sizes) + 1


def batches(instance: Instance, job: Job, gpu_type: str, gpus: int) -> Iterator[tuple[float | None, int]]:
    """Yield the examples a GPU and pass, and the passes, that a job may choose."""
    limit = instance.curves[job.curves[gpu_type]].max_local_batch or math.inf
    if not job.global_batches and not job.local_batches:
        yield None, 1
    for batch in job.local_batches:
        if batch <= limit:
            yield float(batch), 1
    for whole in job.global_batches:
        passes = 1
        while whole / gpus / passes > limit:
            passes += 1
        if whole / gpus / passes >= 1:
            yield whole / gpus / passes, passes


def worth(job: Job, gpus: int, batch: float | None, passes: int) -> float:
    if job.efficiency is None or batch is None:
        return 1.0
    noise, reference = job.efficiency.noise_scale, job.efficiency.reference_batch
    return min(1.0, (noise + reference) / (noise + gpus * batch * passes))


Raw = tuple[Way, Callable[..., "np.ndarray | float | None"], float, "float | None", bool]
"""A way, its speed at a rate (None: as measured), its efficiency, the rate that it asks for, and if it is only held."""


def raw(instance: Instance, servers: list[Server], job: Job) -> Iterator[Raw]:
    """Yield every way to run a job on any number of nodes."""
    for (site, gpu_type), members in pools(servers).items():
        sizes = [servers[k].group.gpus for k in members]
        if job.sites is not None and site not in job.sites:
            continue
        for c in job.configurations:
            if c.gpu_type == gpu_type and c.site in (None, site):
                fewest = packed(sizes, c.gpus, job.max_gpus_per_server)
                nodes = c.nodes or fewest
                if fewest <= nodes <= len(sizes):
                    way = site, gpu_type, c.gpus, nodes, c.servers, c.local_batch, c.accumulation
                    yield way, lambda _, rate=c.throughput: rate, c.efficiency, c.gbps, False
        if gpu_type not in job.curves:
            continue
        curve, ps, h = instance.curves[job.curves[gpu_type]], job.parameter_servers, job.holds
        for gpus in range(job.min_gpus, min(job.max_gpus or sum(sizes), sum(sizes)) + 1, job.gpu_multiple):
            offered = list(batches(instance, job, gpu_type, gpus))
            for nodes in range(packed(sizes, gpus, job.max_gpus_per_server), min(gpus, len(sizes)) + 1):
                for count in range(ps.minimum, ps.maximum + 1) if ps else [0]:
                    chosen = [(batch, passes, False) for batch, passes in offered]
                    here = site, gpu_type, gpus, count
                    held = h is not None and (h.site, h.gpu_type, h.gpus, h.servers) == here
                    if held and h.local_batch is not None and (h.local_batch, 1) not in offered:
                        chosen.append((h.local_batch, 1, True))
                    for batch, passes, only_held in chosen:
                        way = site, gpu_type, gpus, nodes, count, batch, passes

                        def rate(gbps, curve=curve, way=way):
                            return speed(curve, way[2], way[3], way[5], way[6], way[4], gbps)

                        if rate(None) is not None:
                            yield way, rate, worth(job, gpus, batch, passes), None, only_held


def reference(instance: Instance, servers: list[Server], job: Job, everything: list[Raw]) -> float:
    """Return the goodput of progress 1.0: given, or the best at the fewest GPUs, packed and as it was measured."""
    wanted = job.reference
    if wanted is not None and wanted.goodput is not None:
        return wanted.goodput
    found = []
    for way, rate, efficiency, _, only_held in everything:
        sizes = [servers[k].group.gpus for k in pools(servers)[way[:2]]]
        tight = bool(job.configurations) or way[3] == packed(sizes, way[2], job.max_gpus_per_server)
        asked = wanted is None or (wanted.gpu_type == way[1] and wanted.gpus in (None, way[2]))
        if tight and asked and not only_held:
            found.append((way[2], rate(None) * efficiency))
    least = min((gpus for gpus, _ in found), default=0)
    return max((goodput for gpus, goodput in found if gpus == least), default=1.0)


def places(instance: Instance, servers: list[Server], job: Job, way: Way) -> Iterator[tuple[dict, dict]]:
    """Yield the GPUs, and the parameter servers, on each server by its number."""
    site, gpu_type, gpus, nodes, count = way[:5]
    whole, more = divmod(gpus, nodes)
    members = pools(servers)[site, gpu_type]
    racks: dict[str | None, list[int]] = {}
    for number, server in enumerate(servers):
        if server.group.site == site:
            racks.setdefault(server.group.rack, []).append(number)
    for chosen in itertools.combinations(members, nodes):
        for larger in itertools.combinations(chosen, more):
            workers = {k: whole + (k in larger) for k in chosen}
            if any(n > min(servers[k].group.gpus, job.max_gpus_per_server or n) for k, n in workers.items()):
                continue
            if count == 0:
                yield workers, {}
            for rack in racks.values() if count else ():
                free = [k for k in rack if k not in workers]
                yield from ((workers, dict.fromkeys(some, 1)) for some in itertools.combinations(free, count))


def keeps(holds: Holding, way: Way, placement: dict[str, int], parameter: dict[str, int]) -> bool:
    def plain(named: dict[str, int]) -> dict[str, int]:
        return {name.removesuffix("/0"): count for name, count in named.items()}

    return (
        (holds.site, holds.gpu_type, holds.gpus, holds.servers) == (way[0], way[1], way[2], way[4])
        and holds.nodes in (None, way[3])
        and (holds.local_batch is None or (way[5] is not None and math.isclose(holds.local_batch, way[5])))
        and (holds.placement is None or plain(holds.placement) == plain(placement))
        and (holds.server_placement is None or plain(holds.server_placement) == plain(parameter))
    )


def options_of(
    instance: Instance, servers: list[Server], links: list[tuple[float, set[int]]], job: Job
) -> Iterator[Option]:
    """Yield every way to run a job now in all places, each of which it could have alone."""
    everything = list(raw(instance, servers, job))
    base = reference(instance, servers, job, everything)
    price = {gpu.id: gpu.hourly_price for gpu in instance.cluster.gpu_types}
    network = instance.decides == "network"
    if job.arrival_s > instance.now_s:
        return
    ps = job.parameter_servers
    for number, (way, rate, efficiency, asked, only_held) in enumerate(everything):
        site, gpu_type, gpus, nodes, count = way[:5]
        floor = 0.01 * max((s.group.network_gbps or 0.0) for s in servers if s.group.site == site)
        curve = instance.curves[job.curves[gpu_type]] if job.curves else None
        chosen = network and curve is not None and curve.on_network
        chosen = chosen and (nodes > 1 or curve.scaling == "parameter_servers")
        asks = chosen or (network and asked is not None and (nodes > 1 or count > 0))
        if chosen and curve.reference_gbps is None:
            continue
        for workers, parameter in places(instance, servers, job, way):
            uses = []
            for k in {*workers, *parameter}:
                w, p = workers.get(k, 0), parameter.get(k, 0)
                cores = job.cpu_cores_per_gpu * w + (ps.cpu_cores * p if ps else 0.0)
                memory = job.memory_gb_per_gpu * w + (ps.memory_gb * p if ps else 0.0)
                uses.append((k, float(w), cores, memory))
            placement = {servers[k].name: n for k, n in workers.items()}
            server_placement = {servers[k].name: n for k, n in parameter.items()}
            kept = job.holds is not None and keeps(job.holds, way, placement, server_placement)
            if only_held and not kept:
                continue
            lost = job.restart_s if job.holds is not None and not kept else 0.0
            sends = [0.0] * (len(servers) + len(links))
            if asks:
                sends = [sent(way, workers, parameter, {k}) for k in range(len(servers))]
                sends += [sent(way, workers, parameter, inside) for _, inside in links]
            limits = [s.group.network_gbps or math.inf for s in servers] + [capacity for capacity, _ in links]
            most = min((limit / part for limit, part in zip(limits, sends, strict=True) if part), default=math.inf)
            least = floor if chosen else (asked or 0.0) if asks else 0.0
            if least > most * (1 + 1e-12):
                continue
            most = most if chosen else least
            needed = 0.0  # examples/s, to end in time and within the budget
            if job.remaining_examples is not None:
                work = job.remaining_examples / efficiency
                if job.deadline_s is not None:
                    left = job.deadline_s - instance.now_s - lost
                    needed = work / left if left > 0 else math.inf
                if job.budget is not None and price[gpu_type] > 0:
                    cost = price[gpu_type] * gpus * work / 3600
                    needed = max(needed, cost / job.budget if job.budget > 0 else math.inf)
            at = rate if chosen else (lambda gbps, rate=rate: rate(None) + 0.0 * gbps)
            if at(most) < needed * (1 - 1e-12):
                continue
            yield Option(
                job=job,
                number=number,
                way=way,
                rate=at,
                efficiency=efficiency,
                share=max(0.0, 1 - lost / instance.round_s),
                reference=base,
                kept=kept,
                least=least_rate(at, needed, least, most),
                most=most,
                sends=tuple(sends),
                uses=tuple(uses),
                placement=placement,
                server_placement=server_placement,
                asks=asks,
            )


def least_rate(rate: Callable[[float], float], needed: float, low: float, high: float) -> float:
    """Return the least network rate at which the speed is enough, by bisection."""
    if low == high or rate(low) >= needed:
        return low
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if rate(middle) >= needed else (middle, high)
    return high


def able(instance: Instance, job: Job) -> bool:
    """Tell whether a job can run while nothing else does: in some places, at a rate that links and servers carry."""
    alone = replace(instance, jobs=(job,))
    servers = servers_of(alone)
    for option in options_of(alone, servers, sides(alone, servers), job):
        limits = [(servers[k].group, uses) for k, *uses in option.uses]
        there = [(float(g.gpus), g.cpu_cores, g.memory_gb) for g, _ in limits]
        if all(
            x is None or amount <= x + 1e-9
            for (_, uses), has in zip(limits, there, strict=True)
            for amount, x in zip(uses, has, strict=True)
        ):
            return True
    return False
