"""Both formulations, the lists and the bounds beside brute force on random small instances of whole seconds."""

from __future__ import annotations

import msgspec
import pytest

from optsched.instance import Job
from optsched.schedule import GOALS, Demand, Horizon, check, plan
from optsched.schedule.energy import relaxation
from optsched.schedule.formulation import timed_formulation
from optsched.schedule.grid import gridded
from optsched.schedule.list_scheduling import list_schedules
from optsched.schedule.problem import build_problem, runs, tightened
from optsched.solvers import Limits, RunContext, cpsat, highs
from tests.support.schedule_instances import LENGTH, small
from tests.support.schedule_oracle import best

SEEDS = 25
CASES = [(name, seed) for name in GOALS for seed in range(SEEDS)]


def solved(question, name, start=None):
    """Return the optimum of a formulation on whole seconds as its backend claims it, and the cost of its plan."""
    grid = gridded(question, 1.0, up=False)
    assert grid.exact
    chosen = timed_formulation(name)
    assert chosen.supports(grid).ok
    built = chosen.build(grid, start, None)
    context = RunContext(Limits(gap=0.0))
    if chosen.form == "cpsat":
        outcome = cpsat.solve(built.model, context)
    else:
        outcome = highs.solve(built.model, context, start=built.start)
    if outcome.status == "infeasible":
        return None, None
    assert outcome.status == "optimal"
    found = grid.plan(*built.read(outcome.values))
    report = check(question.instance, question.horizon, runs(question, found))
    assert report.violations == ()
    assert question.goal.value(question.cost(found)) == pytest.approx(report.value, abs=1e-6)
    return -built.scale * outcome.bound, question.cost(found)


def fits(job: Job, horizon: Horizon, capacity: dict[str, float]) -> bool:
    """Tell whether some configuration of a job needs no more of anything than there is."""

    def takes(gpus: int, demands: tuple[Demand, ...]) -> float:
        return sum(d.fixed + d.per_gpu * gpus for d in demands if d.job in (None, job.id))

    return any(
        c.gpus <= capacity["v@main"]
        and all(takes(c.gpus, shared.demands) <= shared.capacity for shared in horizon.resources)
        for c in job.configurations
    )


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_all_agree(name: str, seed: int) -> None:
    instance, horizon, capacity = small(1000 * list(GOALS).index(name) + seed, name)
    question = build_problem(instance, horizon)
    able = [job for job in instance.jobs if job.required or fits(job, horizon, capacity) or GOALS[name].rejects]
    waits = {instance.jobs[j].id for j in question.reasons if not question.must[j]}
    assert {job.id for job in instance.jobs if job not in able} <= waits
    true = best(msgspec.structs.replace(instance, jobs=tuple(able)), horizon, capacity, LENGTH)
    if any(question.must[j] for j in question.reasons):
        assert true is None
        return
    *_, first = list_schedules(question, exchanges=20)
    known = question.cost(first)
    start = None if known == float("inf") else first
    for formulation in ("intervals", "time-indexed"):
        bound, cost = solved(question, formulation, start)
        if true is None:
            assert cost is None
            continue
        assert cost == pytest.approx(true, abs=1e-6)
        assert bound == pytest.approx(true, abs=1e-5)
    if true is None:
        assert start is None
        return
    assert known >= true - 1e-6
    narrow = tightened(question, known)
    relaxed = highs.solve(relaxation(narrow, start), RunContext(Limits()), relaxed=True)
    assert relaxed.status == "optimal"
    assert -relaxed.objective <= true + 1e-6
    if start is not None and seed % 4 == 0:
        assert solved(narrow, "intervals", start)[1] == pytest.approx(true, abs=1e-6)


@pytest.mark.parametrize("name", GOALS)
def test_the_facade_proves_it(name: str) -> None:
    for seed in range(500, 502):
        instance, horizon, capacity = small(seed, name)
        true = best(instance, horizon, capacity, LENGTH)
        for formulation in ("intervals", "time-indexed"):
            found = plan(instance, horizon, formulation=formulation, gap=1e-6)
            if true is None:
                assert found.status == "infeasible"
                assert found.reason
                continue
            assert found.status == "optimal"
            assert GOALS[name].value(found.value) == pytest.approx(true, abs=1e-6)
            assert check(instance, found.horizon, found.runs, found.value).ok
