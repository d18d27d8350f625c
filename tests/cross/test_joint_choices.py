"""Every backend, encoding and part left out: the formulations of places and rates agree with brute force."""

from __future__ import annotations

import contextlib

import pytest

import optsched
from optsched.instance import Instance
from optsched.problem.formulation import ModelOptions, formulation
from tests.support.placement_instances import made
from tests.support.placement_oracle import best_placed

LEAVES = [("placement", name) for name in formulation("placement").cuts]
LEAVES += [("network", name) for name in formulation("network").cuts]
ENCODINGS = [name for name in formulation("network").encodings if name != "auto"]


def agrees(one: Instance, decides: str, gap: float, **options: object) -> None:
    truth = best_placed(one)
    result = optsched.solve(one, formulation=decides, gap=gap, time_limit=60, **options)
    if truth is None:
        assert result.status == "infeasible"
        return
    best, slack = truth[0], 2e-6 * max(truth[0], 1e-6)
    assert result.bound is None or result.bound >= best - slack
    assert best - slack - gap * best <= result.value <= best + slack


@pytest.mark.parametrize("backend", ["cpsat", "pyomo"])
@pytest.mark.parametrize("seed", range(100, 106))
def test_places_on_other_backends(seed, backend):
    agrees(made(seed, "placement"), "placement", 1e-6, backend=backend)


@pytest.mark.parametrize("seed", range(100, 103))
def test_rates_through_pyomo(seed):
    agrees(made(seed, "network"), "network", 0.02, backend="pyomo")


@pytest.mark.parametrize(("decides", "left_out"), LEAVES)
@pytest.mark.parametrize("seed", range(200, 204))
def test_what_can_be_left_out(seed, decides, left_out):
    agrees(made(seed, decides), decides, 0.02, options=ModelOptions(exclude=frozenset({left_out})))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("seed", range(300, 303))
def test_rates_by_any_encoding(seed, encoding):
    one, options = made(seed, "network"), ModelOptions(encoding=encoding)
    if encoding in ("hypograph", "envelope"):
        # without binaries, an encoding asks for a curvature, and refuses what has another
        with contextlib.suppress(optsched.InputError):
            agrees(one, "network", 0.02, options=options)
        return
    agrees(one, "network", 0.02, options=options)
