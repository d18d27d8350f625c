"""Random small instances against brute force: what optsched claims, and what is true.

    python -m benchmarks.campaign --minutes 15 --seed 1 --areas counts placement

Counts, policies (every objective, limits, lexicographic order), placement, network rates and schedules, with weights
from 1e-12 to 1e12 in a third of the instances, pools of ten million GPUs, and jobs that can never run. A fault is a
plan that the checker refuses, a value that no plan has, a bound below the optimum, ``optimal`` outside the gap asked
for, or ``infeasible`` where there is a plan. Plans are changed at random, and the checker must agree with a second one.
The oracles of ``tests/support`` share no code with the package.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

import optsched
from optsched.instance import GpuType, Instance, Job, Limit, ObjectiveSpec, loads
from optsched.instance.objectives import objective
from optsched.instance.solution import Allocation
from optsched.schedule import GOALS, plan
from tests.support import policies, schedule_oracle
from tests.support.naive_checker import legal, mutants
from tests.support.oracle import best_plan, plans
from tests.support.placement_instances import made
from tests.support.placement_oracle import best_placed
from tests.support.schedule_instances import LENGTH, small

AREAS = ("counts", "policies", "placement", "network", "schedule")
NEAR = 3e-6
"""Relative tolerance of the comparison, that of the checker included."""
MUTANTS = 6
"""Changed plans of each instance."""
_MOST = 1000
"""GPUs up to which the second checker, which counts them one by one, is asked."""


def counted(seed: int) -> Instance:
    """Return an instance of counts: some jobs list their configurations, and some of these never fit."""
    draw = random.Random(seed)
    unit = 800_000 if draw.random() < 0.1 else 1  # pools of millions of GPUs
    servers = [
        {"id": f"s{k}", "gpu_type": draw.choice("vw"), "gpus": unit * draw.randint(1, 4), "memory_gb": 64 * unit}
        for k in range(draw.randint(1, 3))
    ]
    jobs = []
    for k in range(draw.randint(1, 4)):
        rates = [(gpus, draw.uniform(0.5, 2.0) * gpus**0.8) for gpus in draw.sample(range(1, 9), draw.randint(1, 4))]
        listed = [{"gpu_type": draw.choice("vw"), "gpus": unit * g, "throughput": rate} for g, rate in rates]
        jobs.append(
            {
                "id": f"j{k}",
                "configurations": listed,
                "weight": draw.choice([1.0, 1.0, 3.0]),
                "memory_gb_per_gpu": draw.choice([0.0, 0.0, 10.0, 40.0, 80.0]),
                "required": draw.random() < 0.1,
            }
        )
    record = {
        "format": "optsched/1",
        "cluster": {"gpu_types": [{"id": "v"}, {"id": "w"}], "servers": servers},
        "jobs": jobs,
        "objective": {"name": draw.choice(["progress", "throughput", "max-min"])},
        "decides": "counts",
    }
    return loads(json.dumps(record))


def spread(instance: Instance, seed: int) -> Instance:
    """Return the instance with weights of many orders of magnitude, in a third of the cases."""
    draw = random.Random(seed)
    if draw.random() > 1 / 3:
        return instance
    most = draw.choice([3, 6, 12])
    return replace(instance, jobs=tuple(replace(j, weight=10.0 ** draw.uniform(-most, most)) for j in instance.jobs))


def policed(seed: int) -> Instance:
    """Return an instance of counts with any objective, tenants, work to do, and a limit in a third of the cases."""
    draw, base = random.Random(seed), counted(seed)
    name, parameters = draw.choice([*policies.POLICIES, *policies.LEXICOGRAPHIC])
    types = tuple(GpuType(id=g.id, hourly_price=draw.choice([0.5, 2.0]), watts=300.0) for g in base.cluster.gpu_types)
    jobs = tuple(
        replace(
            job,
            tenant=draw.choice(["red", "blue"]),
            remaining_examples=120.0,
            attained_gpu_s=draw.choice([0.0, 7200.0]),
            deadline_s=draw.choice([None, None, 40.0]),
        )
        for job in base.jobs
    )
    limits: tuple[Limit, ...] = ()
    if draw.random() < 1 / 3:
        bound = {draw.choice(["at_most", "at_least"]): draw.choice([0.5, 1.0, 2.0, 4.0])}
        limits = (
            Limit(objective=ObjectiveSpec(name=draw.choice(["progress", "goodput", "running", "cost"])), **bound),
        )
    return replace(
        base,
        cluster=replace(base.cluster, gpu_types=types),
        jobs=jobs,
        limits=limits,
        objective=ObjectiveSpec(name=name, parameters=parameters),
    )


def truth_of(instance: Instance, area: str) -> float | None:
    """Return the best value of any plan; None where there is no plan."""
    if area == "policies":
        spec = instance.objective
        if not spec.parameters.get("lexicographic"):
            return policies.best(instance)
        allowed = (p for p in plans(instance) if all(policies.keeps(instance, p, limit) for limit in instance.limits))
        vectors = [policies.vector(instance, p, spec) for p in allowed]
        return None if not vectors else next(iter(max(vectors)), 0.0)
    best = best_plan(instance) if area == "counts" else best_placed(instance)
    return None if best is None else best[0]


def fault(instance: Instance, gap: float, area: str, seed: int) -> tuple[str, str]:
    """Return what optsched claims, and what is wrong with it; empty where nothing is."""
    truth = truth_of(instance, area)
    result = optsched.solve(instance, gap=gap, time_limit=60)
    claim = str(result.status)
    if wrong := _misjudged(instance, result.allocations, seed):
        return claim, wrong
    if truth is None:
        return claim, "" if claim in ("infeasible", "unknown") else "a plan where there is none"
    if claim == "infeasible":
        return claim, "infeasible, and there is a plan"
    if result.value is None:
        return claim, ""
    if not optsched.check(instance, result.allocations, claimed=result.value).ok:
        return claim, "the checker refuses the plan"
    return claim, _wrong(result.value, result.bound, claim, truth, gap, objective(instance.objective).sign)


def _wrong(value: float, bound: float | None, claim: str, best: float, gap: float, sign: float) -> str:
    """Return what is wrong with a value and a bound; empty where nothing is."""
    slack = NEAR * abs(best)
    if sign * (value - best) > slack:
        return f"the value {value!r} is more than there is: {best!r}"
    if bound is not None and sign * (best - bound) > slack:
        return f"the bound {bound!r} is below the optimum {best!r}"
    if claim == "optimal" and sign * (best - value) > gap * max(abs(best), abs(value)) + slack:
        return f"optimal at {value!r}, and {best!r} is possible"
    return ""


def _misjudged(instance: Instance, found: Sequence[Allocation], seed: int) -> str:
    """Return a plan on which the two checkers differ; empty where they agree. They are held to rules, not to limits."""
    if instance.limits or sum(group.gpus for group in instance.cluster.servers if group.gpu_type) > _MOST:
        return ""
    for changed in (list(found), *mutants(instance, found, random.Random(seed), MUTANTS)):
        if optsched.check(instance, changed).ok != legal(instance, changed):
            return f"the checkers differ on {changed}"
    return ""


def scheduled(seed: int) -> tuple[str, str]:
    """Return what a schedule claims, and what is wrong with it."""
    name = random.Random(seed).choice(list(GOALS))
    instance, horizon, capacity = small(seed, name)

    def fits(job: Job) -> bool:
        return any(
            c.gpus <= capacity["v@main"]
            and all(
                sum(d.fixed + d.per_gpu * c.gpus for d in shared.demands if d.job in (None, job.id)) <= shared.capacity
                for shared in horizon.resources
            )
            for c in job.configurations
        )

    able = tuple(job for job in instance.jobs if job.required or fits(job) or GOALS[name].rejects)
    cost = schedule_oracle.best(replace(instance, jobs=able), horizon, capacity, LENGTH)
    result = plan(instance, horizon, gap=0.0, time_limit=60)
    claim = str(result.status)
    if cost is None or result.value is None:
        agrees = (cost is None) == (result.value is None) or claim == "unknown"
        return claim, "" if agrees else f"{name}: {result.value!r} is claimed, and {cost!r} is true"
    sign = 1.0 if GOALS[name].sense == "max" else -1.0
    wrong = _wrong(result.value, result.bound, claim, -sign * cost, 1e-9, sign)
    return claim, wrong and f"{name}: {wrong}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--areas", nargs="*", choices=AREAS, default=list(AREAS))
    asked = parser.parse_args()
    until, seed = time.monotonic() + 60 * asked.minutes, 1_000_000 * asked.seed
    instances, claims, faults = Counter[str](), Counter[tuple[str, str]](), Counter[str]()
    while time.monotonic() < until:
        area = asked.areas[seed % len(asked.areas)]
        gap = 1e-3 if area == "network" else random.Random(seed).choice([0.0, 1e-4])
        if area == "schedule":
            claim, wrong = scheduled(seed)
        elif area == "policies":
            claim, wrong = fault(policed(seed), gap, area, seed)
        else:
            drawn = counted(seed) if area == "counts" else made(seed, area, 2)
            claim, wrong = fault(spread(drawn, seed), gap, area, seed)
        instances[area] += 1
        claims[area, claim] += 1
        if wrong:
            faults[area] += 1
            print(f"{area}, seed {seed}, gap {gap:g}: {wrong}", flush=True)
        seed += 1
    for area in asked.areas:
        said = ", ".join(f"{count} {claim}" for (where, claim), count in sorted(claims.items()) if where == area)
        print(f"{area}: {instances[area]} instances ({said}), {faults[area]} faults")


if __name__ == "__main__":
    main()
