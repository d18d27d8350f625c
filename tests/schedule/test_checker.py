"""Valid schedules broken by one rule each: the checker must name that rule, and no other."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import optsched.schedule.checker
from optsched.errors import InputError
from optsched.instance import Instance
from optsched.schedule import Demand, Horizon, Reservation, Run, Shared, check, plan
from tests.support.builders import cluster, instance, job

replace = msgspec.structs.replace
Runs = tuple[Run, ...]
WORK = {"remaining_examples": 160.0, "max_gpus": 4}
"""16 s on one GPU, 10 s on two, 8 s on three, 7 s on four, by Amdahl's curve."""


def one(name: str, **changes: Any) -> Callable[[Runs], Runs]:
    """Return what changes the run of one job; ``start_s`` moves its end along."""

    def change(runs: Runs) -> Runs:
        (mine,) = (run for run in runs if run.job == name)
        new = replace(mine, **changes)
        if "start_s" in changes and "end_s" not in changes:
            new = replace(new, end_s=new.start_s + mine.end_s - mine.start_s)
        return tuple(new if run.job == name else run for run in runs)

    return change


def wide(runs: Runs) -> Runs:
    """Return both jobs on three GPUs at once."""
    return tuple(replace(run, gpus=3, nodes=1, start_s=0.0, end_s=8.0, throughput=20.0) for run in runs)


def shortened(name: str, gpus: int, seconds: float) -> Callable[[Runs], Runs]:
    def change(runs: Runs) -> Runs:
        (mine,) = (run for run in runs if run.job == name)
        return one(name, gpus=gpus, throughput=160 / seconds, end_s=mine.start_s + seconds)(runs)

    return change


TWO = instance(job("a", **WORK), job("b", **WORK))
ALONE = instance(job("a", **WORK))
DUE = instance(job("a", deadline_s=9.0, **WORK), job("b", **WORK), cluster=cluster(4, 4))
MUST = instance(job("a", deadline_s=9.0, required=True, **WORK), job("b", **WORK), cluster=cluster(4, 4))
HELD = instance(job("a", holds={"gpu_type": "v", "gpus": 4}, restart_s=3.0, **WORK))
CPUS = {**cluster(4), "servers": [{"id": "s", "gpu_type": "v", "gpus": 4, "cpu_cores": 4}]}
MAKESPAN = Horizon(objective="makespan", horizon_s=100)
ON_TIME = Horizon(objective="on-time", horizon_s=100)
NET = Horizon(
    objective="makespan", horizon_s=100, resources=(Shared(name="net", capacity=4.0, demands=(Demand(per_gpu=1.0),)),)
)
RESERVED = Horizon(
    objective="makespan", horizon_s=100, reservations=(Reservation(resource="v@main", amount=2, start_s=0, end_s=5),)
)

