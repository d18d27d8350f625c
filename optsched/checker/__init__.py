"""The independent checker: whether a plan keeps every rule and claims only true numbers.

It knows the instance and the true curves, and nothing of tables, models or solvers: it recomputes
every number in its own way, so that a mistake made there is found here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optsched.checker.truth import TOLERANCE, Truth, close, keeps
from optsched.curves import FloatArray
from optsched.instance import Instance, Job, ObjectiveSpec
from optsched.objectives import Rates, objective
from optsched.solution import Allocation

__all__ = ["TOLERANCE", "Report", "Violation", "check"]


@dataclass(frozen=True)
class Violation:
    """A broken rule: its name, who breaks it (a job, or a resource), and how."""

    rule: str
    who: str
    how: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.who}: {self.how}"


@dataclass(frozen=True)
class Report:
    """What the checker found; ``value`` is the objective, recomputed from the true curves."""

    violations: tuple[Violation, ...]
    value: float

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations


def check(
    instance: Instance,
    allocations: Sequence[Allocation],
    spec: ObjectiveSpec | None = None,
    claimed: float | None = None,
) -> Report:
    """Check a plan against an instance.

    Parameters
    ----------
    spec
        Objective of the plan; None: the instance's own.
    claimed
        The objective that the plan claims; None: it claims none.
    """
    truth = Truth(instance)
    held, violations = _one_each(truth, allocations)
    throughput = truth.throughputs(list(held.values()))
    for a, rate in zip(held.values(), throughput.tolist(), strict=True):
        violations += _own_rules(truth, truth.jobs[a.job], a, rate)
    violations += _capacity_rules(truth, held)
    violations += _placement_rules(truth, held)
    violations += _plan_rules(instance, held)
    value, wrong = _claims(truth, held, throughput, spec or instance.objective, claimed)
    return Report(tuple(violations + wrong), value)


def _one_each(truth: Truth, allocations: Sequence[Allocation]) -> tuple[dict[str, Allocation], list[Violation]]:
    """Return the first allocation of each known job, and those that are too many."""
    held: dict[str, Allocation] = {}
    violations = []
    for a in allocations:
        if a.job not in truth.jobs:
            violations.append(Violation("unknown-job", a.job, "is not in the instance"))
        elif a.job not in held:
            held[a.job] = a
        else:
            violations.append(Violation("one-allocation", a.job, "holds more than one allocation"))
    return held, violations


def _own_rules(truth: Truth, job: Job, a: Allocation, throughput: float) -> Iterator[Violation]:
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
    if not job.configurations:
        yield from _curve_rules(truth, job, a)
    fewest = truth.fewest_nodes(job, a.site, a.gpu_type, a.gpus)
    most = min(a.gpus, truth.servers(a.site, a.gpu_type))
    if fewest <= most and not fewest <= a.nodes <= most:
        yield broken("nodes", f"{a.gpus} GPUs on {a.nodes} nodes, and {fewest} to {most} are possible")
    if job.remaining_examples is not None:
        seconds = job.remaining_examples / (throughput * truth.efficiency(job, a))
        end = now + truth.lost_seconds(job, a) + seconds
        if job.deadline_s is not None and end > job.deadline_s * (1 + TOLERANCE):
            yield broken("deadline", f"ends at {end:g} s, after {job.deadline_s:g} s")
        cost = truth.prices.get(a.gpu_type, 0.0) * a.gpus * seconds / 3600
        if job.budget is not None and cost > job.budget * (1 + TOLERANCE):
            yield broken("budget", f"costs {cost:g}, more than {job.budget:g}")


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
    if a.local_batch is not None and limit is not None and a.local_batch > limit * (1 + TOLERANCE):
        yield Violation("memory", job.id, f"has {a.local_batch:g} examples a GPU, and {limit} fit the memory")
    if not _batch_allowed(job, a):
        batch = "no batch" if a.local_batch is None else f"batch {a.local_batch:g} x {a.gpus} x {a.accumulation}"
        yield Violation("batch", job.id, f"has {batch}, which is none of those that it may have")


def _batch_allowed(job: Job, a: Allocation) -> bool:
    if a.local_batch is None:
        return not (job.global_batches or job.local_batches)
    if job.holds is not None and job.holds.local_batch is not None and keeps(job, a):
        return True
    if job.global_batches:
        return any(close(a.gpus * a.local_batch * a.accumulation, batch) for batch in job.global_batches)
    return a.accumulation == 1 and any(close(a.local_batch, batch) for batch in job.local_batches)


def _capacity_rules(truth: Truth, held: dict[str, Allocation]) -> Iterator[Violation]:
    """Check the GPUs of each pool, and the CPU cores and the memory of each site."""
    gpus: dict[tuple[str, str], int] = defaultdict(int)
    others: dict[tuple[str, str, str], float] = defaultdict(float)
    for a in held.values():
        job = truth.jobs[a.job]
        ps = job.parameter_servers
        gpus[a.site, a.gpu_type] += a.gpus
        others["cpu_cores", "CPU cores", a.site] += job.cpu_cores_per_gpu * a.gpus + (
            ps.cpu_cores * a.servers if ps else 0.0
        )
        others["memory_gb", "GB of memory", a.site] += job.memory_gb_per_gpu * a.gpus + (
            ps.memory_gb * a.servers if ps else 0.0
        )
    for (site, gpu), used in gpus.items():
        if used > (there := truth.gpus(site, gpu)):
            yield Violation("capacity", f"{gpu}@{site}", f"{used} GPUs are held, and there are {there}")
    for (field, noun, site), amount in others.items():
        each = [(s.count, getattr(s, field)) for s in truth.instance.cluster.servers if s.site == site]
        if all(x is not None for _, x in each):
            there = sum(count * x for count, x in each)
            if amount > there * (1 + TOLERANCE):
                yield Violation("capacity", site, f"{amount:g} {noun} are held, and there are {there:g}")


def _placement_rules(truth: Truth, held: dict[str, Allocation]) -> Iterator[Violation]:
    """Check the servers that allocations name, where they name any."""
    used: dict[tuple[str, int], int] = defaultdict(int)
    groups = {group.id: group for group in truth.instance.cluster.servers}
    for a in held.values():
        if a.placement is None:
            continue
        if sum(a.placement.values()) != a.gpus or len(a.placement) != a.nodes:
            how = f"names {sum(a.placement.values())} GPUs on {len(a.placement)} servers"
            yield Violation("placement", a.job, f"{how} for {a.gpus} on {a.nodes}")
        limit = truth.jobs[a.job].max_gpus_per_server
        for server, count in a.placement.items():
            name, number = _server(server)
            group = groups.get(name)
            there = group is not None and (0 <= number < group.count if "/" in server else group.count == 1)
            if group is None or not there or (group.site, group.gpu_type) != (a.site, a.gpu_type):
                yield Violation("placement", a.job, f"server {server!r} is not one of {a.gpu_type} in {a.site}")
                continue
            used[name, number] += count
            if limit is not None and count > limit:
                yield Violation("spread", a.job, f"has {count} GPUs on {server}, and may have {limit}")
    for (name, number), count in used.items():
        if count > groups[name].gpus:
            yield Violation("capacity", f"{name}/{number}", f"{count} GPUs are held, and there are {groups[name].gpus}")


def _server(name: str) -> tuple[str, int]:
    """Return the group and the number of a server: ``group/number``, or ``group`` for its only one; -1 for none."""
    group, slash, number = name.partition("/")
    if not slash:
        return group, 0
    plain = number.isascii() and number.isdecimal() and str(int(number)) == number
    return group, int(number) if plain else -1


def _plan_rules(instance: Instance, held: dict[str, Allocation]) -> Iterator[Violation]:
    """Check what the plan as a whole must keep: required jobs, and the limit on moves."""
    for job in instance.jobs:
        if job.required and job.id not in held:
            yield Violation("required", job.id, "must run and does not")
    if instance.max_moves is not None:
        moved = [j.id for j in instance.jobs if j.holds and not (j.id in held and keeps(j, held[j.id]))]
        if len(moved) > instance.max_moves:
            how = f"{len(moved)} jobs lose or change what they hold, and {instance.max_moves} may"
            yield Violation("moves", ", ".join(moved[:5]), how)


def _claims(
    truth: Truth,
    held: dict[str, Allocation],
    throughput: FloatArray,
    spec: ObjectiveSpec,
    claimed: float | None,
) -> tuple[float, list[Violation]]:
    """Recompute what is claimed; return the true objective and the false claims."""
    jobs = [truth.jobs[name] for name in held]
    pairs = list(zip(jobs, held.values(), strict=True))
    share = np.array([truth.share(job, a) for job, a in pairs], dtype=np.float64)
    efficiency = np.array([truth.efficiency(job, a) for job, a in pairs], dtype=np.float64)
    reference = np.array([truth.reference(job) for job in jobs], dtype=np.float64)
    goodput = throughput * efficiency * share
    wrong = []
    for a, rate, progress in zip(held.values(), throughput.tolist(), (goodput / reference).tolist(), strict=True):
        for what, said, true in (("throughput", a.throughput, rate), ("progress", a.progress, progress)):
            if not (np.isnan(true) or close(said, true)):
                wrong.append(Violation(f"claimed-{what}", a.job, f"{said:.9g} is claimed, and {true:.9g} is true"))
    types = [gpu.id for gpu in truth.instance.cluster.gpu_types]
    known = [n for n, a in enumerate(held.values()) if a.gpu_type in types and not np.isnan(throughput[n])]
    pairs = [pairs[n] for n in known]
    numbers = {job.id: number for number, job in enumerate(truth.instance.jobs)}

    def value(wanted: ObjectiveSpec) -> float:
        """Return an objective of the plan, in its own unit and sign."""
        goal = objective(wanted)
        rates = Rates(
            instance=truth.instance,
            job=np.array([numbers[job.id] for job, _ in pairs], dtype=np.int64),
            gpu_type=np.array([types.index(a.gpu_type) for _, a in pairs], dtype=np.int64),
            gpus=np.array([a.gpus for _, a in pairs], dtype=np.float64),
            kept=np.array([keeps(job, a) for job, a in pairs], dtype=bool),
            share=share[known],
            weight=np.array([job.weight for job, _ in pairs], dtype=np.float64),
            reference=np.array([truth.measure(job, goal.base) for job, _ in pairs], dtype=np.float64),
            throughput=(throughput * share)[known],
            goodput=goodput[known],
            dominant_share=lambda: np.array([truth.dominant_share(job, a) for job, a in pairs], dtype=np.float64),
        )
        values = np.zeros(len(numbers))
        values[rates.job] = goal.value(rates)
        return goal.sign * goal.total(values, goal.parties(truth.instance))

    wrong += _broken_limits(truth.instance, value)
    total = value(spec)
    if claimed is not None and not close(claimed, total):
        wrong.append(Violation("claimed-objective", spec.name, f"{claimed:.9g} is claimed, and {total:.9g} is true"))
    return total, wrong


def _broken_limits(instance: Instance, value: Callable[[ObjectiveSpec], float]) -> Iterator[Violation]:
    """Check the limits on other objectives than the plan's own."""
    for limit in instance.limits:
        true = value(limit.objective)
        slack = TOLERANCE * max(abs(true), 1e-9)
        for bound, broken, word in (
            (limit.at_least, limit.at_least is not None and true < limit.at_least - slack, "at least"),
            (limit.at_most, limit.at_most is not None and true > limit.at_most + slack, "at most"),
        ):
            if broken:
                yield Violation("limit", limit.objective.name, f"is {true:.9g}, and must be {word} {bound:.9g}")
