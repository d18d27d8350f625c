"""Least values by sums: no level is refuted that a plan reaches, against brute force; and what the sums find."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

import optsched
from optsched.instance import Instance, ObjectiveSpec
from optsched.problem.build import build_problem
from optsched.problem.configurations import same_rows
from optsched.problem.placement.incumbents import part_of
from optsched.search.placement.dominance import non_dominated
from optsched.search.strategies.max_min_placement import by_fair_sums
from optsched.search.strategies.placement import by_kernels, by_rack_prices, one_by_one
from optsched.search.strategies.state import IncumbentStore, Search
from optsched.solvers import Limits, RunContext
from tests.conftest import ROOT
from tests.support.placement_instances import made
from tests.support.placement_oracle import best_placed

BLOCK = 15
STAGES = (by_rack_prices, one_by_one, by_kernels)


def of_the_least(seed: int, decides: str) -> Instance:
    return replace(made(seed, decides), objective=ObjectiveSpec(name="max-min"))


@pytest.mark.parametrize("decides", ["placement", "network"])
@pytest.mark.parametrize("start", range(0, 60, BLOCK))
def test_bounds_and_plans_hold(start: int, decides: str) -> None:
    for seed in range(start, start + BLOCK):
        one = of_the_least(seed, decides)
        truth = best_placed(one)
        problem = build_problem(one)
        if truth is None or len(problem.configurations) == 0:
            continue
        found = by_fair_sums(Search(problem, IncumbentStore()), STAGES, RunContext(Limits(gap=1e-4)))
        slack = 2e-6 * max(truth[0], 1e-6)
        assert found.bound is None or found.bound >= truth[0] - slack, seed
        assert found.plan is None or found.value <= truth[0] + slack, seed


@pytest.mark.parametrize("name", ["placement-24", "network-24"])
def test_the_least_of_two_dozen_jobs_needs_no_model(name: str) -> None:
    result = optsched.solve(optsched.load(ROOT / "instances" / f"{name}.json"), objective="max-min")
    assert (result.status, result.formulation) == ("optimal", "alpha-fair")


def test_rows_are_found_again_in_the_whole() -> None:
    problem = build_problem(optsched.load(ROOT / "instances" / "network-8.json"))
    part, number = part_of(problem, non_dominated(problem))
    rows = np.arange(0, len(number), 7)
    assert same_rows(problem.configurations, part.configurations, rows).tolist() == number[rows].tolist()
    assert (same_rows(part.configurations, problem.configurations, (~non_dominated(problem)).nonzero()[0]) == -1).all()