CASES: dict[str, tuple[str, Instance, Horizon, Callable[[Runs], Runs]]] = {
    "a job that does not exist": ("unknown-job", TWO, ON_TIME, lambda r: (*r, replace(r[0], job="ghost"))),
    "a job in two parts": ("one-run", TWO, ON_TIME, lambda r: (*r, replace(r[0], start_s=50.0, end_s=60.0))),
    "before now": ("arrival", replace(ALONE, now_s=5.0), MAKESPAN, one("a", start_s=4.0)),
    "before the arrival": ("arrival", instance(job("a", arrival_s=5.0, **WORK)), MAKESPAN, one("a", start_s=4.0)),
    "shorter than it takes": ("duration", ALONE, MAKESPAN, one("a", end_s=6.5)),
    "longer than it takes": ("duration", ALONE, MAKESPAN, one("a", end_s=7.5)),
    "no restart for what changes": ("duration", HELD, MAKESPAN, one("a", start_s=1.0)),
    "after a hard deadline": ("deadline", MUST, MAKESPAN, one("a", start_s=8.0)),
    "accepted and late": ("deadline", DUE, ON_TIME, one("a", start_s=8.0)),
    "beyond the horizon": ("horizon", ALONE, ON_TIME, one("a", start_s=94.0)),
    "a required job left out": ("required", MUST, ON_TIME, lambda r: tuple(x for x in r if x.job != "a")),
    "a job left out that may not be": ("required", TWO, MAKESPAN, lambda r: r[:1]),
    "too many GPUs at once": ("capacity", TWO, MAKESPAN, wide),
    "too many GPUs of one": (
        "gpu-count",
        instance(job("a", **{**WORK, "max_gpus": 2}), cluster=cluster(4)),
        MAKESPAN,
        shortened("a", 4, 7.0),
    ),
    "reserved GPUs": ("capacity", ALONE, RESERVED, lambda r: shortened("a", 4, 7.0)(one("a", start_s=0.0)(r))),
    "reserved network": (
        "capacity",
        ALONE,
        replace(NET, reservations=(Reservation(resource="net", amount=1.0, start_s=0, end_s=5),)),
        lambda r: shortened("a", 4, 7.0)(one("a", start_s=0.0)(r)),
    ),
    "too much of a further resource": (
        "capacity",
        instance(job("a", **WORK), job("b", **WORK), cluster=cluster(4, 4)),
        NET,
        wide,
    ),
    "too many CPU cores": (
        "capacity",
        instance(job("a", cpu_cores_per_gpu=2.0, **WORK), cluster=CPUS),
        MAKESPAN,
        shortened("a", 3, 8.0),
    ),
    "a configuration of no curve": ("configuration", ALONE, MAKESPAN, one("a", gpu_type="w")),
    "a throughput that is not true": ("claimed-throughput", ALONE, MAKESPAN, one("a", throughput=1.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_checker_names_the_rule(name: str) -> None:
    rule, case, horizon, breaks = CASES[name]
    if rule == "configuration":
        case = replace(case, cluster=instance(cluster=TWO_TYPES).cluster)
    made = plan(case, horizon, gap=1e-6)
    assert made.status == "optimal"
    assert check(case, made.horizon, made.runs, made.value).violations == ()
    found = check(case, made.horizon, breaks(made.runs))
    assert {v.rule for v in found.violations} == {rule}
    assert all(str(v) for v in found.violations)


TWO_TYPES = {
    "gpu_types": [{"id": "v"}, {"id": "w"}],
    "servers": [{"id": "s", "gpu_type": "v", "gpus": 4}, {"id": "t", "gpu_type": "w", "gpus": 4}],
}


@pytest.mark.parametrize(
    "objective", ["makespan", "average-completion", "weighted-completion", "weighted-tardiness", "late-jobs", "on-time"]
)
def test_a_false_claim_is_named(objective: str) -> None:
    case = instance(job("a", deadline_s=8.0, **WORK), job("b", deadline_s=8.0, **WORK))
    made = plan(case, objective=objective, gap=1e-6)
    assert made.status == "optimal"
    assert check(case, made.horizon, made.runs, made.value).ok
    (violation,) = check(case, made.horizon, made.runs, (made.value or 0.0) + 0.5).violations
    assert violation.rule == "claimed-objective"


def test_every_rule_is_broken_here() -> None:
    source = ast.parse(inspect.getsource(optsched.schedule.checker))
    named = {
        node.args[0].value
        for node in ast.walk(source)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Violation"
        and isinstance(node.args[0], ast.Constant)
    }
    assert named <= {rule for rule, *_ in CASES.values()} | {"claimed-objective"}


FAULTS: dict[str, tuple[Instance, dict[str, Any], str]] = {
    "work": (instance(job("a")), {}, "remaining_examples"),
    "objective": (ALONE, {"objective": "fastest"}, "one of makespan"),
    "resource": (ALONE, {"reservations": (Reservation(resource="x", amount=1, start_s=0, end_s=1),)}, "v@main"),
    "times": (ALONE, {"reservations": (Reservation(resource="v@main", amount=1, start_s=3, end_s=2),)}, "after start"),
    "amount": (ALONE, {"reservations": (Reservation(resource="v@main", amount=5, start_s=0, end_s=2),)}, "at most 4"),
    "name": (ALONE, {"resources": (Shared(name="v@main", capacity=1),)}, "name of its own"),
    "demand": (ALONE, {"resources": (Shared(name="n", capacity=1, demands=(Demand(job="x"),)),)}, "id of a job"),
    "moves": (replace(ALONE, max_moves=1), {}, "none"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_refused(name: str) -> None:
    case, fields, words = FAULTS[name]
    with pytest.raises(InputError) as caught:
        plan(case, Horizon(**fields))
    assert words in str(caught.value)
