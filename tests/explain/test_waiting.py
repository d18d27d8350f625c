"""Why jobs wait, and what would change it: every relaxation is made, and slightly less of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import optsched
from optsched.errors import InputError
from optsched.explain import Change, Explanation, explain, relaxed
from optsched.explain.goodput_floors import floored
from optsched.explain.plans import goodputs
from optsched.instance import Instance
from tests.support.builders import cluster, instance, job, listed, table
from tests.support.oracle import best_plan
from tests.support.placement_instances import made
from tests.support.strategies import instances

LEVERS = ["servers", "link", "deadline", "moves"]
RING = {
    "family": "allreduce",
    "example_s": 0.01,
    "pass_s": 0.0,
    "local_sync_s": 0.0,
    "local_exponent": 0.0,
    "sync_s": 0.08,
    "node_exponent": 0.0,
    "gpu_exponent": 0.0,
    "reference_gbps": 10.0,
}


def explained(problem: Instance, name: str, **options: Any) -> Explanation:
    plan = optsched.solve(problem)
    (found,) = explain(problem, plan.allocations, jobs=[name], **options)
    return found


def by_lever(found: Explanation) -> dict[str, float]:
    return {change.lever: change.amount for change in found.relaxations}


def kinds(found: Explanation) -> list[str]:
    return [reason.kind for reason in found.reasons]


def less_of(change: Change, less: float) -> Change:
    return Change(lever=change.lever, amount=less, unit=change.unit, text="")


def keeps_its_word(problem: Instance, found: Explanation) -> None:
    """Do what an explanation says, and slightly less, and look at who runs."""
    plan = optsched.solve(problem)
    net = goodputs(problem, plan.allocations)
    for change in found.relaxations:
        if not change.proven:
            continue
        if change.meaning == "optimal":
            runs = [a.job for a in optsched.solve(relaxed(problem, change)).allocations]
            assert found.job in runs, change
            if change.less:
                # an optimal plan without it: it is none of those that must run
                short = relaxed(problem, less_of(change, change.less))
                absent = [replace(one, sites=()) if one.id == found.job else one for one in short.jobs]
                best, without = optsched.solve(short), optsched.solve(replace(short, jobs=tuple(absent)))
                assert without.value == pytest.approx(best.value, rel=3e-4)
        else:
            floors = {**net, found.job: net.get(found.job, 0.0) * 1.1}
            changed = optsched.solve(floored(relaxed(problem, change), floors), objective="running")
            assert found.job in [a.job for a in changed.allocations], change
            truly = relaxed(problem, change)
            after = goodputs(truly, changed.allocations)
            assert all(after[name] >= rate * (1 - 1e-6) for name, rate in floors.items())
            if change.less:
                short = floored(relaxed(problem, less_of(change, change.less)), floors)
                assert optsched.solve(short, objective="running").status == "infeasible"


def test_a_gpu_or_a_weight() -> None:
    one = instance(
        job("heavy", weight=3.0, configurations=listed(1.0)),
        job("light", configurations=listed(1.0)),
        cluster=cluster(1),
    )
    found = explained(one, "light")
    assert (found.status, found.progress, found.entitled) == ("waits", 0.0, 0.25)
    # 1 in place of 3; with a weight of 3 both are as good, and 1e-4 more is less than the least step
    assert by_lever(found) == {"gpus:v@main": 1.0, "weight:light": pytest.approx(2.01)}
    assert kinds(found) == ["capacity", "others"]
    assert "heavy 1 -> 0" in found.reasons[1].text
    keeps_its_word(one, found)


def test_new_gpus_go_to_who_gains_most() -> None:
    """The other one takes the first GPU that comes, and only the second is left."""
    greedy = job("greedy", weight=5.0, configurations=listed(1.0, 2.0))
    one = instance(greedy, job("meek", configurations=listed(1.0)), cluster=cluster(1))
    assert by_lever(explained(one, "meek"))["gpus:v@main"] == 2.0
    assert by_lever(explained(one, "meek", meaning="no-job-loses")) == {"gpus:v@main": 1.0}


def test_its_deadline() -> None:
    """At 10 examples/s on its most GPUs, 1000 examples take 100 s, and it has 40."""
    one = instance(job("late", configurations=listed(4.0, 10.0), remaining_examples=1000.0, deadline_s=40.0))
    found = explained(one, "late")
    assert kinds(found) == ["deadline"]
    assert by_lever(found) == {"deadline:late": 60.0}
    (change,) = found.relaxations
    assert change.text == "a deadline of late 60 s later"
    keeps_its_word(one, found)


def test_its_budget() -> None:
    """3600 examples at 1 a second cost an hour of one GPU, 2.5, and it has 2."""
    dear = {**cluster(4), "gpu_types": [{"id": "v", "hourly_price": 2.5}]}
    one = instance(job("dear", configurations=listed(1.0, 1.5), remaining_examples=3600.0, budget=2.0), cluster=dear)
    found = explained(one, "dear")
    assert kinds(found) == ["budget"]
    assert by_lever(found)["budget:dear"] == pytest.approx(0.5)
    keeps_its_word(one, found)


def test_its_arrival() -> None:
    one = instance(job("soon", arrival_s=70.0), now_s=60.0)
    found = explained(one, "soon")
    assert kinds(found) == ["arrival"]
    assert by_lever(found) == {"arrival:soon": 10.0}
    keeps_its_word(one, found)


def test_the_memory_of_its_batch() -> None:
    curve = table(5.0, 9.0, max_local_batch=8)
    one = instance(job("big", local_batches=[16]), curves={"c": curve})
    found = explained(one, "big")
    assert kinds(found) == ["memory"]
    assert by_lever(found) == {"batch:big": 8.0}
    keeps_its_word(one, found)


def test_cores() -> None:
    few = cluster(4)
    few["servers"][0]["cpu_cores"] = 6.0
    one = instance(
        job("a", weight=3.0, configurations=listed(1.0), cpu_cores_per_gpu=4.0),
        job("b", configurations=listed(1.0), cpu_cores_per_gpu=4.0),
        cluster=few,
    )
    found = explained(one, "b", meaning="no-job-loses")
    assert kinds(found) == ["capacity", "others"]
    assert "CPU cores" in found.reasons[0].text
    assert by_lever(found) == {"cpu_cores@main": 2.0}
    assert found.fails == ("GPUs of v@main",)
    keeps_its_word(one, found)


def test_moves() -> None:
    """Who waits would be worth more, and what the other one holds stands still."""
    holds = {"gpu_type": "v", "gpus": 4}
    one = instance(
        job("stays", configurations=listed(1.0, 1.0, 1.0, 1.5), holds=holds, reference={"goodput": 1.0}),
        job("waits", configurations=listed(1.0), reference={"goodput": 1.0}),
        max_moves=0,
    )
    found = explained(one, "waits")
    assert "blocked" in kinds(found)
    assert by_lever(found) == {"gpus:v@main": 1.0, "moves": 1.0}
    keeps_its_word(one, found)


def test_a_limit() -> None:
    dear = {**cluster(2), "gpu_types": [{"id": "v", "hourly_price": 2.0}]}
    one = instance(
        job("a", weight=2.0, configurations=listed(1.0)),
        job("b", configurations=listed(1.0)),
        cluster=dear,
        limits=[{"objective": {"name": "cost"}, "at_most": 3.0}],
    )
    found = explained(one, "b", levers=["limit"])
    assert "limit" in kinds(found)
    assert by_lever(found) == {"limit:0:at_most": pytest.approx(1.0)}
    keeps_its_word(one, found)


def test_its_own_curve() -> None:
    one = instance(job("flat", configurations=listed(5.0, 5.001)), job("other", configurations=listed(1.0)))
    found = explained(one, "flat")
    assert kinds(found) == ["curve"]
    assert found.relaxations == ()


def test_fairness() -> None:
    """The least progress would fall."""
    one = instance(
        job("a", configurations=listed(1.0, 2.0, 3.0)),
        job("b", configurations=listed(1.0, 2.0, 3.0)),
        cluster=cluster(4),
        objective={"name": "max-min"},
    )
    found = explained(one, "a")
    assert kinds(found) == ["capacity", "fairness"]
    assert "max-min would lose 1" in found.reasons[1].text
    assert by_lever(found) == {"gpus:v@main": 1.0}


def test_nobody_would_lose() -> None:
    one = instance(job("a", configurations=listed(1.0)), job("idle", weight=0.0, configurations=listed(1.0)))
    plan = optsched.solve(one)
    held = [a for a in plan.allocations if a.job == "a"]
    (found,) = explain(one, held)
    assert kinds(found) == ["free"]
    assert "gains nothing" in found.reasons[0].text
    assert by_lever(found) == {"weight:idle": pytest.approx(0.01)}


def test_a_plan_that_is_not_the_best() -> None:
    one = instance(job("a", configurations=listed(1.0)), job("b", configurations=listed(1.0)))
    held = [a for a in optsched.solve(one).allocations if a.job == "a"]
    (found,) = explain(one, held)
    assert "better by 1: the present one is not the best" in found.reasons[0].text


def test_fragments() -> None:
    found = explained(optsched.load("instances/micro/fragments.json"), "c")
    assert "fragments" in kinds(found)
    assert by_lever(found) == {"servers:s": 1.0}


def linked(capacity: float) -> Instance:
    """Two jobs that must stand in both racks; each needs 2 Gb/s to end in time, and the uplinks have less than 4."""
    racks = {
        "gpu_types": [{"id": "v"}],
        "servers": [
            {"id": f"s{k}", "rack": f"r{k}", "gpu_type": "v", "gpus": 2, "network_gbps": 40.0} for k in range(2)
        ],
        "links": [
            {"id": "up0", "ends": ["r0", "main"], "capacity_gbps": capacity},
            {"id": "up1", "ends": ["r1", "main"], "capacity_gbps": 100.0},
        ],
    }
    # 2 GPUs run at 200 B / (B + 10): at 2 Gb/s 100/3 a second, 3 s for 100 examples
    both = {
        "curves": {"v": "ring"},
        "min_gpus": 2,
        "max_gpus": 2,
        "local_batches": [8],
        "max_gpus_per_server": 1,
        "remaining_examples": 100.0,
        "deadline_s": 3.0,
        "reference": {"goodput": 100.0},
    }
    jobs = (job("a", weight=9.0, **both), job("b", **both))
    return instance(*jobs, cluster=racks, curves={"ring": RING}, decides="network")


def test_a_link() -> None:
    one = linked(2.4)
    found = explained(one, "b", meaning="no-job-loses", levers=["link"])
    assert found.status == "waits"
    assert kinds(found)[0] == "link"
    assert "up0" in found.reasons[0].text
    assert found.fails == ("link up1 (r1 - main)",)
    # the first has all of 2.4, and keeps it: two more, and one step for the rounding of floors
    assert by_lever(found)["link:up0"] == pytest.approx(2.0, abs=0.11)
    keeps_its_word(one, found)


def test_who_does_not_exist() -> None:
    one = instance(job("a"))
    plan = optsched.solve(one)
    with pytest.raises(InputError, match="the id of a job"):
        explain(one, plan.allocations, jobs=["b"])
    with pytest.raises(InputError, match="the key of a lever"):
        relaxed(one, Change(lever="gpus:x@main", amount=1.0, unit="GPUs", text=""))
    with pytest.raises(InputError, match="a feasible plan"):
        explain(one, [replace(plan.allocations[0], gpus=40)])


def test_no_time() -> None:
    one = two_for_one_gpu()
    plan = optsched.solve(one)
    (found,) = explain(one, plan.allocations, time_limit=1e-9)
    assert found.relaxations == found.fails == ()
    assert set(found.undecided) == {"weight of light", "GPUs of v@main"}


def two_for_one_gpu() -> Instance:
    heavy, light = job("heavy", weight=3.0, configurations=listed(1.0)), job("light", configurations=listed(1.0))
    return instance(heavy, light, cluster=cluster(1))


def test_people_who_wait_are_told_what_is_asked() -> None:
    one = two_for_one_gpu()
    told: list[str] = []
    explain(one, optsched.solve(one).allocations, report=told.append)
    assert told == [f"light (1 of 1): question {number}" for number in range(1, len(told) + 1)]
    assert len(told) > 1


def test_an_interrupt_ends_all_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    one = two_for_one_gpu()
    plan = optsched.solve(one).allocations
    asked = []

    def interrupted(*args: Any, **options: Any) -> Any:
        asked.append(options)
        return replace(optsched.solve(*args, **options), stopped="interrupted")

    monkeypatch.setattr("optsched.explain.oracle.solve", interrupted)
    (found,) = explain(one, plan)
    assert len(asked) == 1
    assert set(found.undecided) == {"weight of light", "GPUs of v@main"}


def agrees_with_brute_force(problem: Instance, found: Explanation) -> None:
    """Of all plans of the relaxed instance, those without the job are worse by more than the gap; with less, not."""
    for change in found.relaxations:
        if change.meaning != "optimal" or not change.proven:
            continue
        for amount, enough in ((change.amount, True), (change.less, False)):
            there = relaxed(problem, less_of(change, amount)) if amount else problem
            absent = [replace(one, sites=(), required=False) if one.id == found.job else one for one in there.jobs]
            best, without = best_plan(there), best_plan(replace(there, jobs=tuple(absent)))
            gained = best is not None and (without is None or best[0] - without[0] > 1e-4 * max(1e-9, abs(without[0])))
            assert gained == enough, (change, amount)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(instances(most_jobs=3), st.sampled_from(["optimal", "no-job-loses"]))
def test_random_counts(one: Instance, meaning: str) -> None:
    plan = optsched.solve(one)
    if plan.value is None:
        return
    for found in explain(one, plan.allocations, meaning=meaning)[:2]:  # type: ignore[arg-type]
        assert found.reasons
        keeps_its_word(one, found)
        agrees_with_brute_force(one, found)


@pytest.mark.parametrize(("seed", "decides"), [(2, "placement"), (6, "placement"), (14, "network")])
def test_random_places(seed: int, decides: str) -> None:
    one = made(seed, decides)
    plan = optsched.solve(one)
    if plan.value is None:
        pytest.skip("infeasible")
    for found in explain(one, plan.allocations, meaning="no-job-loses", levers=LEVERS)[:1]:
        keeps_its_word(one, found)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(instances(most_jobs=3))
def test_floors_say_what_they_mean(one: Instance) -> None:
    """The ways that a floor leaves are those that have the goodput, net of a restart, and were eligible before."""
    from optsched.problem.build import build_problem

    plan = optsched.solve(one)
    net = goodputs(one, plan.allocations)
    before, after = build_problem(one).configurations, build_problem(floored(one, net)).configurations
    for number, each in enumerate(one.jobs):
        rates = []
        for ways in (before, after):
            mine = ways.job == number
            rates.append(sorted((ways.columns.goodput * ways.share)[mine].tolist()))
        floor = net.get(each.id, -math.inf)
        assert rates[1] == pytest.approx([rate for rate in rates[0] if rate >= floor * (1 - 1e-7)])


def test_what_was_not_asked_in_the_time_given_is_said() -> None:
    one = instance(*(job(f"j{k}", min_gpus=2) for k in range(5)))
    plan = optsched.solve(one).allocations
    found = explain(one, plan, time_limit=0.0)
    assert len(found) == 5 - len(plan)
    assert {(each.reasons, each.relaxations, each.notes) for each in found} == {
        ((), (), ("why was not asked in the time given",))
    }
    assert all("GPUs of v@main" in each.undecided for each in found)


def test_the_resource_that_binds_is_named() -> None:
    """Slices of two GPUs with 40 GB each: 3 + 4 slices take all memory of one, 3 + 3 that of the other."""

    def slices(name: str, count: int, gb: float) -> dict[str, Any]:
        listed = [{"gpu_type": "v", "gpus": count, "nodes": 1, "throughput": count}]
        return job(name, configurations=listed, memory_gb_per_gpu=gb / count, reference={"goodput": 1.0})

    jobs = [slices("m3a", 3, 20), slices("m4", 4, 20), slices("m3b", 3, 20), slices("m3c", 3, 20), slices("m1", 1, 5)]
    servers = [{"id": "a100", "count": 2, "gpu_type": "v", "gpus": 7, "memory_gb": 40.0}]
    one = instance(*jobs, cluster={"gpu_types": [{"id": "v"}], "servers": servers}, decides="placement")
    found = explained(one, "m1")
    capacity = [reason.text for reason in found.reasons if reason.kind == "capacity"]
    assert len(capacity) == 1
    assert "GB of memory" in capacity[0]


def test_a_job_that_fits_needs_no_relaxation() -> None:
    """One of two GPUs is idle, and the objective gains nothing by the second job."""
    one = instance(
        job("heavy", configurations=listed(1.0)), job("nil", weight=0.0, configurations=listed(1.0)), cluster=cluster(2)
    )
    plan = [a for a in optsched.solve(one).allocations if a.job == "heavy"]
    (found,) = explain(one, plan, jobs=["nil"], meaning="no-job-loses")
    assert kinds(found) == ["free"]
    assert found.relaxations == ()
    assert any("no relaxation is needed" in note for note in found.notes)


def test_the_old_name_of_a_meaning_works_with_a_warning() -> None:
    one = instance(job("a", configurations=listed(1.0)), job("b", configurations=listed(1.0)), cluster=cluster(1))
    plan = optsched.solve(one).allocations
    (waits,) = {"a", "b"} - {a.job for a in plan}
    with pytest.warns(DeprecationWarning, match="no-job-loses"):
        (found,) = explain(one, plan, jobs=[waits], meaning="nobody-loses")  # type: ignore[arg-type]
    assert found.relaxations[0].meaning == "no-job-loses"
    with pytest.raises(InputError, match="optimal or no-job-loses"):
        explain(one, plan, jobs=[waits], meaning="everybody-wins")  # type: ignore[arg-type]


def test_reasons_of_many_jobs_need_no_solver() -> None:
    """600 jobs of one GPU each on 100: a job waits because those that run add more, whatever the gap of the plan."""
    jobs = [job(f"j{k:03}", weight=1.0 + 0.001 * k, configurations=listed(1.0)) for k in range(600)]
    many = instance(*jobs, cluster=cluster(*[4] * 25))
    plan = optsched.solve(many, gap=0.0)
    found = explain(many, plan.allocations, jobs=["j000", "j499"], time_limit=1e-3)
    for one, adds in zip(found, (1.0, 1.499), strict=True):
        (reason,) = one.reasons
        assert reason.kind == "others"
        assert f"j500 holds what it needs and adds 1.5 to progress; {one.job} would add {adds:.4g}" in reason.text
        assert not one.relaxations
