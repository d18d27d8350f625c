"""Curves bend no more than they claim, and the pieces that stand for them lie nowhere below."""

from __future__ import annotations

from dataclasses import astuple, replace

import msgspec
import numpy as np
import pytest

import optsched
from optsched.instance import ObjectiveSpec, load
from optsched.prediction.curves import Points
from optsched.prediction.curves.allreduce import AllReduce
from optsched.prediction.curves.allreduce.correction import Kernel
from optsched.prediction.curves.allreduce.curve import Correction
from optsched.prediction.curves.parameter_servers import (
    AsyncCapacity,
    ParameterServer,
    SyncCapacity,
    SyncIncast,
    SyncSerial,
)
from optsched.problem.build import build_problem
from optsched.problem.placement.rate_breakpoints import rate_breakpoints
from tests.support.placement_instances import made


def ring(draw):
    low, high = draw.uniform(0, 0.2, 2)
    return AllReduce(
        example_s=float(draw.uniform(1e-4, 0.01)),
        pass_s=float(low),
        local_sync_s=float(draw.uniform(0, 0.1)),
        local_exponent=0.5,
        sync_s=float(high + 0.01),
        node_exponent=0.3,
        serial=float(draw.uniform(0, 1)),
        overlap=float(1 + draw.exponential(2)),
        reference_gbps=10.0,
        host_s_per_gbit=float(draw.choice([0.0, 0.05])),
    )


def star(draw):
    times = {name: float(draw.uniform(0.001, 0.2)) for name in ("fixed_s", "example_s", "update_s", "transfer_s")}
    worker = {"worker_s": float(draw.uniform(0, 0.01))}
    sharp = {"sharpness": float(1 + draw.exponential(3))}
    forms = [
        SyncCapacity(**times, **worker, **sharp, server_exponent=0.8),
        SyncIncast(**times, **worker, **sharp),
        SyncSerial(**times, **sharp, serial_share=0.3),
        AsyncCapacity(example_s=0.01, server_s=float(draw.uniform(0.01, 1)), transfer_share=0.7, **sharp),
    ]
    return ParameterServer(members=tuple(forms[: int(draw.integers(1, 5))]), reference_gbps=10.0)


@pytest.mark.parametrize("seed", range(60))
def test_curves_bend_no_more_than_they_claim(seed):
    draw = np.random.default_rng(seed)
    curve = (ring if seed % 2 else star)(draw)
    x = np.linspace(np.log(0.1), np.log(100), 4001)
    servers = 0 if seed % 2 else int(draw.integers(1, 4))
    points = Points.of(
        8,
        nodes=int(draw.integers(2, 5)),
        local_batch=int(draw.integers(1, 64)),
        accumulation=int(draw.integers(1, 4)),
        servers=servers,
        gbps=np.exp(x),
    )
    bend = np.diff(np.log(curve.throughput(points)), 2) / (x[1] - x[0]) ** 2
    assert np.abs(bend).max() <= curve.rate_curvature(points)[0] + 1e-4


def test_corrected_curves_bend_no_more_than_they_claim():
    curves = [c for c in load("instances/measured-40.json").curves.values() if isinstance(c, AllReduce)]
    assert curves
    x = np.linspace(np.log(0.1), np.log(100), 2001)
    for curve in curves:
        named = AllReduce(
            **{f: getattr(curve, f) for f in curve.__struct_fields__ if f != "reference_gbps"}, reference_gbps=10.0
        )
        points = Points.of(8, nodes=2, local_batch=16, gbps=np.exp(x))
        bend = np.diff(np.log(named.throughput(points)), 2) / (x[1] - x[0]) ** 2
        assert np.abs(bend).max() <= named.rate_curvature(points)[0] + 1e-3


def corrected(draw, times):
    """Return a curve with a random correction, whose weights are so many times those of a fit."""

    def weights(count):
        return tuple((times * draw.normal(0, 0.1, count)).tolist())

    correction = Correction(
        kernel=tuple(astuple(Kernel())),
        batch=tuple(np.log([4.0, 16.0, 64.0]).tolist()),
        batch_weights=weights(3),
        resource=tuple(tuple(row) for row in draw.uniform(0, 1, (3, 3)).tolist()),
        resource_weights=weights(3),
        joint=((0, 1, 0.05),),
    )
    return msgspec.structs.replace(ring(draw), correction=correction)


