"""Brute force over places and network rates = the formulations of them, through the facade and the checker."""

from __future__ import annotations

import pytest

import optsched
from optsched.checker import check
from tests.support.placement_instances import made
from tests.support.placement_oracle import best_placed

BLOCK = 10
TOLERANCE = 2e-6
"""Relative: that of solvers is 1e-6."""


def compare(seed, decides, formulation, gap):
    """Solve the instance of a seed, and compare with brute force; return whether it was proven."""
    one = made(seed, decides)
    truth = best_placed(one)
    result = optsched.solve(one, formulation=formulation, gap=gap, time_limit=60)
    if truth is None:
        assert result.status == "infeasible", seed
        assert result.reason
        return True
    best, slack = truth[0], TOLERANCE * max(truth[0], 1e-6)
    assert result.status in ("optimal", "feasible"), (seed, result.status, result.notes)
    assert check(one, result.allocations, claimed=result.value).violations == (), seed
    assert result.value <= best + slack, (seed, "more than there is")
    assert result.bound is None or result.bound >= best - slack, (seed, "the bound holds for the true curves")
    if result.status == "optimal":
        assert result.value >= best - gap * best - slack, (seed, "within the gap")
    return result.status == "optimal"


@pytest.mark.parametrize("start", range(0, 80, BLOCK))
def test_places(start):
    """Without rates, nothing is linearized: the optimum is proven."""
    for seed in range(start, start + BLOCK):
        assert compare(seed, "placement", "placement", 1e-6), seed


@pytest.mark.parametrize("seed", [37, 48, 1213, 1331, 1426, 1963, 2091, 2793, 2812, 2876, 2899])
def test_once_wrong(seed):
    """Holdings that cannot stand where they do, are known in part, or are landed on; models of ``test_solver``."""
    assert compare(seed, "placement", "placement", 1e-6)


@pytest.mark.parametrize("start", range(20, 60, BLOCK))
def test_rates(start):
    """Within the error of a linearization of values over rates."""
    for seed in range(start, start + BLOCK):
        assert compare(seed, "network", "network", 1e-3), seed


def test_rates_that_are_not_proven_to_the_gap_are_bounded():
    for seed in range(100, 120):
        compare(seed, "network", "network", 1e-6)


@pytest.mark.parametrize("decides", ["placement", "network"])
def test_what_the_facade_chooses(decides):
    for seed in range(200, 220):
        compare(seed, decides, "auto", 1e-3)


@pytest.mark.parametrize("decides", ["placement", "network"])
def test_one_decision_after_the_other_is_feasible_and_its_bound_holds(decides):
    for seed in range(300, 330):
        one = made(seed, decides)
        truth = best_placed(one)
        result = optsched.solve(one, formulation="one-by-one", gap=1e-6)
        if truth is None:
            assert result.status in ("infeasible", "unknown"), seed
        elif result.allocations:
            assert check(one, result.allocations, claimed=result.value).violations == (), seed
            assert result.value <= truth[0] * (1 + TOLERANCE), seed
        if truth is not None and result.bound is not None:
            assert result.bound >= truth[0] * (1 - TOLERANCE), seed
