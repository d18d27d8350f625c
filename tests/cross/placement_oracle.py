"""Brute force over plans with places and network rates: every way, every server, and the best rates of each.

Nothing of the tables, models, heuristics or the checker is used. Curves, traffic and rules are written once more, from
``docs/placement.md`` and the docstrings of the curves; ``tests/cross/rates_oracle.py`` finds the best rates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from optsched.instance import Holding, Instance, Job, ServerGroup
from optsched.solution import Allocation
from tests.cross.rates_oracle import Rated, best_rates, speed

__all__ = ["best_placed"]

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
            job=self.job.id, site=site, gpu_type=gpu_type, gpus=gpus, nodes=nodes, servers=servers, local_batch=batch,
            accumulation=passes, gbps=gbps if self.asks else None, placement=self.placement,
            server_placement=self.server_placement or None, throughput=rate,
            progress=rate * self.efficiency * self.share / self.reference,
        )  # fmt: skip


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
                job=job, number=number, way=way, rate=at, efficiency=efficiency,
                share=max(0.0, 1 - lost / instance.round_s), reference=base, kept=kept,
                least=least_rate(at, needed, least, most), most=most, sends=tuple(sends), uses=tuple(uses),
                placement=placement, server_placement=server_placement, asks=asks,
            )  # fmt: skip


def least_rate(rate: Callable[[float], float], needed: float, low: float, high: float) -> float:
    """Return the least network rate at which the speed is enough, by bisection."""
    if low == high or rate(low) >= needed:
        return low
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if rate(middle) >= needed else (middle, high)
    return high


class Search:
    """Depth first through the jobs, the best options first; branches that cannot beat the best plan are left out."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.goal = instance, instance.objective.name
        self.servers = servers_of(instance)
        links = sides(instance, self.servers)
        groups = [s.group for s in self.servers]
        self.free = [
            [float(g.gpus), *(math.inf if x is None else x for x in (g.cpu_cores, g.memory_gb))] for g in groups
        ]
        self.rest = [g.network_gbps or math.inf for g in groups] + [capacity for capacity, _ in links]
        self.touched = [0] * len(groups)
        self.options: list[list[tuple[float, Option]]] = []
        for job in instance.jobs:
            found = [(float(o.value(o.most, self.goal)), o) for o in options_of(instance, self.servers, links, job)]
            self.options.append(sorted(found, key=lambda pair: -pair[0]))
        self.counts = {
            job.id: self.goal != "max-min" or (job.weight > 0 and job.arrival_s <= instance.now_s)
            for job in instance.jobs
        }
        self.counted = list(self.counts.values())
        self.best, self.plan = -math.inf, None
        self.known: dict[object, tuple[float, tuple[float, ...]]] = {}

    def run(self) -> tuple[float, list[Allocation]] | None:
        self.go([], [], 0)
        if self.plan is None:
            return None
        chosen, rates = self.plan
        return self.best, [o.allocation(gbps) for o, gbps in zip(chosen, rates, strict=True)]

    def together(self, values: list[float]) -> float:
        """Return the objective of values of the counted jobs."""
        return sum(values) if self.goal != "max-min" else min(values, default=0.0)

    def go(self, chosen: list[Option], values: list[float], moves: int) -> None:
        number = len(chosen)
        later = [self.options[k][0][0] if self.options[k] else 0.0 for k in range(number + 1, len(self.options))]
        later = [value for value, counts in zip(later, self.counted[number + 1 :], strict=True) if counts]
        so_far = [value for value, counts in zip(values, self.counted, strict=False) if counts]
        if number == len(self.options):
            return self.leaf([o for o in chosen if o is not None])
        job = self.instance.jobs[number]
        ways = [*self.options[number], *([] if job.required else [(0.0, None)])]
        for value, option in ways:
            here = [value] if self.counted[number] else []
            reach = self.together([*so_far, *here, *later])
            if self.plan is not None and reach <= self.best + 1e-11 * abs(self.best):
                break  # the options are sorted
            moved = moves + (job.holds is not None and not (option is not None and option.kept))
            if self.instance.max_moves is not None and moved > self.instance.max_moves:
                continue
            if option is None:
                self.go([*chosen, None], [*values, 0.0], moved)
            elif self.ordered(option) and self.take(option, 1):
                if not self.hopeless([o for o in [*chosen, option] if o is not None], later):
                    self.go([*chosen, option], [*values, value], moved)
                self.take(option, -1)
        return None

    def ordered(self, option: Option) -> bool:
        """Tell whether an option uses equal servers that nobody uses yet from the first on."""
        uses = {k: (w, option.server_placement.get(self.servers[k].name, 0)) for k, w, _, _ in option.uses}
        last: dict[object, tuple[float, int]] = {}
        for k, server in enumerate(self.servers):
            if not self.touched[k]:
                mine = uses.get(k, (0.0, 0))
                if server.symmetry in last and mine > last[server.symmetry]:
                    return False
                last[server.symmetry] = mine
        return True

    def take(self, option: Option, sign: int) -> bool:
        """Take or give back what an option uses at its least rate; take nothing where that is not there."""
        if sign > 0:
            fits = all(
                amount <= there + 1e-9
                for k, *amounts in option.uses
                for amount, there in zip(amounts, self.free[k], strict=True)
            )
            sends = zip(option.sends, self.rest, strict=True)
            if not fits or any(part * option.least > rest * (1 + 1e-12) + 1e-12 for part, rest in sends if part):
                return False
        for k, *amounts in option.uses:
            self.touched[k] += sign
            for number, amount in enumerate(amounts):
                self.free[k][number] -= sign * amount
        for number, part in enumerate(option.sends):
            self.rest[number] -= sign * part * option.least
        return True

    def solved(self, chosen: list[Option], others: list[Option]) -> tuple[float, dict[str, float]]:
        """Return the best value, and the rates of it, of some chosen jobs, while others send their least.

        Jobs that nobody has decided on yet, or that do not run, count for nothing here.
        """
        fixed = [float(o.value(o.least, self.goal)) for o in chosen if o.fixed and self.counts[o.job.id]]
        rated = [o for o in chosen if not o.fixed]
        rows: dict[tuple[float, ...], float] = {}
        for k, rest in enumerate(self.rest):
            parts = tuple(o.sends[k] for o in rated)
            if any(parts):
                # what is taken of the rest includes their own least rates
                limit = round(rest + sum(part * o.least for part, o in zip(parts, rated, strict=True)), 12)
                rows[parts] = min(rows.get(parts, math.inf), limit)
        least = self.goal == "max-min"
        key = (
            tuple((o.job.id, o.number, o.kept, o.least) for o in rated),
            frozenset(rows.items()),
            tuple(fixed) if least else (),
        )
        if key not in self.known:
            variables = [
                Rated(o.least, o.most, (lambda b, o=o: o.value(b, self.goal)) if self.counts[o.job.id] else None)
                for o in rated
            ]
            self.known[key] = best_rates(variables, list(rows.items()), least, fixed if least else [])
        value, rates = self.known[key]
        given = dict(zip((o.job.id for o in rated), rates, strict=True))
        return value if least else value + sum(fixed), {
            o.job.id: given.get(o.job.id, o.least) for o in [*chosen, *others]
        }

    def hopeless(self, chosen: list[Option], later: list[float]) -> bool:
        """Tell whether any two of the jobs that choose their rates keep a choice from beating the best plan."""
        rated = [o for o in chosen if not o.fixed]
        rest = [float(o.value(o.most, self.goal)) for o in chosen if o.fixed and self.counts[o.job.id]]
        for pair in itertools.combinations(rated, 2) if self.plan is not None else ():
            others = [o for o in rated if o not in pair]
            more = [float(o.value(o.most, self.goal)) for o in others if self.counts[o.job.id]]
            value, _ = self.solved(list(pair), others)
            if self.together([value, *more, *rest, *later]) <= self.best + 1e-11 * abs(self.best):
                return True
        return False

    def leaf(self, chosen: list[Option]) -> None:
        """Find the best rates of a complete choice, and keep it if it is the best so far."""
        value, rates = self.solved(chosen, [])
        running = {o.job.id for o in chosen}
        idle = any(counts and name not in running for name, counts in self.counts.items())
        if self.goal == "max-min" and (idle or not any(self.counts.values())):
            value = 0.0
        if self.plan is None or value > self.best:
            self.best, self.plan = value, (chosen, [rates[o.job.id] for o in chosen])


def best_placed(instance: Instance) -> tuple[float, list[Allocation]] | None:
    """Return the best objective of an instance that decides on places or rates, and a plan of it; None where none is.

    For progress, throughput and max-min. The rates are best within a relative 1e-8 or so of the objective.
    """
    return Search(instance).run()
