"""Random small instances against brute force: what optsched claims, and what is true.

    python -m benchmarks.campaign --minutes 15 --seed 1

Counts, placement and network rates, with weights from 1e-12 to 1e12 in a third of the instances. A fault is a plan that
the checker refuses, a value that no plan has, a bound below the optimum, ``optimal`` outside the gap asked for, or
``infeasible`` where there is a plan. The oracles of ``tests/support`` share no code with the package.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter

from msgspec.structs import replace

import optsched
from optsched.instance import Instance, loads
from optsched.instance.objectives import objective
from tests.support.oracle import best_plan
from tests.support.placement_instances import made
from tests.support.placement_oracle import best_placed

AREAS = ("counts", "placement", "network")
NEAR = 3e-6
"""Relative tolerance of the comparison, that of the checker included."""


def counted(seed: int) -> Instance:
    """Return an instance of counts: some jobs list their configurations, and some of these never fit."""
    draw = random.Random(seed)
    servers = [
        {"id": f"s{k}", "gpu_type": draw.choice("vw"), "gpus": draw.randint(1, 4), "memory_gb": 64}
        for k in range(draw.randint(1, 3))
    ]
    jobs = []
    for k in range(draw.randint(1, 4)):
        rates = [(gpus, draw.uniform(0.5, 2.0) * gpus**0.8) for gpus in draw.sample(range(1, 9), draw.randint(1, 4))]
        listed = [{"gpu_type": draw.choice("vw"), "gpus": g, "throughput": rate} for g, rate in rates]
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


def fault(instance: Instance, gap: float) -> tuple[str, str]:
    """Return what optsched claims, and what is wrong with it; empty where nothing is."""
    truth = best_plan(instance) if instance.decides == "counts" else best_placed(instance)
    result = optsched.solve(instance, gap=gap, time_limit=60)
    claim = str(result.status)
    if truth is None:
        return claim, "" if claim in ("infeasible", "unknown") else "a plan where there is none"
    if claim == "infeasible":
        return claim, "infeasible, and there is a plan"
    if result.value is None:
        return claim, ""
    best, slack = truth[0], NEAR * abs(truth[0])
    sign = objective(instance.objective).sign
    if not optsched.check(instance, result.allocations, claimed=result.value).ok:
        return claim, "the checker refuses the plan"
    if sign * (result.value - best) > slack:
        return claim, f"the value {result.value!r} is more than there is: {best!r}"
    if result.bound is not None and sign * (best - result.bound) > slack:
        return claim, f"the bound {result.bound!r} is below the optimum {best!r}"
    if claim == "optimal" and sign * (best - result.value) > gap * abs(best) + slack:
        return claim, f"optimal at {result.value!r}, and {best!r} is possible"
    return claim, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    until, seed = time.monotonic() + 60 * asked.minutes, 1_000_000 * asked.seed
    instances, claims, faults = Counter[str](), Counter[tuple[str, str]](), Counter[str]()
    while time.monotonic() < until:
        area = AREAS[seed % len(AREAS)]
        one = spread(counted(seed) if area == "counts" else made(seed, area, 2), seed)
        gap = 1e-3 if area == "network" else random.Random(seed).choice([0.0, 1e-4])
        claim, wrong = fault(one, gap)
        instances[area] += 1
        claims[area, claim] += 1
        if wrong:
            faults[area] += 1
            print(f"{area}, seed {seed}, gap {gap:g}: {wrong}", flush=True)
        seed += 1
    for area in AREAS:
        said = ", ".join(f"{count} {claim}" for (where, claim), count in sorted(claims.items()) if where == area)
        print(f"{area}: {instances[area]} instances ({said}), {faults[area]} faults")


if __name__ == "__main__":
    main()
