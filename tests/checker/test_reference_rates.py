"""What jobs are measured by is defined once: the table and the checker, written apart, agree on random instances."""

from __future__ import annotations

import json

import numpy as np
import pytest
from msgspec.structs import replace

import optsched
from optsched.checker.recompute import Truth
from optsched.problem.configurations import measured_by, tabulate
from tests.support.random_instances import random_instance


@pytest.mark.parametrize("decides", ["counts", "placement", "network"])
@pytest.mark.parametrize("block", range(5))
def test_table_and_checker_agree(decides, block):
    for seed in range(40 * block, 40 * block + 40):
        instance = random_instance(seed, decides)
        truth, table = Truth(instance), tabulate(instance)
        np.testing.assert_allclose(table.reference, truth.references(instance.jobs), rtol=1e-9, err_msg=str(seed))
        for base in ("least", "most", "isolated"):
            expected = truth.measures(instance.jobs, base)
            np.testing.assert_allclose(measured_by(instance, base), expected, rtol=1e-9, err_msg=f"{seed} {base}")
            if base in table.extremes:
                np.testing.assert_allclose(table.extremes[base], expected, rtol=1e-9, err_msg=f"{seed} {base}")


@pytest.mark.parametrize("objective", ["finish-time", "sia", "flow-time"])
def test_a_reference_does_not_hang_on_what_is_decided(objective):
    for seed in range(30):
        instance = random_instance(seed, "counts", objective)
        for base in ("reference", "least", "most", "isolated"):
            rates = [
                Truth(replace(instance, decides=decides)).measures(instance.jobs, base)
                for decides in ("counts", "placement", "network")
            ]
            np.testing.assert_array_equal(rates[0], rates[1])
            np.testing.assert_array_equal(rates[0], rates[2])


@pytest.mark.parametrize("decides", ["placement", "network"])
@pytest.mark.parametrize(("goal", "value"), [("finish-time", 1.4), ("sia", 1.1 - (2 * 7 / 5) ** -0.5)])
def test_a_curve_that_is_faster_on_two_nodes(decides, goal, value):
    rows = [(1, 1, 4.0), (2, 1, 5.0), (2, 2, 7.0)]
    record = {
        "format": "optsched/1",
        "decides": decides,
        "cluster": {
            "gpu_types": [{"id": "v"}],
            "servers": [{"id": "s", "count": 2, "gpu_type": "v", "gpus": 2, "network_gbps": 10.0}],
        },
        "curves": {
            "c": {"family": "table", "rows": [{"gpus": g, "nodes": n, "throughput": x} for g, n, x in rows]},
        },
        "jobs": [
            {
                "id": "a",
                "curves": {"v": "c"},
                "min_gpus": 2 if goal == "sia" else 1,
                "max_gpus": 2,
                "required": True,
                "remaining_examples": 100.0,
            }
        ],
        "objective": {"name": goal},
    }
    found = optsched.solve(optsched.loads(json.dumps(record)))
    assert found.status == "optimal"
    assert found.value == pytest.approx(value)
    assert found.allocations[0].nodes == 2
