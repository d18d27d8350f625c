"""Bounds and plans by prices, levels and intervals of network rates, against brute force."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import numpy as np
import pytest

from formulations.network.model import build
from formulations.network.patterns import full_patterns, holds
from optsched.checker import check
from optsched.instance import ObjectiveSpec
from optsched.instance.topology import Room
from optsched.problem.build import build_problem
from optsched.problem.formulation import ModelOptions
from optsched.problem.placement.incumbents import part_of
from optsched.problem.problem import allocate
from optsched.search.placement.domains import placement_domains
from optsched.search.placement.prices import price_domains
from optsched.search.placement.rate_levels import ENDS, at_levels, in_intervals, kernel_plan, narrowed, widened
from optsched.search.placement.reduced_costs import ReducedCosts
from optsched.solvers import Limits, RunContext, highs
from tests.support.placement_instances import made
from tests.support.placement_oracle import best_placed

SLACK = 2e-6
BLOCK = 10


def posed(seed):
    """Return the problem of a seed with its objective as a sum, and its best value by brute force; None: no plan."""
    one = made(seed, "network")
    problem = build_problem(one, error=1e-3)
    return problem, best_placed(one)


def context():
    return RunContext(Limits(time.monotonic() + 60, 1e-6))


@pytest.mark.parametrize("start", range(400, 520, BLOCK))
def test_prices_and_intervals_bound_and_levels_are_plans(start):
    for seed in range(start, start + BLOCK):
        problem, truth = posed(seed)
        if truth is None or problem.objective.aggregate != "sum" or problem.instance.max_moves is not None:
            continue
        best = truth[0] * problem.objective.sign
        slack = SLACK * max(abs(best), 1e-6)
        worth = price_domains(problem, None)
        assert worth.dual >= best - slack, seed
        split, _ = in_intervals(problem, ENDS)
        assert price_domains(split, None).dual >= best - slack, seed
        outcome = highs.solve(build(split).model, context())
        assert outcome.bound >= best - slack, seed
        plan = kernel_plan(problem, worth.loss(problem), 10**6, None, context())
        if plan is None:  # a required job may need a rate between levels
            continue
        spec = ObjectiveSpec(name=problem.objective.name, parameters=problem.objective.parameters)
        value = problem.total(plan)
        report = check(problem.instance, allocate(problem, plan), spec, claimed=problem.objective.sign * value)
        assert report.violations == (), seed
        assert value <= best + slack, seed
        # no row that a better plan uses is left out
        part, of = part_of(problem, worth.promising(problem, value - 1e-9, plan.rows))
        assert highs.solve(build(part).model, context()).bound >= best - slack, seed
        assert np.all(np.isin(plan.rows[plan.rows >= 0], of))


@pytest.mark.parametrize("seed", range(400, 430))
def test_a_plan_in_intervals_is_the_plan(seed):
    problem, truth = posed(seed)
    if truth is None or problem.objective.aggregate != "sum":
        return
    plan = kernel_plan(problem, -problem.value, 10**6, None, context())
    if plan is None:
        return
    split, number = in_intervals(problem, ENDS)
    inside = narrowed(split, number, plan)
    assert np.array_equal(np.append(number, -1)[inside.rows], plan.rows)
    assert split.total(inside) == pytest.approx(problem.total(plan), rel=1e-9)
    assert problem.total(widened(problem, number, inside)) >= problem.total(plan) * (1 - 1e-6) - 1e-9
    below = narrowed(*at_levels(problem, np.arange(len(problem.configurations))), plan)
    known = ~np.isnan(below.gbps)
    assert np.all(below.gbps[known] <= plan.gbps[known] * (1 + 1e-9))
    # the model takes it for a point of its own
    if len(number):
        built = build(split)
        assert highs._broken(_request(built.model), built.start(inside)) == ""


def _request(model):
    matrix = model.matrix()
    return highs.Request(
        model.offset,
        model.cost,
        model.lower,
        model.upper,
        model.integer,
        matrix.start,
        matrix.column,
        matrix.coefficient,
        matrix.lower,
        matrix.upper,
        None,
    )


@pytest.mark.parametrize("seed", range(40))
def test_patterns_hold_what_fits_a_server(seed):
    draw = np.random.default_rng(seed)
    gpus, network = int(draw.integers(2, 6)), 10.0
    items = {(int(draw.integers(1, gpus + 1)), float(draw.choice([0.0, 2.5, 4.0, 5.0, 6.0, 10.0]))) for _ in range(6)}
    patterns = full_patterns(gpus, network, tuple(sorted(items, reverse=True)))
    assert patterns is not None
    for count in range(1, gpus + 1):
        for held in itertools.combinations_with_replacement(sorted(items), count):
            fits = sum(size for size, _ in held) <= gpus and sum(rate for _, rate in held) <= network
            assert fits == any(holds(pattern, list(held)) for pattern in patterns), held
    # none is in another
    for one, other in itertools.permutations(patterns, 2):
        assert not holds(other, list(Counter(one).elements()))


def test_too_many_patterns_are_none():
    items = tuple((size, rate / 10) for size in range(8, 0, -1) for rate in range(100, 0, -1))
    assert full_patterns(8, 10.0, items) is None


def test_items_of_a_thousand_rates_are_too_many():
    assert full_patterns(4, 25.0, tuple((1, rate) for rate in np.linspace(25, 1, 1500).tolist())) is None


@pytest.mark.parametrize("seed", range(200, 230))
def test_a_full_server_leaves_its_network(seed):
    """The valid inequality C23 changes no optimum."""
    problem, truth = posed(seed)
    if truth is None:
        return
    bounds = [
        highs.solve(build(problem, ModelOptions(exclude=frozenset({"merge", *left_out}))).model, context()).bound
        for left_out in ((), ("full-servers",))
    ]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("seed", range(200, 260))
def test_rows_at_prices_are_as_good_as_their_best_column(seed):
    """At any prices: what a close look at some rows leaves out is in no job's best choice, and the dual bounds."""
    problem, truth = posed(seed)
    if problem.objective.aggregate != "sum" or problem.instance.max_moves is not None:
        return
    table = problem.configurations
    stands = placement_domains(problem, Room.of(problem.instance))
    draw = np.random.default_rng(seed)
    size = len(table.capacity) + len(stands.capacity)
    for _ in range(3):
        prices = draw.exponential(0.1 * max(problem.value.max(initial=1.0), 1e-3), size) * draw.integers(0, 2, size)
        some, every = ReducedCosts(problem, stands, 33), ReducedCosts(problem, stands, 33)
        rough = some.at(prices, 0)
        dual = some.at(prices, 30)
        every.at(prices, 30)
        every.look_at_best(len(table))
        assert every.seen.all()
        assert np.all(some.reduced >= every.reduced - 1e-9 * np.abs(every.reduced))
        assert dual == pytest.approx(every.at(prices, 0), rel=1e-9)
        assert rough >= dual - 1e-9 * abs(dual)
        if truth is not None:
            best = truth[0] * problem.objective.sign
            assert dual >= best - SLACK * max(abs(best), 1e-6)
