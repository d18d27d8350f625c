"""The brute force over places and rates: by hand, by the checker, without its shortcuts, and against SLSQP."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

import optsched
from optsched.checker import check
from tests.support.placement_instances import made
from tests.support.placement_options import options_of, servers_of, sides
from tests.support.placement_oracle import Search, best_placed
from tests.support.rates_oracle import Rated, best_rates

LIBRARY = Path(__file__).resolve().parents[2] / "instances"
BY_HAND = {
    name: known
    for name, known in json.loads((LIBRARY / "best-known.json").read_text()).items()
    if name.startswith("micro/")
}
SEEDS = range(60)


@pytest.mark.parametrize("name", [n for n in BY_HAND if optsched.load(LIBRARY / n).decides != "counts"])
def test_it_finds_what_is_known_by_hand(name):
    one = optsched.load(LIBRARY / name)
    value, plan = best_placed(one)
    assert value == pytest.approx(BY_HAND[name]["value"], rel=1e-9)
    assert check(one, plan, claimed=value).violations == ()


class Thorough(Search):
    """Without symmetry, and without what two jobs say of three."""

    def ordered(self, option):
        return True

    def hopeless(self, chosen, later):
        return False


@pytest.mark.parametrize("decides", ["placement", "network"])
def test_its_shortcuts_lose_nothing(decides):
    compared = 0
    for seed in SEEDS:
        one = made(seed, decides)
        search = Thorough(one)
        if math.prod(len(options) + 1 for options in search.options) < 3000:
            quick, slow = best_placed(one), search.run()
            assert (quick is None) == (slow is None), seed
            assert quick is None or quick[0] == pytest.approx(slow[0], rel=1e-9), seed
            compared += quick is not None
    assert compared > 20


@pytest.mark.parametrize("decides", ["placement", "network"])
def test_its_plans_pass_the_checker_and_no_random_one_that_does_is_better(decides):
    accepted = 0
    for seed in SEEDS:
        one, draw = made(seed, decides), random.Random(seed)
        found = best_placed(one)
        if found is not None:
            assert check(one, found[1], claimed=found[0]).violations == (), seed
        servers = servers_of(one)
        links = sides(one, servers)
        options = [list(options_of(one, servers, links, job)) for job in one.jobs]
        for _ in range(12):
            chosen = [draw.choice([*own, None]) for own in options]
            plan = [o.allocation(o.least + draw.random() * (o.most - o.least)) for o in chosen if o is not None]
            report = check(one, plan)
            rules = {violation.rule for violation in report.violations}
            assert rules <= {"capacity", "network", "required", "moves"}, (seed, report.violations)
            if report.ok:
                accepted += 1
                assert found is not None, seed
                assert report.value <= found[0] * (1 + 1e-7) + 1e-9, seed
    assert accepted > 100


@pytest.mark.parametrize("least_counts", [False, True])
def test_rates_are_as_good_as_those_of_another_method(least_counts):
    draw = np.random.default_rng(7)
    for _ in range(25):
        number = int(draw.integers(2, 4))
        height, bend = draw.uniform(1, 5, number), draw.uniform(1, 20, number)
        jobs = [Rated(0.1, 10.0, lambda b, h=h, c=c: h * b / (b + c)) for h, c in zip(height, bend, strict=True)]
        rows = [(tuple(draw.choice([0.0, 0.5, 1.0, 2.0], number)), float(draw.uniform(3, 12))) for _ in range(3)]
        rows = [row for row in rows if any(row[0])]
        value, rates = best_rates(jobs, rows, least_counts, [])
        parts, limits = np.array([row[0] for row in rows]).reshape(-1, number), np.array([row[1] for row in rows])
        assert (parts @ rates <= limits + 1e-9).all()
        assert all(0.1 - 1e-12 <= rate <= 10 + 1e-12 for rate in rates)
        # variables: the rates, and for the least value a level below all of them

        def goal(x, h=height, c=bend):
            return -x[-1] if least_counts else -float(np.sum(h * x[:-1] / (x[:-1] + c)))

        rules = [{"type": "ineq", "fun": lambda x, p=parts, c=limits: c - p @ x[:-1]}] if len(rows) else []
        if least_counts:
            rules.append({"type": "ineq", "fun": lambda x, h=height, c=bend: h * x[:-1] / (x[:-1] + c) - x[-1]})
        found = minimize(
            goal,
            [*[0.5] * number, 0.0],
            bounds=[*[(0.1, 10.0)] * number, (0.0, 10.0)],
            constraints=rules,
            method="SLSQP",
            options={"ftol": 1e-13, "maxiter": 500},
        )
        assert value == pytest.approx(-found.fun, rel=1e-6)
