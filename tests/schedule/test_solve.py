"""What ``plan`` promises: bounds whatever the ticks, a schedule whatever the time, reasons, and equal answers."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from optsched.instance import Instance, load
from optsched.schedule import GOALS, Demand, Horizon, Reservation, Shared, check, plan
from optsched.schedule.grid import gridded
from optsched.schedule.list_scheduling import list_schedules
from optsched.schedule.plot import lanes, plot
from optsched.schedule.problem import build_problem, runs
from optsched.solvers import Progress
from tests.support.builders import cluster, instance, job, listed

DEADLINES = Path(__file__).resolve().parents[2] / "instances" / "schedule" / "deadlines-10.json"
WORK = {"remaining_examples": 160.0, "max_gpus": 4}
"""16, 10, 8, 7 s on 1, 2, 3, 4 GPUs by Amdahl's curve."""


def uneven(seed: int) -> Instance:
    """Return four jobs whose durations, arrivals and deadlines are multiples of no tick."""
    random = np.random.default_rng(seed)
    jobs = []
    for k in range(4):
        arrival, seconds = float(random.uniform(0, 4)), np.sort(random.uniform(1, 7, 3))[::-1]
        jobs.append(
            job(
                f"j{k}",
                configurations=listed(*(100 / seconds)),
                remaining_examples=100.0,
                arrival_s=arrival,
                deadline_s=arrival + float(seconds[0] * random.uniform(0.8, 2)),
                weight=float(random.uniform(0.5, 2)),
            )
        )
    return instance(*jobs, cluster=cluster(4))


@pytest.mark.parametrize("name", GOALS)
def test_bounds_hold_for_all_ticks_and_both_formulations(name: str) -> None:
    for seed in range(2):
        case = uneven(seed)
        made = [
            plan(case, objective=name, formulation=formulation, ticks=ticks, gap=1e-6)
            for formulation, ticks in (("intervals", 2000), ("intervals", 9), ("time-indexed", 9), ("lists", None))
        ]
        best = GOALS[name].value(made[0].value)
        for one in made:
            assert check(case, one.horizon, one.runs, one.value).violations == ()
            assert GOALS[name].value(one.bound) <= best + 1e-6
            assert GOALS[name].value(one.value) >= GOALS[name].value(made[0].bound) - 1e-6
        assert made[0].gap <= 0.02


@pytest.mark.parametrize("name", GOALS)
def test_true_schedules_are_on_the_grid_that_is_rounded_down(name: str) -> None:
    reserved = (Reservation(resource="v@main", amount=1.5, start_s=1.3, end_s=4.4),)
    question = build_problem(uneven(7), Horizon(objective=name, reservations=reserved))
    *_, found = list_schedules(question)
    for tick in (0.05, 0.7, 2.3):
        grid = gridded(question, tick, up=False)
        rows, starts = grid.start_of(found)
        assert len(rows) == np.sum(found.row >= 0)
        assert question.goal.total(grid.costs(rows, starts)) <= question.cost(found) + 1e-9
        used = np.zeros((int((starts + grid.size[rows]).max()) + 200, len(question.capacity)))
        for row, start in zip(rows, starts, strict=True):
            used[start : start + grid.size[row]] += question.need[grid.row[row]]
        for resource, amount, begin, end in grid.reserved:
            used[begin:end, resource] += amount
        assert np.all(used <= question.capacity + 1e-9)


@pytest.mark.parametrize("name", GOALS)
def test_a_time_limit_returns_a_checked_schedule(name: str) -> None:
    case = load(DEADLINES)
    began = time.monotonic()
    found = plan(case, objective=name, time_limit=0.05)
    assert time.monotonic() - began < 30
    assert found.status in ("optimal", "feasible")
    assert check(case, found.horizon, found.runs, found.value).violations == ()
    if found.status == "feasible":
        assert found.stopped == "time_limit"


def test_equal_answers() -> None:
    first, second = (plan(load(DEADLINES), objective="on-time") for _ in range(2))
    assert first.hash == second.hash
    assert msgspec.json.decode(msgspec.json.encode(first), type=type(first)) == first


