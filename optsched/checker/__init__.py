"""The independent checker: whether a plan keeps every rule and claims only true numbers.

It knows the instance and the true curves, and nothing of tables, models or solvers: it recomputes
every number in its own way, so that a mistake made there is found here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.checker.alone import empty_server_rules, runs_alone
from optsched.checker.copies import copy_rules, hourly_cost
from optsched.checker.memory import Memory
from optsched.checker.placement import capacity_rules, found_places, place_rules
from optsched.checker.quotas import quota_rules
from optsched.checker.recompute import TOLERANCE, Truth, close, keeps
from optsched.checker.rules import own_rules, plan_rules
from optsched.checker.selection import selection_rules
from optsched.checker.traffic import network_rules
from optsched.checker.violation import Violation
from optsched.instance import Instance, ObjectiveSpec, admit, admit_all
from optsched.instance.objectives import Rates, objective, one_objective
from optsched.instance.solution import Allocation

__all__ = ["TOLERANCE", "Memory", "Report", "Violation", "check", "check_plan"]


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
    instance: Instance | Path | str,
    allocations: Sequence[Allocation],
    spec: str | ObjectiveSpec | None = None,
    claimed: float | None = None,
) -> Report:
    """Check a plan against an instance.

    A plan that breaks rules is no error: the report names them.

    Parameters
    ----------
    instance
        An instance, or the path of its file.
    allocations
        The plan, e.g. ``result.allocations``; jobs without an allocation wait.
    spec
        Objective of the plan, e.g. ``"max-min"``; None: the instance's own.
    claimed
        The objective that the plan claims; None: it claims none.

    Raises
    ------
    InputError
        For an instance or an objective that is wrong, and for a field of an allocation of the wrong type.
    """
    instance = admit(instance)
    plan = admit_all(allocations, Allocation, "$.allocations")
    return check_plan(instance, plan, one_objective(spec, instance.objective), claimed)


def check_plan(
    instance: Instance,
    allocations: Sequence[Allocation],
    spec: ObjectiveSpec | None = None,
    claimed: float | None = None,
    memory: Memory | None = None,
) -> Report:
    """Check a plan as :func:`check` does, of an instance and records that are known to be valid.

    ``memory``: of earlier checks of the same cluster.
    """
    truth = Truth(instance, memory)
    held, violations = _one_each(truth, allocations)
    throughput = truth.throughputs(list(held.values()))
    for a, rate in zip(held.values(), throughput.tolist(), strict=True):
        violations += own_rules(truth, truth.jobs[a.job], a, rate)
    places = {name: found_places(truth, a) for name, a in held.items()}
    for name, a in held.items():
        violations += place_rules(truth, a, places[name])
        violations += selection_rules(truth, a, places[name])
    violations += capacity_rules(truth, held, places)
    for a in held.values():
        violations += empty_server_rules(truth, a)
    violations += network_rules(truth, held, places)
    violations += copy_rules(truth, held)
    violations += plan_rules(instance, held)
    violations += quota_rules(truth, held)
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
    reference = truth.references(jobs)
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
            reference=truth.measures([job for job, _ in pairs], goal.base),
            throughput=(throughput * share)[known],
            goodput=goodput[known],
            steady=(throughput * efficiency)[known],
            measure=lambda base: truth.measures(truth.instance.jobs, base),
            hourly_cost=lambda: np.array([hourly_cost(truth, job, a) for job, a in pairs], dtype=np.float64),
            dominant_share=lambda: np.array([truth.dominant_share(job, a) for job, a in pairs], dtype=np.float64),
        )
        values = np.zeros(len(numbers))
        values[rates.job] = goal.value(rates)
        able = None
        if goal.aggregate != "sum":  # a least value is over the jobs that can run
            able = np.array([job.id in held or runs_alone(truth, job) for job in truth.instance.jobs], dtype=bool)
        return goal.sign * goal.total(values, goal.parties(truth.instance, able)) + 0.0  # and no -0.0

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
