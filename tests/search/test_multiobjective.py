"""Several objectives: in order and as a frontier, against all plans; mid-size ones among themselves; the commands."""

from __future__ import annotations

import json

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import optsched
from optsched.checker import check
from optsched.errors import InputError
from optsched.instance import Instance, Limit, ObjectiveSpec
from optsched.search.multiobjective import in_order, limit_of, objectives_of, pareto
from tests.conftest import ROOT
from tests.support.builders import cluster, instance, job, listed
from tests.support.oracle import plans
from tests.support.policies import policy_instances, total

PHASES = [Phase.explicit, Phase.generate]
NAMES = ["progress", "max-min", "running", "cost", "kept", "tenants", "proportional"]
SIGN = {"cost": -1.0}


def values(case: Instance, names: list[str]) -> list[tuple[float, ...]]:
    """Return the values of all plans, each to be maximized."""
    specs = [ObjectiveSpec(name=name) for name in names]
    return [tuple(SIGN.get(s.name, 1.0) * total(case, plan, s) for s in specs) for plan in plans(case)]


@settings(max_examples=60, derandomize=True, deadline=None, phases=PHASES)
@given(
    case=policy_instances([("progress", {})], with_servers=True),
    names=st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True),
)
def test_objectives_in_order_are_the_lexicographic_best_of_all_plans(case: Instance, names: list[str]) -> None:
    every = values(case, names)
    result = in_order(case, [ObjectiveSpec(name=name) for name in names], gap=1e-9)
    event(result.status)
    if not every:
        assert result.status == "infeasible"
        return
    found = [SIGN.get(goal.objective.name, 1.0) * goal.value for goal in result.goals]
    assert check(case, result.allocations, result.objective, result.value).ok
    left = every
    for k, value in enumerate(found):
        best = max(v[k] for v in left)
        assert value == pytest.approx(best, rel=1e-5, abs=1e-5)
        left = [v for v in left if v[k] >= best - 2e-6 * max(1.0, abs(best))]


@settings(max_examples=25, derandomize=True, deadline=None, phases=PHASES)
@given(case=policy_instances([("progress", {})]), second=st.sampled_from(["cost", "max-min", "kept", "running"]))
def test_every_point_of_a_frontier_is_efficient_and_its_ends_are_the_best(case: Instance, second: str) -> None:
    every = values(case, ["progress", second])
    frontier = pareto(case, (ObjectiveSpec(name="progress"), ObjectiveSpec(name=second)), points=4, gap=1e-9)
    if not every:
        assert frontier.points == ()
        assert frontier.reason
        return
    found = [(p.values[0], SIGN.get(second, 1.0) * p.values[1]) for p in frontier.points]
    event(f"{len(found)} points")
    for point in found:
        slack = [1e-5 * max(1.0, abs(x)) for x in point]
        assert not any(
            all(o >= x - s for o, x, s in zip(other, point, slack, strict=True))
            and any(o > x + 3 * s for o, x, s in zip(other, point, slack, strict=True))
            for other in every
        ), "no plan is better in one and as good in the other"
    assert max(p[0] for p in found) == pytest.approx(max(v[0] for v in every), rel=1e-5, abs=1e-6)
    assert max(p[1] for p in found) == pytest.approx(max(v[1] for v in every), rel=1e-5, abs=1e-6)


def two() -> Instance:
    """Jobs a and b, each 1 or 2 GPUs at 10 or 16 examples/s, on 3 GPUs of 1 a priced hour."""
    gpus = {"gpu_types": [{"id": "v", "hourly_price": 1.0}], "servers": cluster(3)["servers"]}
    return instance(*(job(n, configurations=listed(10, 16)) for n in "ab"), cluster=gpus)


def test_a_frontier_by_hand() -> None:
    """Progress 1 at 1 GPU and 1.6 at 2: 2.6 for 3, 2 for 2, 1 for 1 and 0 for nothing; 1.6 for 2 is never bought."""
    frontier = pareto(two(), (ObjectiveSpec(name="progress"), ObjectiveSpec(name="cost")), points=4)
    assert [p.values for p in frontier.points] == [
        (pytest.approx(2.6), 3.0),
        (pytest.approx(2.0), 2.0),
        (pytest.approx(1.0), 1.0),
        (0.0, 0.0),
    ]
    assert all(p.result.status == "optimal" for p in frontier.points)


def test_the_second_objective_decides_between_equal_plans() -> None:
    """One GPU for a or b: both make 1 of progress. b is cheaper by nothing, but it holds its GPU already."""
    holds = {"site": "main", "gpu_type": "v", "gpus": 1}
    jobs = job("a", configurations=listed(10)), job("b", configurations=listed(10), holds=holds)
    result = in_order(instance(*jobs, cluster=cluster(1)), objectives_of("progress,kept"))
    assert [a.job for a in result.allocations] == ["b"]
    assert [(g.objective.name, g.value) for g in result.goals] == [("progress", 1.0), ("kept", 1.0)]


