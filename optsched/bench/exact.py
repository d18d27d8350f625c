"""Plans in rational arithmetic: counts, capacities and the objective without any rounding.

Numbers of an instance count as the decimals that stand in its file: 0.1 is 1/10. What follows from them by + - x / is
then exact: what a plan takes of GPUs, CPU cores, memory and network rates, and objectives that are rational functions
of throughputs. *Not* exact is what comes out of curves: roots and powers in floating point. Those throughputs, and
references that follow from them, are taken as the floats that they are, and everything after them is exact again.

The other rules (who may stand where, deadlines, budgets) are the checker's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isnan

import networkx as nx

from optsched.checker.copies import hourly_cost
from optsched.checker.recompute import Truth, close, keeps
from optsched.instance import Instance, Job, ObjectiveSpec, link_graph
from optsched.instance.objectives import objective
from optsched.instance.server_names import Server, server_of
from optsched.instance.solution import Allocation

__all__ = ["OBJECTIVES", "Exact", "exact"]

OBJECTIVES = ("progress", "throughput", "goodput", "running", "max-min", "cost")
"""Whose value is a rational number."""


@dataclass(frozen=True)
class Exact:
    """What a plan comes to.

    violations
        Counts and capacities that are exceeded, by how much exactly.
    value
        The objective; None for one that is not rational, or where a job runs in no way that has a throughput.
    by_curves
        Whether throughputs of curves are in it, which are floats taken as given.
    """

    violations: tuple[str, ...]
    value: Fraction | None
    by_curves: bool


def _number(x: float) -> Fraction:
    """Return a number of the file: the shortest decimal that means this float."""
    return Fraction(repr(x))


def exact(instance: Instance, allocations: Sequence[Allocation], spec: ObjectiveSpec | None = None) -> Exact:
    """Add a plan up; raise KeyError for a job or a GPU type that the instance does not have (ask the checker first)."""
    truth = Truth(instance)
    over = [
        *_counts(truth, allocations),
        *_pools(truth, allocations),
        *(_sites(truth, allocations) if instance.decides == "counts" else _servers(truth, allocations)),
        *(_network(truth, allocations) if instance.decides == "network" else ()),
    ]
    wanted = spec or instance.objective
    rational = wanted.name in OBJECTIVES and not wanted.parameters
    value = _objective(truth, allocations, wanted) if rational else None
    by_curves = any(not truth.jobs[a.job].configurations for a in allocations)
    return Exact(tuple(over), value, by_curves and wanted.name not in ("running", "cost"))


def _above(what: str, used: Fraction | int, there: Fraction | int) -> Iterator[str]:
    if used > there:
        yield f"{what}: {used} is held, {there} is there, {float(used - there):.3g} too much"


def _counts(truth: Truth, allocations: Sequence[Allocation]) -> Iterator[str]:
    """Check that no job is there twice, counts of GPUs, required jobs and the limit on moves."""
    held = [a.job for a in allocations]
    yield from (f"{name} is there twice" for name in sorted({n for n in held if held.count(n) > 1}))
    for a in allocations:
        job = truth.jobs[a.job]
        listed = sorted({c.gpus for c in job.configurations})
        most = job.max_gpus or truth.gpus(a.site, a.gpu_type)
        fits = a.gpus in listed if listed else job.min_gpus <= a.gpus <= most
        stepped = bool(listed) or (a.gpus - job.min_gpus) % job.gpu_multiple == 0
        if not (keeps(job, a) or (fits and stepped)):
            yield f"{a.job} has {a.gpus} GPUs, which it cannot run on"
        if a.placement is not None and (sum(a.placement.values()), len(a.placement)) != (a.gpus, a.nodes):
            yield f"{a.job} has {a.gpus} GPUs on {a.nodes} servers, and names others"
    yield from (f"{job.id} must run" for job in truth.instance.jobs if job.required and job.id not in held)
    if (most_moves := truth.instance.max_moves) is not None:
        own = {a.job: a for a in allocations}
        holding = [job for job in truth.instance.jobs if job.holds is not None]
        moved = sum(job.id not in own or not keeps(job, own[job.id]) for job in holding)
        yield from _above("moves", moved, most_moves)


def _pools(truth: Truth, allocations: Sequence[Allocation]) -> Iterator[str]:
    used: dict[tuple[str, str], int] = defaultdict(int)
    for a in allocations:
        used[a.site, a.gpu_type] += a.gpus
    for pool, gpus in used.items():
        yield from _above(f"GPUs {pool[1]}@{pool[0]}", gpus, truth.gpus(*pool))


def _needs(job: Job, workers: int, servers: int) -> tuple[Fraction, Fraction]:
    """Return CPU cores and memory (GB) of workers and parameter servers."""
    cores, memory = _number(job.cpu_cores_per_gpu) * workers, _number(job.memory_gb_per_gpu) * workers
    if (ps := job.parameter_servers) is not None:
        cores, memory = cores + _number(ps.cpu_cores) * servers, memory + _number(ps.memory_gb) * servers
    return cores, memory


def _sites(truth: Truth, allocations: Sequence[Allocation]) -> Iterator[str]:
    """Add up the cores and the memory of each site all of whose servers say what they have."""
    used: dict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for a in allocations:
        for k, amount in enumerate(_needs(truth.jobs[a.job], a.gpus, a.servers)):
            used[a.site][k] += amount
    for site, amounts in used.items():
        groups = [group for group in truth.groups.values() if group.site == site]
        for field, amount in zip(("cpu_cores", "memory_gb"), amounts, strict=True):
            each = [(group.count, getattr(group, field)) for group in groups]
            if all(x is not None for _, x in each):
                yield from _above(f"{field} of {site}", amount, sum((n * _number(x) for n, x in each), Fraction(0)))


def _spots(truth: Truth, a: Allocation) -> dict[Server, tuple[int, int]]:
    """Return the workers and the parameter servers of an allocation on each server."""
    found: dict[Server, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for which, named in enumerate((a.placement or {}, a.server_placement or {})):
        for name, count in named.items():
            if (server := server_of(name, truth.groups)) is not None:
                workers, servers = found[server]
                found[server] = (workers + count, servers) if which == 0 else (workers, servers + count)
    return found


def _servers(truth: Truth, allocations: Sequence[Allocation]) -> Iterator[str]:
    """Add up the GPUs, the cores and the memory of each server."""
    used: dict[Server, list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 3)
    for a in allocations:
        for server, (workers, servers) in _spots(truth, a).items():
            more = [Fraction(workers), *_needs(truth.jobs[a.job], workers, servers)]
            used[server] = [x + y for x, y in zip(used[server], more, strict=True)]
    for (name, number), amounts in used.items():
        group = truth.groups[name]
        limits = {"gpus": float(group.gpus), "cpu_cores": group.cpu_cores, "memory_gb": group.memory_gb}
        for (field, there), amount in zip(limits.items(), amounts, strict=True):
            if there is not None:
                yield from _above(f"{field} of {name}/{number}", amount, _number(there))


def _network(truth: Truth, allocations: Sequence[Allocation]) -> Iterator[str]:
    """Add up what leaves each server, and what crosses each link."""
    graph = link_graph(truth.instance.cluster)
    through: dict[Server, Fraction] = defaultdict(Fraction)
    across: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for a in allocations:
        spots = _spots(truth, a)
        for server, spot in spots.items():
            through[server] += _sent(a, {server: spot})
        for above, below in list(graph.edges):
            near = _side(graph, (above, below))
            places = {s: truth.groups[s[0]].rack or truth.groups[s[0]].site for s in spots}
            across[above, below] += _sent(a, {s: spot for s, spot in spots.items() if places[s] in near})
    for (name, number), amount in through.items():
        if (there := truth.groups[name].network_gbps) is not None:
            yield from _above(f"Gb/s of {name}/{number}", amount, _number(there))
    for ends, amount in across.items():
        if (capacity := graph.edges[ends]["capacity_gbps"]) != float("inf"):
            yield from _above(f"Gb/s of {graph.edges[ends]['id']}", amount, _number(capacity))


def _side(graph: nx.Graph[str], edge: tuple[str, str]) -> set[str]:
    """Return the places on the second side of a link of a forest."""
    rest = nx.restricted_view(graph, [], [edge])
    return set(nx.node_connected_component(rest, edge[1]))


def _sent(a: Allocation, inside: Mapping[Server, tuple[int, int]]) -> Fraction:
    """Return the Gb/s between some of an allocation's servers and its others.

    All-reduce: its rate, where its workers stand on both sides. Parameter servers: the rate over the larger number
    of the two kinds, for each worker and parameter server on different sides.
    """
    rate = Fraction(0) if a.gbps is None else _number(a.gbps)
    workers, servers = (sum(spot[k] for spot in inside.values()) for k in (0, 1))
    if a.servers == 0:
        return rate if 0 < sum(w > 0 for w, _ in inside.values()) < a.nodes else Fraction(0)
    pairs = workers * (a.servers - servers) + servers * (a.gpus - workers)
    return rate * pairs / max(a.gpus, a.servers)


def _objective(truth: Truth, allocations: Sequence[Allocation], spec: ObjectiveSpec) -> Fraction | None:
    """Return the objective, in its own unit and sign; None where a job runs in no way that has a throughput."""
    rates = truth.throughputs(allocations).tolist()
    if any(isnan(rate) for rate in rates):
        return None
    value = _VALUES[spec.name]
    own = {a.job: value(_Way(truth, a, rate)) for a, rate in zip(allocations, rates, strict=True)}
    if spec.name != "max-min":
        return sum(own.values(), Fraction(0))
    instance = truth.instance
    parties = objective(spec).parties(instance).tolist()
    counted = [own.get(job.id, Fraction(0)) for job, k in zip(instance.jobs, parties, strict=True) if k >= 0]
    return min(counted, default=Fraction(0))


@dataclass(frozen=True)
class _Way:
    """How a job runs, with its throughput by the curve, which counts only where none is listed."""

    truth: Truth
    a: Allocation
    rate: float

    @property
    def job(self) -> Job:
        return self.truth.jobs[self.a.job]

    @property
    def throughput(self) -> Fraction:
        """Examples/s, net of what a restart loses of the round."""
        listed = self.truth.listed(self.job, self.a)
        lost = _number(self.truth.lost_seconds(self.job, self.a)) / _number(self.truth.instance.round_s)
        return (Fraction(self.rate) if listed is None else _number(listed.throughput)) * (1 - min(Fraction(1), lost))

    @property
    def goodput(self) -> Fraction:
        return self.anywhere * _number(self.job.affinity.get(self.a.site, 1.0))

    @property
    def anywhere(self) -> Fraction:
        """Goodput before the site's factor."""
        if (listed := self.truth.listed(self.job, self.a)) is not None:
            return self.throughput * _number(listed.efficiency)
        if (of := self.job.efficiency) is None or self.a.local_batch is None:
            return self.throughput
        product = self.a.gpus * self.a.local_batch * self.a.accumulation
        whole = next((m for m in self.job.global_batches if close(m, product)), None)
        batch = _number(self.a.local_batch) * self.a.gpus * self.a.accumulation if whole is None else Fraction(whole)
        noise = _number(of.noise_scale)
        return self.throughput * min(Fraction(1), (noise + _number(of.reference_batch)) / (noise + batch))

    @property
    def progress(self) -> Fraction:
        return self.goodput / _reference(self.truth, self.job)

    @property
    def cost(self) -> Fraction:
        """Price of the GPUs per hour, and of copying the data (as the float that the checker finds)."""
        gpus = self.a.gpus * _number(self.truth.prices[self.a.site][self.a.gpu_type])
        copies = hourly_cost(self.truth, self.job, self.a)
        return gpus if close(float(gpus), copies) else Fraction(copies)

    @property
    def weight(self) -> Fraction:
        return _number(self.job.weight)


