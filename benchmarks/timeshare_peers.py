"""Gavel's policies as its code writes them, in CVXPY: the other side of ``timeshare.py``; also a program of its own.

One variable a (job, type), constraints and objectives as in Narayanan et al. (OSDI 2020), secs. 3 and 4, with
CVXPY's solver ECOS (Gavel's default) or CLARABEL. CVXPY is no dependency of optsched: this file runs in any
interpreter that has it, as a process that reads problems as .npz files named on its standard input, one a line,
and answers each with a line of JSON: seconds from arrays to an answer, the objective and the shares' file.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 30.0
"""Seconds for water filling."""


def constraints(x: Any, data: dict[str, np.ndarray], cp: Any) -> list[Any]:
    """Return the constraints of every policy (sec. 3.1)."""
    return [x >= 0, cp.sum(x, axis=1) <= 1, data["gang"] @ x <= data["capacity"]]


def max_min(data: dict[str, np.ndarray], cp: Any, solver: str) -> np.ndarray:
    """Return the shares of LAS (sec. 4.1): max over X of the least normalized throughput."""
    x = cp.Variable(data["throughput"].shape)
    rate = cp.sum(cp.multiply(data["throughput"] / data["unit"][:, None], x), axis=1)
    cp.Problem(cp.Maximize(cp.min(rate)), constraints(x, data, cp)).solve(solver=solver)
    return x.value


def makespan(data: dict[str, np.ndarray], cp: Any, solver: str) -> np.ndarray:
    """Return the shares of the least makespan (sec. 4.2): a search over M with a program each."""
    x, most = cp.Variable(data["throughput"].shape), cp.Parameter(nonneg=True)
    rate = cp.sum(cp.multiply(data["throughput"] / data["work"][:, None], x), axis=1)
    problem = cp.Problem(cp.Maximize(0), [*constraints(x, data, cp), rate >= most])
    return searched(problem, x, most, data, solver, 1.0)


def searched(problem: Any, x: Any, most: Any, data: dict[str, np.ndarray], solver: str, power: float) -> np.ndarray:
    """Return the shares at the largest speed 1 / M that is feasible, by bisection to 1e-4 of M."""
    low = 0.0
    high = float((data["throughput"].max(axis=1) / data["work"]).min())
    best = None
    while best is None or high - low > 1e-4 * high:
        most.value = 0.5 * (low + high)
        problem.solve(solver=solver)
        if problem.status in ("optimal", "optimal_inaccurate"):
            best, low = x.value.copy(), most.value
        else:
            high = most.value
    return best


def finish_time(data: dict[str, np.ndarray], cp: Any, solver: str) -> np.ndarray:
    """Return the shares of finish-time fairness (sec. 4.2): min over X of the largest rho, with inv_pos."""
    x = cp.Variable(data["throughput"].shape)
    rate = cp.sum(cp.multiply(data["throughput"] / data["equal"][:, None], x), axis=1)  # near 1, for the solver
    alone = data["work"] / data["equal"]
    fair = data["past"] + alone
    ratio = data["past"] / fair + cp.multiply(alone / fair, cp.inv_pos(rate))
    cp.Problem(cp.Minimize(cp.max(ratio)), constraints(x, data, cp)).solve(solver=solver)
    return x.value


def water_filling(data: dict[str, np.ndarray], cp: Any, solver: str) -> np.ndarray:
    """Return the shares of water filling (sec. 4.3): raise all, fix those that cannot rise, until all are fixed.

    Gavel finds the jobs that can rise by a mixed-integer program; here one linear program does, which is faster: it
    lifts the sum of small gains, which all jobs that can rise then have a part in. Ends after ``LIMIT`` seconds.
    """
    began = time.perf_counter()
    jobs = len(data["gang"])
    stays, level = np.zeros(jobs, dtype=bool), np.zeros(jobs)
    x = cp.Variable(data["throughput"].shape)
    rate = cp.sum(cp.multiply(data["throughput"] / data["unit"][:, None], x), axis=1)
    base = constraints(x, data, cp)
    while not stays.all() and time.perf_counter() - began < LIMIT:
        z = cp.Variable()
        raised = [rate[~stays] >= z] + ([rate[stays] >= level[stays] * (1 - 1e-7)] if stays.any() else [])
        cp.Problem(cp.Maximize(z), base + raised).solve(solver=solver)
        level[~stays] = z.value
        gain = cp.Variable(jobs, nonneg=True)
        more = [rate >= level * (1 - 1e-7) + gain, gain <= 1e-3]
        cp.Problem(cp.Maximize(cp.sum(gain[~stays])), base + more).solve(solver=solver)
        stuck = ~stays & (gain.value < 1e-6)
        stays |= stuck if stuck.any() else ~stays & (gain.value <= gain.value[~stays].min())
    return x.value


POLICIES = {
    "max-min": max_min,
    "makespan": makespan,
    "finish-time": finish_time,
    "water filling": water_filling,
}


def main() -> None:
    """Answer requests ``POLICY SOLVER FILE``, tab-separated."""
    import cvxpy as cp

    print(json.dumps({"solvers": cp.installed_solvers()}), flush=True)
    for line in sys.stdin:
        policy, solver, name = line.rstrip("\n").split("\t")
        data = dict(np.load(name))
        began = time.perf_counter()
        try:
            shares = POLICIES[policy](data, cp, solver)
        except (cp.error.SolverError, cp.error.DCPError, TypeError, AttributeError) as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"[:200]}), flush=True)
            continue
        seconds = time.perf_counter() - began
        out = Path(name).with_suffix(".shares.npy")
        np.save(out, shares)
        print(json.dumps({"seconds": seconds, "shares": str(out)}), flush=True)


if __name__ == "__main__":
    main()