@pytest.mark.parametrize("times", [1, 10])
def test_what_is_said_to_rise_with_the_rate_never_falls(times):
    draw = np.random.default_rng(times)
    rates = np.exp(np.linspace(np.log(0.1), np.log(100), 801))
    said, fell = 0, 0
    for number in range(200):
        curve = star(draw) if number % 5 == 0 else corrected(draw, times)
        nodes = int(draw.integers(2, 6))
        points = Points.of(
            nodes * int(draw.integers(1, 5)),
            nodes=nodes,
            local_batch=int(draw.integers(1, 200)),
            servers=int(isinstance(curve, ParameterServer)),
            gbps=rates,
        )
        fallen = bool(np.any(np.diff(np.log(curve.throughput(points))) < -1e-12))
        rises = curve.rate_rises(points)
        assert rises.all() or not rises.any()
        assert not (rises[0] and fallen)
        said, fell = said + int(rises[0]), fell + int(fallen)
    assert said > 60
    assert fell > 0 or times == 1


@pytest.mark.parametrize("seed", range(200, 240))
def test_values_at_the_fastest_rate_bound_those_at_all(seed):
    problem = build_problem(made(seed, "network"))
    table = problem.configurations
    rated = np.flatnonzero(table.slowest < table.columns.gbps)
    rates = np.random.default_rng(seed).uniform(table.slowest[rated], table.columns.gbps[rated], (50, len(rated)))
    for some in (*rates, table.columns.gbps[rated]):
        true = problem.values(rated, some)
        assert np.all(problem.value[rated] >= true - 1e-12 * np.abs(true))
    # and are no worse than the largest of samples that are lifted
    assert np.all(problem.value[rated] <= problem.over_rates(rated, 65)[1].max(axis=1) * (1 + 1e-12) + 1e-12)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("error", [0.05, 1e-3])
def test_pieces_lie_nowhere_below_the_value(seed, error):
    problem = build_problem(made(seed, "network"))
    rated = np.flatnonzero(problem.configurations.slowest < problem.configurations.columns.gbps)
    found, most = rate_breakpoints(problem, rated, error)
    for row, (at, value) in zip(rated.tolist(), found, strict=True):
        rates = np.sort(np.random.default_rng(seed).uniform(at[0], at[-1], 500))
        true = problem.values(np.full(500, row), rates)
        above = np.interp(rates, at, value)
        assert problem.value[row] >= true.max() * (1 - 1e-12)
        if problem.objective.aggregate == "min":  # what exceeds the level that all can reach serves nobody
            true = np.minimum(true, problem.ceiling)
        assert np.all(above >= true * (1 - 1e-12))
        assert np.max(above - true) <= (most + 0.1) * np.abs(true).max()


@pytest.mark.parametrize("seed", [*range(12), 84])
def test_pieces_are_close_near_rates_of_interest(seed):
    """They lie nowhere below, and within half of the error; 84: curves that only rise, as far as is known."""
    problem = build_problem(made(seed, "network"))
    if problem.objective.aggregate != "sum":  # values are cut at a level there, and no rates are of interest
        problem = build_problem(problem.instance, ObjectiveSpec(name="progress"))
    table = problem.configurations
    rated = np.flatnonzero(table.slowest < table.columns.gbps)
    draw = np.random.default_rng(seed)
    near = np.full((len(table), 2), np.nan)
    near[rated, 0] = draw.uniform(table.slowest[rated], table.columns.gbps[rated])
    found, _ = rate_breakpoints(replace(problem, near=near), rated, 1e-2)
    for row, (at, value) in zip(rated.tolist(), found, strict=True):
        rates = np.append(np.sort(draw.uniform(at[0], at[-1], 300)), near[row, 0])
        true = problem.values(np.full(len(rates), row), rates)
        above = np.interp(rates, at, value)
        assert np.all(above >= true - 1e-12 * np.abs(true).max())
        assert above[-1] - true[-1] <= 5e-3 * np.abs(true).max()


def test_a_curve_without_a_bound_on_its_curvature_is_proven_as_far():
    result = optsched.solve(made(84, "network"), gap=1e-4, time_limit=60)
    assert result.status == "optimal"