_VALUES: dict[str, Callable[[_Way], Fraction]] = {
    "progress": lambda way: way.weight * way.progress,
    "throughput": lambda way: way.throughput,
    "goodput": lambda way: way.goodput,
    "running": lambda way: Fraction(1),
    "max-min": lambda way: way.progress / (way.weight or 1),
    "cost": lambda way: way.cost,
    "profit": lambda way: way.weight * way.progress - way.cost,
}


def _reference(truth: Truth, job: Job) -> Fraction:
    """Return the goodput of progress 1.0: as given, the best listed at the fewest GPUs, or the float of a curve."""
    wanted = job.reference
    if wanted is not None and wanted.goodput is not None:
        return _number(wanted.goodput)
    if not job.configurations:
        return Fraction(truth.reference(job))
    sites = [site.id for site in truth.instance.cluster.sites if job.sites is None or site.id in job.sites]
    best: dict[int, Fraction] = {}
    for c in job.configurations:
        if wanted is not None and (wanted.gpu_type not in (None, c.gpu_type) or wanted.gpus not in (None, c.gpus)):
            continue
        for site in sites:
            fewest = truth.fewest_nodes(job, site, c.gpu_type, c.gpus)
            fits = c.gpus <= truth.gpus(site, c.gpu_type) and fewest <= (c.nodes or fewest)
            if fits and c.site in (None, site) and (c.nodes or fewest) <= truth.servers(site, c.gpu_type):
                factor = _number(c.efficiency) * _number(job.affinity.get(site, 1.0))
                best[c.gpus] = max(best.get(c.gpus, Fraction(0)), _number(c.throughput) * factor)
    return best[min(best)] if best else Fraction(1)
