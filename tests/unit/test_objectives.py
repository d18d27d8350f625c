"""Objectives: values and totals by hand, and unknown names and parameters."""

from __future__ import annotations

import numpy as np
import pytest

from optsched.errors import InputError
from optsched.instance import ObjectiveSpec
from optsched.objectives import OBJECTIVES, Rates, objective

RATES = Rates(
    weight=np.array([2.0, 0.0, 0.5]), reference=np.array([10.0, 5.0, 4.0]),
    throughput=np.array([30.0, 7.0, 8.0]), goodput=np.array([20.0, 5.0, 6.0]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "values", "total"),
    [("progress", [4, 0, 0.75], 4.75), ("throughput", [30, 7, 8], 45), ("max-min", [1, 1, 3], 1)],
)
def test_values_and_totals(name, values, total):
    goal = objective(ObjectiveSpec(name=name))
    np.testing.assert_allclose(goal.value(RATES), values)
    assert goal.total(goal.value(RATES), RATES.weight) == total


def test_the_least_is_over_jobs_of_positive_weight():
    goal = objective(ObjectiveSpec(name="max-min"))
    assert goal.total(np.array([3.0, 0.0, 2.0]), RATES.weight) == 2
    assert goal.total(np.array([3.0, 0.0]), np.zeros(2)) == 0
    assert goal.counted(RATES.weight).tolist() == [True, False, True]
    assert objective(ObjectiveSpec()).counted(RATES.weight).all()


def test_an_unknown_objective_names_the_known_ones():
    with pytest.raises(InputError, match=r"\$\.objective\.name: found 'speed'") as error:
        objective(ObjectiveSpec(name="speed"))
    assert all(name in str(error.value) for name in OBJECTIVES)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_unknown_parameter_is_refused(name):
    with pytest.raises(InputError, match=r"\$\.objective\.parameters.*'colour'"):
        objective(ObjectiveSpec(name=name, parameters={"colour": 1}))