def test_a_tolerance_is_what_the_second_may_cost_the_first() -> None:
    cheap = in_order(two(), objectives_of("progress,cost"), tolerance=0.25)
    assert [g.value for g in cheap.goals] == [pytest.approx(2.0), 2.0]
    assert cheap.bound == pytest.approx(2.6)
    assert cheap.gap == pytest.approx(0.3)


def test_hierarchical_policies_follow_in_order() -> None:
    """Tenants first: red with two jobs and blue with one share 4 GPUs 2 : 2; then red's two jobs have one each."""
    jobs = [
        job("a", configurations=listed(10, 30), tenant="red"),
        job("b", configurations=listed(10, 30), tenant="red"),
    ]
    jobs.append(job("c", configurations=listed(10, 20), tenant="blue"))
    case = instance(*jobs, cluster=cluster(4))
    first = optsched.solve(case, objective="tenants")
    assert first.value == pytest.approx(2.0)
    both = in_order(case, objectives_of("tenants,max-min,progress"))
    assert both.goals[0].value == pytest.approx(2.0)
    assert both.goals[1].value == pytest.approx(1.0)
    assert {a.job: a.gpus for a in both.allocations} == {"a": 1, "b": 1, "c": 2}


def test_as_many_as_possible_and_then_nash() -> None:
    """Caragiannis et al. (EC'16): three jobs on 3 GPUs run on one each, though 16 x 10 > 10 x 10."""
    case = instance(*(job(n, configurations=listed(10, 16)) for n in "abc"), cluster=cluster(3))
    result = in_order(case, objectives_of("running,proportional:epsilon=1e-6"))
    assert {a.gpus for a in result.allocations} == {1}
    assert len(result.allocations) == 3


@pytest.mark.parametrize("names", ["max-min,progress", "sia", "proportional", "tenants", "finish-time", "alpha-fair"])
def test_methods_agree_on_a_mid_size_instance(names: str) -> None:
    case = optsched.load(ROOT / "instances" / "measured-40.json")
    work = tuple(replace(j, remaining_examples=1e5 * (1 + k % 3)) for k, j in enumerate(case.jobs))
    case = replace(case, jobs=work)
    auto = in_order(case, objectives_of(names), gap=1e-5)
    exact = in_order(case, objectives_of(names), gap=1e-5, formulation="configuration", backend="highs")
    assert auto.status == exact.status == "optimal"
    assert auto.value == pytest.approx(exact.value, rel=2e-5)
    assert check(case, auto.allocations, auto.objective, auto.value).ok


@pytest.mark.parametrize("text", ["cost", "cost<50", "cost<=dear", "speed<=3", "cost==3"])
def test_limits_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        limit_of(text)


def test_limits_and_objectives_as_text() -> None:
    assert limit_of("cost<=50") == Limit(objective=ObjectiveSpec(name="cost"), at_most=50.0)
    alpha = ObjectiveSpec(name="alpha-fair", parameters={"alpha": "inf", "epsilon": 0.5})
    assert limit_of('alpha-fair:alpha="inf":epsilon=0.5 >= 3e-1') == Limit(objective=alpha, at_least=0.3)
    assert objectives_of("running, alpha-fair:alpha=inf:epsilon=0.5") == (ObjectiveSpec(name="running"), alpha)
    with pytest.raises(InputError, match="PARAMETER=VALUE"):
        objectives_of("sia:p")


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(InputError, match="to be the last"):
        in_order(two(), objectives_of("max-min:lexicographic=true,progress"))
    with pytest.raises(InputError, match="at least one objective"):
        in_order(two(), ())
    with pytest.raises(InputError, match="two different objectives"):
        pareto(two(), (ObjectiveSpec(), ObjectiveSpec()))


def test_the_commands(run, quickstart, tmp_path) -> None:
    solved = run("solve", quickstart, "--objective", "max-min,progress", "--limit", "running>=8", "--out", "plan.json")
    assert solved.returncode == 0, solved.stderr
    assert "then progress" in solved.stdout
    checked = run("check", quickstart, "plan.json")
    assert (checked.returncode, checked.stderr) == (0, "")
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["goals"][1]["value"] += 1
    (tmp_path / "false.json").write_text(json.dumps(plan))
    false = run("check", quickstart, "false.json")
    assert false.returncode == 1
    assert "claimed-objective: progress" in false.stdout

    traced = run(
        "pareto",
        quickstart,
        "--objectives",
        "progress,max-min",
        "--points",
        3,
        "--out",
        "points.json",
        "--plot",
        "points.html",
    )
    assert traced.returncode == 0, traced.stderr
    assert "each checked" in traced.stdout
    points = json.loads((tmp_path / "points.json").read_text())["points"]
    assert all(goal["gap"] <= 1e-4 for point in points for goal in point["goals"])
    page = (tmp_path / "points.html").read_text()
    assert "<script src=" not in page, "everything is in the page"
    assert run("pareto", quickstart, "--objectives", "progress").returncode == 2
    listed_ = run("objectives", "--json")
    assert {"name", "meaning", "unit", "source", "sense", "parameters"} == set(json.loads(listed_.stdout)[0])
