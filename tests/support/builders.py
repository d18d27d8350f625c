"""Builders of small instances for tests: plain dictionaries with defaults, read as a file would be."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from optsched.instance import Instance, loads
from optsched.instance.solution import Allocation
from optsched.problem.problem import Plan, Problem, allocate
from optsched.solvers.linear import LinearModel

AMDAHL: dict[str, Any] = {"family": "amdahl", "single": 10.0, "serial": 0.25}
"""10 / (1/4 + 3/4 / g) examples/s: 10, 16, 20, 22 6/7 on 1, 2, 3, 4 GPUs."""

ALLREDUCE: dict[str, Any] = {
    "family": "allreduce",
    "pass_s": 0.01,
    "example_s": 0.001,
    "local_sync_s": 0.01,
    "local_exponent": 0.5,
    "sync_s": 0.04,
    "node_exponent": 0.5,
    "gpu_exponent": 0.25,
}
"""Synchronization within a node is four times as fast as between two, so that the curve dips at a boundary."""


def table(*rates: float, **more: Any) -> dict[str, Any]:
    """Return a table curve with one rate for 1, 2, 3, ... GPUs; 0 for a count that was not measured."""
    rows = [{"gpus": gpus, "throughput": rate} for gpus, rate in enumerate(rates, start=1) if rate]
    return {"family": "table", "rows": rows, **more}


def cluster(*gpus: int, **more: Any) -> dict[str, Any]:
    """Return a cluster of single servers with so many GPUs ``v`` each in the site ``main``."""
    servers = [{"id": f"s{k}", "gpu_type": "v", "gpus": count} for k, count in enumerate(gpus)]
    return {"gpu_types": [{"id": "v"}], "servers": servers, **more}


def job(name: str = "a", **more: Any) -> dict[str, Any]:
    """Return a job that runs by the curve ``c`` on the GPUs ``v``, or as it lists itself."""
    curves = {} if "configurations" in more or "curves" in more else {"curves": {"v": "c"}}
    return {"id": name, **curves, **more}


def listed(*rates: float, gpu_type: str = "v", **more: Any) -> list[dict[str, Any]]:
    """Return configurations with one throughput for 1, 2, 3, ... GPUs; 0 for a count that is not listed."""
    rows = enumerate(rates, start=1)
    return [{"gpu_type": gpu_type, "gpus": gpus, "throughput": rate, **more} for gpus, rate in rows if rate]


def record(*jobs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an instance as the dictionary of its file: one server of 4 GPUs and the curve ``c`` by default."""
    whole = {"format": "optsched/1", "cluster": cluster(4), "curves": {"c": AMDAHL}, "jobs": list(jobs)}
    return {**whole, **more}


def instance(*jobs: dict[str, Any], **more: Any) -> Instance:
    """Return the instance of :func:`record`, read and validated."""
    return loads(json.dumps(record(*jobs, **more)))


def best_rows(problem: Problem, *gpus: int) -> np.ndarray:
    """Return for each job its row of the highest value with so many GPUs, -1 for none (0 GPUs)."""
    chosen = np.full(len(gpus), -1)
    for number, count in enumerate(gpus):
        own = np.flatnonzero((problem.configurations.job == number) & (problem.configurations.columns.gpus == count))
        if count:
            chosen[number] = own[np.argmax(problem.value[own])]
    return chosen


def plan(problem: Problem, *gpus: int) -> tuple[Allocation, ...]:
    """Return the allocations of :func:`best_rows`."""
    return allocate(problem, Plan(best_rows(problem, *gpus)))


def residuals(model: LinearModel, values: np.ndarray) -> float:
    """Return by how much a point breaks any bound, integrality or row of a model, recomputed entry by entry."""
    worst = max(0.0, float(np.max(model.lower - values, initial=0)), float(np.max(values - model.upper, initial=0)))
    worst = max(worst, float(np.max(np.abs(values - np.rint(values))[model.integer], initial=0)))
    for block in model.rows:
        left = np.zeros(len(block.lower))
        for row, column, coefficient in zip(block.row, block.column, block.coefficient, strict=True):
            left[row] += coefficient * values[column]
        worst = max(worst, float(np.max(block.lower - left, initial=0)), float(np.max(left - block.upper, initial=0)))
    return worst
