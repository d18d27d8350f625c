"""The engine against the integer program of the same problem, whole and with kernels too small for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formulations.configuration import build
from optsched.checker import check
from optsched.instance import Instance
from optsched.problem.build import build_problem
from optsched.problem.problem import Plan, Problem, allocate
from optsched.search.prices import Priced, price
from optsched.search.prices import polish as search
from optsched.solvers import Limits, RunContext, highs
from tests.support.priced_arrays import problems
from tests.support.strategies import instances

REPEATED = settings(max_examples=300, deadline=None, derandomize=True)
"""The same examples every time."""


def optimum(problem: Problem) -> float | None:
    """Return the optimum by HiGHS; None where there is no plan."""
    if len(problem.configurations) == 0:
        holds = sum(job.holds is not None for job in problem.instance.jobs)
        moves = problem.instance.max_moves
        return None if problem.required.any() or (moves is not None and holds > moves) else 0.0
    outcome = highs.solve(build(problem).model, RunContext(Limits(gap=0.0)))
    assert outcome.status in ("optimal", "infeasible")
    return outcome.objective


def keeps_all(problem: Problem, rows: np.ndarray) -> bool:
    """Return whether a plan keeps every rule, entry by entry."""
    table = problem.configurations
    used = np.zeros(len(table.capacity))
    for row, resource, amount in zip(*table.used, strict=True):
        used[resource] += amount * (row in rows)
    owners = table.job[rows[rows >= 0]]
    held = sum(job.holds is not None for job in problem.instance.jobs)
    moved = held - int(table.kept[rows[rows >= 0]].sum())
    return (
        bool(np.all(used <= table.capacity + 1e-8))
        and np.array_equal(owners, np.flatnonzero(rows >= 0))
        and not np.any(problem.required & (rows < 0))
        and (problem.instance.max_moves is None or moved <= problem.instance.max_moves)
    )


def agrees(problem: Problem, found: Priced, gap: float) -> None:
    """Assert that a plan is feasible and the bound holds."""
    best = optimum(problem)
    if best is None:
        assert found.rows is None
        return
    assert found.bound >= best - 1e-7 * max(1.0, abs(best))
    if found.rows is None:
        return
    assert keeps_all(problem, found.rows)
    assert found.value == pytest.approx(problem.total(Plan(found.rows)))
    assert found.value <= best + 1e-7 * max(1.0, abs(best))
    assert found.bound >= found.value
    if found.gap <= gap:
        assert found.value >= best - (gap + 1e-9) * max(1.0, abs(best)) - 1e-9


@REPEATED
@given(problem=problems())
def test_small_problems_are_solved(problem: Problem) -> None:
    found = price(problem, deadline=None, gap=1e-9)
    agrees(problem, found, 1e-9)
    assert (found.rows is None) == (optimum(problem) is None)
    assert found.rows is None or found.gap <= 1e-6


@REPEATED
@given(problem=problems(most_jobs=9), gap=st.sampled_from([0.0, 1e-3, 0.2]))
def test_small_kernels_prove_no_more_than_is_true(problem: Problem, gap: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "KERNELS", (1, 2, 4))
        agrees(problem, price(problem, deadline=None, gap=gap), gap)


@REPEATED
@given(problem=problems(), prices=st.lists(st.floats(0, 30), min_size=4, max_size=4))
def test_any_start(problem: Problem, prices: list[float]) -> None:
    start = np.array(prices[: len(problem.configurations.capacity)])
    agrees(problem, price(problem, deadline=None, gap=1e-4, start=start), 1e-4)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(instance=instances(with_servers=True))
def test_instances_pass_the_checker(instance: Instance) -> None:
    problem = build_problem(instance)
    if problem.objective.aggregate != "sum":
        with pytest.raises(ValueError, match="max-min"):
            price(problem, deadline=None, gap=1e-4)
        return
    found = price(problem, deadline=None, gap=1e-6)
    agrees(problem, found, 1e-6)
    if found.rows is not None:
        report = check(instance, allocate(problem, Plan(found.rows)), claimed=found.value)
        assert report.ok, report.violations
