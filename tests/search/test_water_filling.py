"""Weighted water filling of tenants: against every division of a small cluster, and cases by hand."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

import optsched
from optsched.instance import Instance, loads


def case(gpus: int, tenants: dict[str, tuple[float, int, int]], decides: str = "counts") -> Instance:
    """Return an instance; of each tenant its weight, its number of jobs, and the GPUs of each of them."""
    jobs = [
        {"id": f"{name}{n}", "tenant": name, "configurations": [{"gpu_type": "g", "gpus": size, "throughput": size}]}
        for name, (_, count, size) in tenants.items()
        for n in range(count)
    ]
    record = {
        "format": "optsched/1",
        "cluster": {"gpu_types": [{"id": "g"}], "servers": [{"id": "n", "gpu_type": "g", "gpus": gpus}]},
        "tenants": [{"id": name, "weight": weight} for name, (weight, _, _) in tenants.items()],
        "objective": {"name": "tenants", "parameters": {"inner": "running"}},
        "decides": decides,
        "jobs": jobs,
    }
    return loads(json.dumps(record))


def counts(result: optsched.Result) -> dict[str, int]:
    """Return how many jobs of each tenant run."""
    names = [a.job[0] for a in result.allocations]
    return {name: names.count(name) for name in sorted(set(names))}


@pytest.mark.parametrize("decides", ["counts", "placement"])
def test_what_a_tenant_does_not_want_is_shared_by_weight(decides: str) -> None:
    of = case(8, {"p": (1, 8, 1), "q": (2, 8, 1), "r": (5, 1, 1)}, decides)
    found = optsched.solve(of)
    assert counts(found) == {"p": 2, "q": 5, "r": 1}
    assert found.status == "optimal"
    assert found.value == pytest.approx(0.2)
    assert "water filling: r 0.2, p 2, q 2.5; every level is proven" in found.notes


def test_the_lightest_tenants_stay_behind() -> None:
    found = optsched.solve(case(6, {"p": (1, 6, 1), "q": (2, 6, 1), "r": (1, 2, 6)}))
    assert counts(found) == {"p": 2, "q": 4}


def order(shares: list[int], weights: list[int]) -> list[float]:
    """Return the levels, increasing, each as often as its tenant weighs."""
    return sorted(share / weight for share, weight in zip(shares, weights, strict=True) for _ in range(weight))


@pytest.mark.parametrize("seed", range(25))
def test_no_division_is_fairer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    number = int(rng.integers(2, 5))
    weights = [int(w) for w in rng.integers(1, 6, number)]
    wants = [int(w) for w in rng.integers(1, 8, number)]
    sizes = [int(w) for w in rng.integers(1, 4, number)]
    gpus = int(rng.integers(4, 14))
    named = dict(zip("pqrs", zip(map(float, weights), wants, sizes, strict=True), strict=False))
    found = counts(optsched.solve(case(gpus, named)))
    every = itertools.product(*(range(want + 1) for want in wants))
    fits = (order(list(some), weights) for some in every if np.dot(some, sizes) <= gpus)
    assert order([found.get(name, 0) for name in named], weights) == pytest.approx(max(fits))
