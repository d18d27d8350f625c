"""Worths, properties and sensitivity: against brute force, and every witness is looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

import optsched
from optsched.checker import check
from optsched.explain import Change, audit, relaxed, sensitivity, shared_levers, shifted, worths
from optsched.explain.plans import entitlements, goodputs
from optsched.instance import Instance, ObjectiveSpec
from optsched.prediction.curves import Points
from optsched.prediction.curves.base import Z80
from tests.conftest import ROOT
from tests.support.builders import AMDAHL, cluster, instance, job, listed
from tests.support.oracle import best_plan, plans
from tests.support.placement_instances import made
from tests.support.strategies import instances

SMALL = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def one_more(one: Instance, lever: str) -> Instance:
    return relaxed(one, Change(lever=lever, amount=1.0, unit="", text=""))


@SMALL
@given(instances(most_jobs=3))
def test_worths_are_differences_of_two_optima(one: Instance) -> None:
    before = best_plan(one)
    if before is None:
        return
    levers = {lever.name: lever.key for lever in shared_levers(one)}
    for worth in worths(one):
        assert worth.method == "re-solved"
        assert None not in (worth.value, worth.low, worth.high)
        after = best_plan(one_more(one, levers[worth.resource]))
        assert after is not None
        true = after[0] - before[0]
        scale = 1e-5 * max(1.0, abs(before[0]), abs(after[0]))
        assert worth.value == pytest.approx(true, abs=scale)
        assert worth.low - scale <= true <= worth.high + scale


@SMALL
@given(instances(most_jobs=3))
def test_a_price_and_its_gap_bound_what_the_same_configurations_gain(one: Instance) -> None:
    before = best_plan(one)
    if before is None or one.objective.name == "max-min":
        return
    for worth in worths(one, resolve=False):
        if worth.high is None:
            continue
        assert worth.method == "price (LP dual)"
        assert worth.value is None
        assert 0 <= worth.price <= worth.high
        # more of what has no ways of its own: cores and memory
        lever = next(lever for lever in shared_levers(one) if lever.name == worth.resource)
        if lever.unit in ("cores", "GB"):
            after = best_plan(one_more(one, lever.key))
            assert after is not None
            assert after[0] - before[0] <= worth.high + 1e-6 * max(1.0, before[0])


def test_worth_by_hand() -> None:
    """A second GPU runs the second job, and a link has none to carry."""
    one = instance(
        job("a", weight=3.0, configurations=listed(1.0)), job("b", configurations=listed(1.0)), cluster=cluster(1)
    )
    (found,) = worths(one)
    assert (found.resource, found.value, found.low) == ("GPUs of v@main", pytest.approx(1.0), pytest.approx(1.0))
    assert 1.0 - 1e-6 <= found.price <= 3.0 + 1e-6
    (least,) = worths(one, objective="max-min")
    assert (least.price, least.value) == (None, pytest.approx(1 / 3))


def test_worth_of_a_link() -> None:
    one = optsched.load("instances/micro/shared-link.json")
    (found,) = worths(one, resources=["links"], gap=1e-4)
    # 13 Gb/s: B + 10 = 1.5 (C + 10), so that C = 3.2 and B = 9.8
    best = 2.25 * 2 * 9.8 / 19.8 + 2 * 3.2 / 13.2
    assert found.value == pytest.approx(best - 2.59375, abs=5e-4)
    assert found.low <= best - 2.59375 <= found.high


@SMALL
@given(instances(most_jobs=3))
def test_pareto_agrees_with_brute_force(one: Instance) -> None:
    """Of the plan of the objective, and of one from which a job was taken away."""
    result = optsched.solve(one)
    free = [a for a in result.allocations if not next(j for j in one.jobs if j.id == a.job).required]
    tried = [result.allocations] if result.value is not None else []
    if free:
        tried.append(tuple(a for a in result.allocations if a is not free[0]))
    for plan in tried:
        if not check(one, plan).ok:
            continue
        found = audit(one, plan).pareto
        now = {a.job: a.progress for a in plan}
        most, dominated = 0.0, False
        for ways in plans(one):
            there = {way.job.id: way.progress for way in ways if way is not None}
            if all(there.get(name, 0.0) >= progress * (1 - 1e-7) for name, progress in now.items()):
                most = max(most, sum(there.values()))
        dominated = most > sum(now.values()) * (1 + 1e-4) + 1e-9
        assert found.status == ("dominated" if dominated else "efficient")
        assert sum(now.values()) + found.slack >= most - 1e-6 * max(1.0, most)
        if dominated:
            assert check(one, found.witness).ok
            then = {a.job: a.progress for a in found.witness}
            assert all(then.get(name, 0.0) >= progress * (1 - 1e-6) for name, progress in now.items())
            assert found.gains
            for name, gain in found.gains.items():
                assert gain > 0
                assert then[name] == pytest.approx(now.get(name, 0.0) + gain)


@pytest.mark.parametrize(("seed", "decides"), [(2, "placement"), (6, "placement"), (14, "network")])
def test_pareto_of_places(seed: int, decides: str) -> None:
    one = made(seed, decides)
    one = replace(one, max_moves=None, jobs=tuple(replace(each, required=False) for each in one.jobs))
    found = audit(one, ()).pareto  # nobody runs
    best = optsched.solve(
        replace(one, jobs=tuple(replace(each, weight=1.0) for each in one.jobs)), objective="progress"
    )
    if best.value == 0:
        assert found.status == "efficient"
        return
    assert found.status == "dominated"
    assert check(one, found.witness).ok
    assert sum(found.gains.values()) == pytest.approx(sum(a.progress for a in found.witness))
    assert audit(one, best.allocations).pareto.status != "dominated"


def test_shares_by_hand() -> None:
    """A quarter of 4 GPUs by weight 1 of 4, of which the whole runs at 4: 1 GPU."""
    rates = listed(1.0, 2.0, 3.0, 4.0)
    one = instance(job("heavy", weight=3.0, configurations=rates), job("light", configurations=rates))
    plan = optsched.solve(one).allocations  # all 4 for the heavy one
    found = audit(one, plan)
    assert [(share.who, share.progress, share.entitled) for share in found.sharing] == [("light", 0.0, 1.0)]
    assert entitlements(one)[0] == {"heavy": 3.0, "light": 1.0}
    # per weight, the light one has 0 and would have 4 / 3
    (envy,) = found.envy
    assert (envy.job, envy.of, envy.progress, envy.other) == ("light", "heavy", 0.0, pytest.approx(4 / 3))
    fair = audit(one, optsched.solve(one, objective=ObjectiveSpec(name="proportional")).allocations)
    assert (fair.sharing, fair.envy, fair.pareto.status) == ((), (), "efficient")


def test_tenants() -> None:
    """Each tenant has a half; of three jobs of one, each has a sixth of 6 GPUs."""
    rates = listed(*(float(g) for g in range(1, 7)))
    jobs = [job(f"a{k}", tenant="a", configurations=rates) for k in range(3)]
    one = instance(
        *jobs, job("b", tenant="b", configurations=rates), cluster=cluster(6), tenants=[{"id": "a"}, {"id": "b"}]
    )
    assert entitlements(one)[1] == {"a": pytest.approx(3.0), "b": pytest.approx(3.0)}
    best = optsched.solve(one)
    rest = {share.who for share in audit(one, best.allocations).sharing if share.kind == "tenant"}
    has = {"a": 0.0, "b": 0.0}
    for a in best.allocations:
        has[a.job[0]] += a.progress
    assert rest == {name for name, progress in has.items() if progress < 3 - 1e-6}


@SMALL
@given(instances(most_jobs=3))
def test_who_is_envied_is_held(one: Instance) -> None:
    """Alone in the cluster, with no more than what the other one holds, it progresses as was said."""
    result = optsched.solve(one)
    if result.value is None:
        return
    weights = {each.id: each.weight for each in one.jobs}
    held = {a.job: a for a in result.allocations}
    for envy in audit(one, result.allocations).envy:
        theirs = held[envy.of]
        alone = replace(
            one,
            max_moves=None,
            jobs=tuple(replace(each, sites=None if each.id == envy.job else (), required=False) for each in one.jobs),
        )
        there = [
            way.progress
            for ways in plans(alone)
            for way in ways
            if way is not None
            and (way.site, way.gpu_type) == (theirs.site, theirs.gpu_type)
            and way.gpus <= theirs.gpus
        ]
        mine = held[envy.job].progress if envy.job in held else 0.0
        assert envy.progress == pytest.approx(mine / weights[envy.job])
        if weights[envy.of] > 0:
            assert any(envy.other * weights[envy.of] == pytest.approx(progress) for progress in there)
            assert envy.other > envy.progress


def test_the_time_limit_of_an_audit_ends_it() -> None:
    one = instance(job("a", weight=3.0, max_gpus=3), job("b", max_gpus=1))
    plan = optsched.solve(one).allocations
    late = audit(one, plan, time_limit=0.0)
    assert (late.pareto.status, late.envy, late.envy_decided) == ("unknown", (), False)
    assert audit(one, plan).envy_decided


def test_of_equal_holdings_the_one_of_least_weight_is_envied() -> None:
    jobs = job("a", weight=2.0), job("b", weight=1.0), job("c", weight=0.5), job("d", weight=4.0)
    plan = [listed(8, gpu_type="v")[0]]
    one = instance(*({**each, "curves": {}, "configurations": plan} for each in jobs))
    found = audit(one, optsched.solve(one).allocations).envy
    # each progresses 1.0 on a GPU; by weight, those who gave most for it get least
    assert [(e.job, e.of, e.progress, e.other) for e in found] == [
        ("a", "c", 0.5, 2.0),
        ("b", "c", 1.0, 2.0),
        ("d", "c", 0.25, 2.0),
    ]


SPREAD = {**AMDAHL, "spread": 0.2}


def two_curves() -> Instance:
    """The first curve is a little faster than the second: the single GPU is its."""
    jobs = (job(name, curves={"v": name}, max_gpus=1) for name in ("fast", "slow"))
    curves = {"fast": {**SPREAD, "single": 10.0}, "slow": {**SPREAD, "single": 9.0}}
    return instance(*jobs, cluster=cluster(1), curves=curves, objective={"name": "throughput"})


def test_ends_of_the_interval() -> None:
    one = two_curves()
    points = Points.of([1], nodes=[1])
    low, high = one.curves["fast"].interval(points)
    for deviations, end in ((-Z80, low), (Z80, high)):
        moved = shifted(one, {"fast": deviations}).curves
        assert moved["fast"].throughput(points) == pytest.approx(end)
        assert moved["slow"].throughput(points) == pytest.approx(9.0)


def test_flips_and_regret() -> None:
    one = two_curves()
    plan = optsched.solve(one)
    found = sensitivity(one, plan.allocations, draws=3, seed=1)
    worlds = {world.name: world for world in found.worlds}
    factor = float(np.exp(0.2 * Z80))
    assert [*worlds] == ["fast low", "fast high", "slow low", "slow high", "draw 0", "draw 1", "draw 2"]
    assert worlds["fast high"].regret == worlds["slow low"].regret == 0.0
    assert worlds["fast high"].flips == ()
    assert worlds["fast low"].value == pytest.approx(10.0 / factor)
    assert worlds["fast low"].regret == pytest.approx(9.0 - 10.0 / factor)
    assert worlds["slow high"].regret == pytest.approx(9.0 * factor - 10.0)
    assert {flip.job: (flip.now, flip.then) for flip in worlds["fast low"].flips} == {
        "fast": ("1 v@main", "waits"),
        "slow": ("waits", "1 v@main"),
    }
    assert found.flips["fast"] == found.flips["slow"] >= 2
    assert found.worst_regret == max(world.regret for world in found.worlds)
    for name in ("draw 0", "draw 1", "draw 2"):
        world = worlds[name]
        rates = [10.0 * np.exp(0.2 * world.shift["fast"]), 9.0 * np.exp(0.2 * world.shift["slow"])]
        assert (world.value, world.best) == (pytest.approx(rates[0]), pytest.approx(max(rates)))
    assert sensitivity(one, plan.allocations, draws=3, seed=1) == found
    assert sensitivity(one, plan.allocations, draws=1, seed=2).worlds[-1].shift != worlds["draw 0"].shift


def test_a_deadline_that_is_missed_if_the_curve_is_low() -> None:
    curves = {"c": {**SPREAD, "single": 10.0}}
    one = instance(job("tight", max_gpus=1, remaining_examples=1000.0, deadline_s=101.0), curves=curves)
    plan = optsched.solve(one)
    found = sensitivity(one, plan.allocations, draws=0)
    low, high = found.worlds
    assert "deadline" in low.broken[0]
    assert low.value is None
    assert high.broken == ()


def test_nothing_is_uncertain() -> None:
    one = instance(job("a", configurations=listed(1.0)))
    found = sensitivity(one, optsched.solve(one).allocations)
    assert (found.worlds, found.worst_regret) == ((), None)


def test_worlds_with_a_network() -> None:
    """Curves that are off go through the models of network rates, and the checker confirms what they find."""
    one = made(14, "network")
    curves = {name: replace(curve, spread=0.1) for name, curve in one.curves.items()}
    one = replace(one, curves=curves)
    plan = optsched.solve(one)
    if plan.value is None:
        pytest.skip("infeasible")
    for world in sensitivity(one, plan.allocations, draws=1).worlds:
        there = shifted(one, world.shift)
        assert (world.value is None) == bool(world.broken)
        best = optsched.solve(there)
        assert best.value is None or world.best == pytest.approx(best.value, rel=1e-3)
        assert all(rate >= 0 for rate in goodputs(there, best.allocations).values())


def test_a_slack_of_rounding_is_nothing() -> None:
    for weight in (0.1, 0.3, 0.7):
        jobs = [job(f"j{k}", weight=weight, configurations=listed(0.1 * (k + 1))) for k in range(6)]
        one = instance(*jobs, cluster=cluster(4))
        slack = audit(one, optsched.solve(one, gap=0.0).allocations, gap=0.0).pareto.slack
        assert slack == 0.0 or slack > 1e-9


def test_a_shadow_price_does_not_contradict_a_proven_value() -> None:
    """Three GPUs are of no use to a job of four: the linear relaxation cannot see that the next one is worth 4."""
    one = instance(job("a", configurations=[{"gpu_type": "v", "gpus": 4, "throughput": 4.0}]), cluster=cluster(4))
    three = replace(one, cluster=replace(one.cluster, servers=(replace(one.cluster.servers[0], gpus=3),)))
    for case in (one, three):
        for found in worths(case):
            assert found.method == "re-solved"
            assert found.gaps is not None
            assert found.price is None or found.low is None or found.low <= found.price + 1e-6


def test_the_worlds_are_the_ends_of_the_curve_s_own_interval() -> None:
    one = optsched.load(ROOT / "instances" / "quickstart.json")
    points = Points.of(np.array([1, 2, 4]), nodes=np.array([1, 1, 1]), local_batch=np.array([32.0, 32.0, 32.0]))
    for name, curve in one.curves.items():
        low, high = curve.interval(points)
        for sign, end in ((-1, low), (1, high)):
            there = shifted(one, {name: sign * Z80}).curves[name]
            np.testing.assert_allclose(there.throughput(points), end)
