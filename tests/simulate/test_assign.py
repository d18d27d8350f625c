"""The assignment of configurations, against enumeration."""

from itertools import product

import numpy as np
import pytest

from optsched.simulate.assign import best_rows


def brute(job, gpu_type, gpus, value, capacity, jobs):
    best = 0.0
    rows = [[-1, *np.flatnonzero(job == j)] for j in range(jobs)]
    for choice in product(*rows):
        some = np.array([row for row in choice if row >= 0], dtype=int)
        load = np.bincount(gpu_type[some], weights=gpus[some], minlength=len(capacity))
        if (load <= capacity).all():
            best = max(best, value[some].sum())
    return best


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("states", [1e8, 0])
def test_optimum(seed, states, monkeypatch):
    monkeypatch.setattr("optsched.simulate.assign._STATES", states)
    random = np.random.default_rng(seed)
    jobs, rows = 5, 4
    job = np.repeat(np.arange(jobs), rows)
    gpu_type, gpus = random.integers(2, size=len(job)), random.integers(1, 5, size=len(job))
    value = random.random(len(job)) * gpus - 0.1
    capacity = np.array([5, 4])
    found = best_rows(job, gpu_type, gpus, value, capacity, jobs, tolerance=1e-9)
    assert found.value == pytest.approx(brute(job, gpu_type, gpus, value, capacity, jobs))
    assert found.bound >= found.value - 1e-9
    held = found.row[found.row >= 0]
    assert (np.bincount(gpu_type[held], weights=gpus[held], minlength=2) <= capacity).all()
    assert (job[held] == np.flatnonzero(found.row >= 0)).all()


def test_nothing_to_choose():
    none = np.zeros(0, dtype=int)
    assert best_rows(none, none, none, np.zeros(0), np.array([4]), 3).row.tolist() == [-1, -1, -1]
    one = np.zeros(1, dtype=int)
    assert best_rows(one, one, one + 9, np.ones(1), np.array([4]), 1).row.tolist() == [-1]
