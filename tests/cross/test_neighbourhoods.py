"""Searches around a plan with places: what they find is a plan, and no better than brute force."""

from __future__ import annotations

import time
from concurrent.futures import Future

import numpy as np
import pytest

from optsched.checker import check
from optsched.instance import ObjectiveSpec
from optsched.problem.build import build_problem
from optsched.problem.problem import Plan, allocate
from optsched.search.placement.lns import improve_placement
from optsched.search.placement.prices import price_domains
from optsched.search.placement.sequential import sequential_plan
from optsched.solvers import Limits, RunContext
from tests.support.placement_instances import made
from tests.support.placement_oracle import best_placed

SLACK = 2e-6
BLOCK = 20


def context():
    return RunContext(Limits(time.monotonic() + 60, 1e-6))


def started(seed, decides):
    """Return the problem of a seed, a plan, what rows are worth, and the best value; None where one is missing.

    The plan lets nobody run, or is a first one where somebody must.
    """
    one = made(seed, decides)
    problem = build_problem(one, error=1e-3)
    if problem.objective.aggregate != "sum" or problem.instance.max_moves is not None:
        return None
    jobs = problem.configurations.jobs
    nobody = Plan(np.full(jobs, -1), np.full(jobs, np.nan) if decides == "network" else None, (None,) * jobs)
    plan, truth = sequential_plan(problem, context()) if problem.required.any() else nobody, best_placed(one)
    if plan is None or truth is None:
        return None
    return problem, plan, price_domains(problem, None).reduced, truth[0] * problem.objective.sign


@pytest.mark.parametrize("decides", ["placement", "network"])
@pytest.mark.parametrize("start", range(400, 480, BLOCK))
def test_a_plan_gets_no_worse_and_stays_one(start, decides):
    better = 0
    for seed in range(start, start + BLOCK):
        if (case := started(seed, decides)) is None:
            continue
        problem, plan, worth, best = case
        found = improve_placement(problem, plan, worth, context())
        spec = ObjectiveSpec(name=problem.objective.name, parameters=problem.objective.parameters)
        value, before = problem.total(found), problem.total(plan)
        report = check(problem.instance, allocate(problem, found), spec, claimed=problem.objective.sign * value)
        assert report.violations == (), seed
        assert before <= value <= best + SLACK * max(abs(best), 1e-6), seed
        better += value > before + 1e-6
    assert better, "some plan can be bettered"


def test_news_are_taken_and_waited_for():
    cases = (case for seed in range(400, 500) if (case := started(seed, "network")) is not None)
    problem, first, worth, better = next(
        (problem, plan, worth, found)
        for problem, plan, worth, _ in cases
        if problem.total(found := improve_placement(problem, plan, worth, context())) > problem.total(plan) + 1e-3
    )
    news: Future = Future()
    news.set_result(better)
    assert problem.total(
        improve_placement(problem, first, worth, context(), problem.total(better), news)
    ) == problem.total(better)
    nothing: Future = Future()
    nothing.set_result(None)
    assert problem.total(improve_placement(problem, better, worth, context(), news=nothing)) >= problem.total(better)
