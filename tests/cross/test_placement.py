"""Brute force over places and network rates = the formulations of them, through the facade and the checker."""

from __future__ import annotations

import pytest

import optsched
from optsched.checker import check
from optsched.formulation import formulations
from tests.cross.placement_oracle import best_placed
from tests.placement.made import made

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


@pytest.mark.skipif("placement" not in formulations(), reason="the formulation is not installed")
@pytest.mark.parametrize("start", range(0, 80, BLOCK))
def test_places(start):
    """Without rates, nothing is linearized: the optimum is proven."""
    for seed in range(start, start + BLOCK):
        assert compare(seed, "placement", "placement", 1e-6), seed


KNOWN = {
    1331: "HiGHS, once it is given a start, certifies a wrong optimum: its presolve rule 12, see test_solver.py",
    1213: "what is held stands on a server that has not enough memory for it: KeyError",
    2793: "what is held stands on a server that cannot hold it: KeyError",
    2876: "what is held stands on a server that cannot hold it: KeyError",
    1963: "a plan that lands on what is held, by an option that does not keep it, claims a restart and is dropped",
    2899: "the row of a batch that is only held is on fewer nodes than its placement has servers",
}
"""Seeds that are solved wrongly, or not at all, and why; whoever sets one right takes it to ``test_once_wrong``."""


@pytest.mark.skipif("placement" not in formulations(), reason="the formulation is not installed")
@pytest.mark.parametrize(
    "seed", [pytest.param(s, marks=pytest.mark.xfail(reason=KNOWN[s], strict=True)) for s in KNOWN]
)
def test_known_to_be_wrong(seed):
    assert compare(seed, "placement", "placement", 1e-6)


@pytest.mark.skipif("placement" not in formulations(), reason="the formulation is not installed")
@pytest.mark.parametrize("seed", [37, 48, 1426, 2091, 2812])
def test_once_wrong(seed):
    """Holdings of which only the places of the parameter servers are known; and models as in ``test_solver.py``."""
    assert compare(seed, "placement", "placement", 1e-6)


@pytest.mark.skipif("network" not in formulations(), reason="the formulation is not installed")
@pytest.mark.parametrize("start", range(20, 60, BLOCK))
def test_rates(start):
    """Within the error of a linearization of values over rates."""
    for seed in range(start, start + BLOCK):
        assert compare(seed, "network", "network", 1e-3), seed


@pytest.mark.skipif("network" not in formulations(), reason="the formulation is not installed")
def test_rates_that_are_not_proven_to_the_gap_are_bounded():
    for seed in range(100, 120):
        compare(seed, "network", "network", 1e-6)


@pytest.mark.skipif("network" not in formulations(), reason="the formulation is not installed")
@pytest.mark.parametrize("decides", ["placement", "network"])
def test_what_the_facade_chooses(decides):
    for seed in range(200, 220):
        compare(seed, decides, "auto", 1e-3)


@pytest.mark.skipif("network" not in formulations(), reason="the formulation is not installed")
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