def test_a_job_goes_on_without_a_restart_if_it_goes_on_at_once() -> None:
    held = {"holds": {"gpu_type": "v", "gpus": 4}, "restart_s": 5.0, **WORK}
    alone = plan(instance(job("a", **held)), objective="makespan")
    assert alone.value == pytest.approx(7.0)
    first = Horizon(objective="makespan", reservations=(Reservation(resource="v@main", amount=4, start_s=0, end_s=1),))
    later = plan(instance(job("a", **held)), first)
    assert (later.runs[0].start_s, later.value) == (pytest.approx(1.0), pytest.approx(13.0))


def test_the_clock_is_the_instance_s() -> None:
    case = instance(job("a", arrival_s=990.0, **WORK), job("b", arrival_s=1010.0, **WORK), now_s=1000.0)
    found = plan(case, objective="average-completion", gap=1e-6)
    assert [run.start_s for run in found.runs] == [1000.0, 1010.0]
    assert found.value == pytest.approx((17 + 7) / 2)


def test_a_network_is_shared_over_time() -> None:
    """Two jobs fit the GPUs at once; the link carries only one of them."""
    pair = [job(n, configurations=listed(0, 10), remaining_examples=100.0) for n in "ab"]
    net = Shared(name="link", capacity=1.5, demands=(Demand(gpu_type="v", fixed=1.0),))
    assert plan(instance(*pair), objective="makespan").value == pytest.approx(10)
    for formulation in ("intervals", "time-indexed"):
        found = plan(instance(*pair), Horizon(objective="makespan", resources=(net,)), formulation=formulation)
        assert (found.status, found.value) == ("optimal", pytest.approx(20))


def test_infeasible_says_why() -> None:
    late = plan(instance(job("a", required=True, deadline_s=6.0, **WORK)), objective="makespan")
    assert (late.status, late.value) == ("infeasible", None)
    assert "a: no configuration ends by its deadline at 6 s" in late.reason
    both = [job(n, required=True, deadline_s=9.0, **WORK) for n in "ab"]
    crowded = plan(instance(*both), objective="makespan")
    assert crowded.status == "infeasible"
    assert "deadlines" in crowded.reason
    short = plan(instance(job("a", **WORK)), Horizon(objective="makespan", horizon_s=5))
    assert "horizon of 5 s" in short.reason


def test_what_cannot_run_is_left_out_with_a_reason() -> None:
    found = plan(instance(job("a", deadline_s=6.0, **WORK), job("b", deadline_s=8.0, **WORK)), objective="on-time")
    assert (found.status, found.value, [run.job for run in found.runs]) == ("optimal", 1.0, ["b"])
    assert [(w.job, bool(w.reason)) for w in found.rejected] == [("a", True)]


def test_no_jobs() -> None:
    assert plan(instance(), objective="makespan").value == 0
    assert plan(instance(job("a", deadline_s=6.0, **WORK)), objective="on-time").value == 0


def test_progress_is_in_the_objective_s_units() -> None:
    heard: list[Progress] = []
    found = plan(load(DEADLINES), objective="weighted-tardiness", progress=heard.append)
    values = [p.value for p in heard if p.value is not None]
    bounds = [p.bound for p in heard if p.bound is not None]
    assert min(values) >= found.value * (1 - 1e-6)
    assert max(bounds) <= found.value * (1 + 1e-6)


def test_pictures(tmp_path: Path) -> None:
    case = load(DEADLINES)
    horizon = Horizon(reservations=(Reservation(resource="v100@main", amount=2, start_s=0, end_s=60),))
    found = plan(case, horizon, formulation="lists")
    for name in ("schedule.html", "schedule.svg"):
        plot(case, found, tmp_path / name)
        text = (tmp_path / name).read_text()
        assert found.runs[0].job in text
        assert "<script src=" not in text


def test_lanes_are_enough() -> None:
    question = build_problem(load(DEADLINES), Horizon(objective="makespan"))
    *_, best = list_schedules(question)
    made = runs(question, best)
    held = lanes([(run.start_s, run.end_s, run.gpus) for run in made], 8)
    assert [len(mine) for mine in held] == [run.gpus for run in made]


