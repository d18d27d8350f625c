"""Costs that should grow with the size of the input do: operations are counted, not seconds."""

from __future__ import annotations

import sys
from collections import Counter

import msgspec

from optsched import check, loads, solve
from optsched.problem.build import build_problem


def instance(jobs: int, sites: int = 1):
    """Return jobs that list six configurations each, with equal competition at each size."""
    listed = [
        {"gpu_type": t, "gpus": g, "throughput": (k % 7 + 1) * g**0.8 * (1 + (t == "b"))}
        for k in range(jobs)
        for t in ("a", "b")
        for g in (1, 2, 4)
    ]
    servers = [
        {"id": f"{t}{s}", "gpu_type": t, "site": f"s{s}", "gpus": 4, "count": max(1, jobs // 8 // sites)}
        for t in ("a", "b")
        for s in range(sites)
    ]
    case = {
        "format": "optsched/1",
        "cluster": {
            "gpu_types": [{"id": "a"}, {"id": "b"}],
            "servers": servers,
            "sites": [{"id": f"s{s}"} for s in range(sites)],
        },
        "jobs": [{"id": f"j{k}", "configurations": listed[6 * k : 6 * k + 6]} for k in range(jobs)],
    }
    return loads(msgspec.json.encode(case))


def calls(run) -> int:
    """Return the calls of Python and C functions that a run takes."""
    seen: Counter[str] = Counter()

    def count(_frame, event, _arg):
        seen[event] += 1

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return seen["call"] + seen["c_call"]


def grows(make, run) -> float:
    """Return how many times the calls rise when the size is fourfold."""
    few, many = make(100), make(400)
    run(make(20))  # imports
    return calls(lambda: run(many)) / calls(lambda: run(few))


def test_reading_grows_with_the_jobs():
    def content(jobs):
        return msgspec.json.encode(instance(jobs))

    assert grows(content, loads) < 4.5


def test_tabulating_grows_with_the_jobs():
    assert grows(instance, build_problem) < 4.5


def test_tabulating_hardly_grows_with_the_pools():
    few, many = instance(200, 2), instance(200, 8)
    build_problem(few)
    assert calls(lambda: build_problem(many)) < 2.5 * calls(lambda: build_problem(few))


def test_checking_grows_with_the_jobs():
    for goal in ("throughput", "sia"):
        plans = {}

        def planned(jobs, plans=plans):
            case = instance(jobs)
            plans[id(case)] = solve(case, objective="throughput", formulation="prices", gap=0.01).allocations
            return case

        def run(case, plans=plans, goal=goal):
            check(case, plans[id(case)], goal)

        assert grows(planned, run) < 5
