"""Jobs away from home: data over the links between sites, affinity, prices by site; the table and the checker agree."""

from __future__ import annotations

import json

import numpy as np
import pytest

import optsched
from optsched.checker import check
from optsched.instance.transfers import Transfers
from optsched.problem.build import build_problem


def two_sites(*jobs, links=True, objective="progress", **cluster):
    data = {
        "format": "optsched/1",
        "cluster": {
            "gpu_types": [{"id": "v", "hourly_price": 2.0}],
            "sites": [{"id": "north"}, {"id": "south", "hourly_prices": {"v": 1.0}}],
            "servers": [
                {"id": "n", "site": "north", "gpu_type": "v", "gpus": 4},
                {"id": "s", "site": "south", "gpu_type": "v", "gpus": 4},
            ],
            "switches": ["hub"],
            "links": [
                {"id": "a", "ends": ["north", "hub"], "capacity_gbps": 2.0, "price_per_gb": 0.01},
                {"id": "b", "ends": ["hub", "south"], "capacity_gbps": 1.0, "price_per_gb": 0.02},
            ]
            if links
            else [],
            **cluster,
        },
        "curves": {"c": {"family": "amdahl", "single": 10.0, "serial": 0.25}},
        "jobs": [{"curves": {"v": "c"}, "max_gpus": 4, **job} for job in jobs],
        "objective": objective if isinstance(objective, dict) else {"name": objective},
    }
    return optsched.loads(json.dumps(data))


def solved(instance, **options):
    result = optsched.solve(instance, gap=0.0, **options)
    assert check(instance, result.allocations, result.objective, result.value).ok
    return result


@pytest.mark.parametrize("formulation", ["auto", "configuration", "prices"])
def test_a_link_carries_one_of_two(formulation):
    """Of 45 GB a round of 360 s is 1 Gb/s, all that the link to the south carries."""
    jobs = [{"id": f"j{k}", "home": "north", "data_gb": 45.0, "min_gpus": 4} for k in range(3)]
    result = solved(two_sites(*jobs), formulation=formulation)
    assert sorted(a.site for a in result.allocations) == ["north", "south"]
    jobs = [job | {"sites": ["south"], "min_gpus": 2, "max_gpus": 2} for job in jobs]
    assert len(solved(two_sites(*jobs), formulation=formulation).allocations) == 1
    assert len(solved(two_sites(*jobs, links=False), formulation=formulation).allocations) == 2


def test_a_job_too_large_for_the_link_says_why():
    result = solved(two_sites({"id": "j", "home": "north", "data_gb": 46.0, "sites": ["south"]}))
    assert result.allocations == ()
    assert "link" in result.waiting[0].reason


def test_what_is_held_needs_no_copy():
    held = {"gpu_type": "v", "gpus": 4, "site": "south"}
    result = solved(two_sites({"id": "j", "home": "north", "data_gb": 46.0, "sites": ["south"], "holds": held}))
    assert result.allocations[0].site == "south"


def test_affinity_is_a_factor_on_goodput():
    jobs = [{"id": "j", "affinity": {"north": 0.5}, "reference": {"goodput": 10.0}}]
    result = solved(two_sites(*jobs))
    assert result.allocations[0].site == "south"
    assert result.value == pytest.approx(4 / 1.75)
    result = solved(two_sites(jobs[0] | {"sites": ["north"]}))
    assert result.value == pytest.approx(2 / 1.75)
    assert result.allocations[0].throughput == pytest.approx(40 / 1.75)


def test_affinity_of_listed_configurations():
    listed = {"id": "j", "curves": {}, "configurations": [{"gpu_type": "v", "gpus": 2, "throughput": 7.0}]}
    result = solved(two_sites(listed | {"affinity": {"north": 0.5, "south": 0.25}, "reference": {"goodput": 7.0}}))
    assert (result.allocations[0].site, result.value) == ("north", pytest.approx(0.5))


def test_costs_of_sites_and_copies():
    """Away: 4 GPUs of 1, and 36 GB at 0.03 ten times an hour; at home 4 GPUs of 2."""
    jobs = [{"id": "j", "home": "north", "data_gb": 36.0, "min_gpus": 4}]
    worth = {"name": "profit", "parameters": {"worth": 10.0}}
    result = solved(two_sites(*jobs, objective=worth))
    rate = (4 / (0.25 * 4 + 0.75)) / (4 / (0.25 * 4 + 0.75))
    assert result.allocations[0].site == "north"
    assert result.value == pytest.approx(10 * rate - 8)
    result = solved(two_sites(jobs[0] | {"sites": ["south"], "reference": {"goodput": 40 / 1.75}}, objective=worth))
    assert result.allocations == ()
    result = solved(two_sites(jobs[0] | {"data_gb": 3.6, "min_gpus": 4}, objective=worth))
    assert result.allocations[0].site == "south"
    assert result.value == pytest.approx(10 - 4 - 1.08)


def test_budgets_know_the_prices_of_sites():
    job = {"id": "j", "remaining_examples": 360000.0, "budget": 10.5, "max_gpus": 1}
    assert solved(two_sites(job)).allocations[0].site == "south"
    assert "budget" in solved(two_sites(job | {"sites": ["north"]})).waiting[0].reason


def test_resources_of_links_are_there_where_data_move():
    still = build_problem(two_sites({"id": "j", "home": "north"})).configurations
    moving = build_problem(two_sites({"id": "j", "home": "north", "data_gb": 9.0})).configurations
    assert not still.on_link.any()
    assert np.flatnonzero(moving.on_link).tolist() == [6, 7, 8, 9]
    assert moving.resource_names[6] == "Gb/s of link a from north"
    assert set(moving.used[1].tolist()) == {0, 1, 6, 8}


def test_routes():
    transfers = Transfers(two_sites({"id": "j", "home": "north", "data_gb": 9.0}))
    assert [(link.id, end) for link, end in transfers.route("south", "north")] == [("b", 1), ("a", 1)]
    assert transfers.route("north", "north") == ()


@pytest.mark.parametrize(
    ("job", "place"),
    [
        ({"home": "east"}, "$.jobs[0].home"),
        ({"data_gb": 3}, "$.jobs[0].data_gb"),
        ({"affinity": {"east": 1.0}}, "$.jobs[0].affinity"),
        ({"affinity": {"north": 0.0}}, "$.jobs[0].affinity"),
    ],
)
def test_bad_jobs(job, place):
    with pytest.raises(optsched.InputError) as error:
        two_sites({"id": "j", **job})
    assert place in str(error.value)


def test_bad_sites():
    with pytest.raises(optsched.InputError, match="hourly_prices"):
        two_sites({"id": "j"}, sites=[{"id": "north", "hourly_prices": {"w": 1.0}}, {"id": "south"}])