@pytest.mark.parametrize("name", GOALS)
def test_a_job_that_can_never_run_waits_and_changes_nothing(name: str) -> None:
    few = [job(n, deadline_s=20.0, **WORK) for n in "ab"]
    wide = job("wide", **WORK)
    net = Shared(name="net", capacity=1.0, demands=(Demand(job="wide", fixed=2.0),))
    horizon = Horizon(objective=name, resources=(net,))
    case = instance(*few, wide, cluster=cluster(4, 4))
    alone, found = plan(instance(*few, cluster=cluster(4, 4)), objective=name), plan(case, horizon)
    assert (found.status, found.value) == ("optimal", pytest.approx(alone.value))
    assert [w.job for w in found.rejected] == ["wide"]
    assert "more than there is" in found.rejected[0].reason
    if name != "on-time":
        assert [run.job for run in found.runs] == [run.job for run in alone.runs]
    assert check(case, found.horizon, found.runs, found.value).violations == ()


@pytest.mark.parametrize("name", GOALS)
@pytest.mark.parametrize("seed", range(4))
def test_few_jobs_of_odd_durations_are_proven_without_ticks(name: str, seed: int) -> None:
    case = uneven(seed)
    found = plan(case, objective=name, gap=0.0)
    assert (found.status, found.gap) == ("optimal", 0.0)
    ticked = plan(case, objective=name, formulation="intervals", ticks=2000, gap=1e-6)
    best, bound = (GOALS[name].value(x) for x in (found.value, ticked.bound))
    assert bound - 1e-6 <= best <= GOALS[name].value(ticked.value) + 1e-6


def test_reasons_speak_of_deadlines_only_where_there_are_some() -> None:
    from optsched.schedule.solve import _reason

    assert "deadline" not in _reason(build_problem(instance(job("a", **WORK)), Horizon()))
    must = instance(job("a", required=True, deadline_s=99.0, **WORK))
    assert "deadline" in _reason(build_problem(must, Horizon()))


def test_servers_bind_over_time() -> None:
    """3 GPUs on one server of 4, twice, leave 1 + 1: a job of 2 GPUs on one server has to wait."""

    def on_one(name: str, gpus: int) -> dict[str, object]:
        one = [{"gpu_type": "v", "gpus": gpus, "nodes": 1, "throughput": 1.0}]
        return job(name, configurations=one, remaining_examples=60.0)

    jobs = [on_one("a", 3), on_one("b", 3), on_one("c", 2)]
    counts, places = (
        plan(instance(*jobs, cluster=cluster(4, 4), decides=what), objective="makespan")
        for what in ("counts", "placement")
    )
    assert (counts.status, counts.value) == ("optimal", pytest.approx(60.0))
    assert (places.status, places.stopped, places.value) == ("feasible", "placement", pytest.approx(120.0))
    case = instance(*jobs, cluster=cluster(4, 4), decides="placement")
    assert check(case, places.horizon, places.runs, places.value).violations == ()
    first, second, last = places.runs
    crowded = (first, second, msgspec.structs.replace(last, start_s=0.0, end_s=60.0))
    assert [v.rule for v in check(case, places.horizon, crowded).violations] == ["capacity"]


@pytest.mark.parametrize("name", GOALS)
@pytest.mark.parametrize("seed", range(3))
def test_schedules_on_servers_are_checked(name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    jobs = [
        job(
            f"j{k}",
            remaining_examples=float(random.uniform(10, 99)),
            deadline_s=float(random.uniform(20, 200)),
            memory_gb_per_gpu=float(random.choice([1.0, 9.0])),
            max_gpus=4,
        )
        for k in range(6)
    ]
    servers = [{"id": "s", "count": 2, "gpu_type": "v", "gpus": 3, "memory_gb": 20.0}]
    case = instance(*jobs, cluster={"gpu_types": [{"id": "v"}], "servers": servers}, decides="placement")
    found = plan(case, objective=name, time_limit=3.0)
    assert found.status in ("optimal", "feasible")
    assert check(case, found.horizon, found.runs, found.value).violations == ()
    assert all(sum((run.placement or {}).values()) == run.gpus for run in found.runs)
    assert not any("dropped" in note for note in found.notes)
