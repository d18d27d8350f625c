"""Values as integers for CP-SAT, of either sign: bounds stay bounds, and sums stay safe."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import optsched
from formulations.cpsat.scaling import SAFE, whole_values
from optsched.instance import ObjectiveSpec
from optsched.problem.build import build_problem
from tests.support.builders import instance, job, listed

VALUES = {
    "negative": lambda random: -random.uniform(0, 5, 8),
    "mixed": lambda random: random.normal(0, 5, 8),
    "whole": lambda random: random.integers(-9, 10, 8).astype(float),
    "far apart": lambda random: random.choice([-1, 1], 8) * 10.0 ** random.uniform(-9, 9, 8),
    "cancelling": lambda random: np.repeat(random.uniform(1, 5, 4), 2) * np.tile([1.0, -1.0], 4),
}


@pytest.mark.parametrize("kind", VALUES)
def test_whatever_is_chosen_counts_for_no_less_than_its_value_and_for_a_unit_more_at_most(kind):
    for seed in range(10):
        values = VALUES[kind](np.random.default_rng(seed))
        whole, unit = whole_values(values)
        assert np.abs(whole).sum() <= SAFE
        rounding = 1e-14 * np.abs(values).sum()
        for chosen in itertools.product([False, True], repeat=len(values)):
            some = np.array(chosen)
            over = float(whole[some].sum()) * unit - float(values[some].sum())
            assert -rounding <= over <= unit * some.sum() + rounding


def test_nothing_is_worth_nothing():
    assert whole_values(np.zeros(3))[0].tolist() == [0, 0, 0]
    assert whole_values(np.empty(0))[0].tolist() == []


@pytest.mark.parametrize("required", [[True, True, True], [True, False, False]])
def test_cpsat_proves_what_enumeration_finds_where_rows_are_worth_less_than_nothing(required):
    gpus = {"gpu_types": [{"id": "v", "hourly_price": 0.7}], "servers": [{"id": "s", "gpu_type": "v", "gpus": 4}]}
    rates = ([2.0, 3.1, 3.9], [1.0, 2.1, 2.7], [5.0, 6.3, 9.1])
    jobs = [
        job(str(k), configurations=listed(*rates[k]), required=required[k], weight=(0.5, 1.0, 2.0)[k]) for k in range(3)
    ]
    asked = instance(*jobs, cluster=gpus)
    spec = ObjectiveSpec(name="profit", parameters={"worth": 0.9})
    problem = build_problem(asked, spec)
    table = problem.configurations
    assert problem.value.min() < 0 < problem.value.max()
    ways = [[*range(table.first[j], table.first[j + 1]), *([] if required[j] else [-1])] for j in range(3)]
    best = -np.inf
    for rows in itertools.product(*ways):
        held = np.array([row for row in rows if row >= 0])
        if table.columns.gpus[held].sum() <= 4:
            best = max(best, float(problem.value[held].sum()))
    result = optsched.solve(asked, objective=spec, formulation="configuration", backend="cpsat", gap=1e-6)
    assert result.status == "optimal"
    assert result.value == pytest.approx(best, rel=1e-9)
    assert best <= result.bound + 1e-12 <= best + 1e-5 * abs(best)
