"""Why an instance has no feasible plan: the jobs and the resources in conflict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, positions
from optsched.problem.problem import Problem
from optsched.solvers import Limits, RunContext
from optsched.solvers.highs import solve
from optsched.solvers.linear import LinearModel

__all__ = ["impossible", "proven_infeasible", "shortage", "why_infeasible"]


def impossible(problem: Problem) -> str:
    """Return why no plan exists, where the table alone shows it; empty where it does not.

    Either a required job has no configuration at all, or more jobs than may move hold something that is none
    of their configurations, or all jobs at their best do not reach a floor.
    """
    table, instance = problem.configurations, problem.instance
    for job in np.flatnonzero(problem.required & (np.diff(table.first) == 0)).tolist():
        return f"required job {instance.jobs[job].id!r} cannot run: {table.reasons[job]}"
    if instance.max_moves is not None:
        holding = np.array([job.holds is not None for job in instance.jobs], dtype=bool)
        keeping = np.bincount(table.job[table.kept], minlength=table.jobs) > 0
        lost = np.flatnonzero(holding & ~keeping)
        if len(lost) > instance.max_moves:
            names = ", ".join(instance.jobs[j].id for j in lost[:8])
            return f"jobs {names} cannot keep what they hold, and only {instance.max_moves} may move"
    row, resource, amount = table.used
    for number in np.flatnonzero(table.capacity < 0).tolist():
        mine = resource == number
        given = np.zeros(table.jobs)
        np.maximum.at(given, table.job[row[mine]], -amount[mine])
        if given.sum() < -table.capacity[number]:
            return f"no plan keeps {table.resource_names[number]}, even if every job had all that it can use"
    return ""


def why_infeasible(problem: Problem, limits: Limits) -> str:
    """Return which required jobs cannot all run, and what is missing for them.

    A deletion filter over the required jobs leaves a set of which none can be spared: any one
    fewer, and the rest fits.
    """
    jobs = np.flatnonzero(problem.required)
    table = problem.configurations
    limited = [k for k, name in enumerate(table.resource_names) if name.startswith("limit ")]
    if limited:
        capacity = table.capacity.copy()
        capacity[limited] = np.inf
        problem = replace(problem, configurations=replace(table, capacity=capacity))
        without = shortage(problem, jobs, limits)
        if without is not None and not without.any():
            return f"no plan keeps {' and '.join(table.resource_names[k] for k in limited)} and all that is required"
    short = shortage(problem, jobs, limits)
    if short is None:
        return "the required jobs cannot all run (no conflict could be named in the time given)"
    if not short.any():
        most, decides = problem.instance.max_moves, problem.instance.decides
        servers = "" if decides == "counts" else " on the servers as they are, though the pools have enough for them"
        moves = "" if most is None else f" without more than {most} jobs losing or changing what they hold"
        return f"the required jobs cannot all run{servers}{moves}"
    for job in jobs.tolist():
        rest = jobs[jobs != job]
        less = shortage(problem, rest, limits)
        if less is not None and less.any():
            jobs, short = rest, less
    names = [problem.instance.jobs[j].id for j in jobs]
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    missing = ", ".join(
        f"{amount:g} more {name}"
        for name, amount in zip(problem.configurations.resource_names, short, strict=True)
        if amount > 0
    )
    return f"the required jobs {listed} cannot run together: they need at least {missing}"


def proven_infeasible(problem: Problem, limits: Limits) -> bool:
    """Tell whether it is proven, on no solver's word, that the required jobs do not fit together.

    The linear relaxation of what is missing for them is bounded by its duals (Farkas' lemma): where that
    is more than nothing, so is what any plan misses. False says no more than that this proof fails.
    """
    if np.any(problem.configurations.used[2] < 0):
        return False  # what others give could help
    model, _, _ = _elastic(problem, np.flatnonzero(problem.required))
    bound = solve(model, RunContext(limits), relaxed=True).bound
    return bound is not None and bound < -1e-7


def shortage(problem: Problem, jobs: IntArray, limits: Limits) -> FloatArray | None:
    """Return the least of each resource (as a share of it) that must be added for the jobs to fit; None: not found.

    Rounded up to whole units; shape ``(resources,)``. Limits on moves are left out.
    """
    model, more, finite = _elastic(problem, jobs)
    outcome = solve(model, RunContext(limits))
    if outcome.values is None:
        return None
    short = np.zeros(len(problem.configurations.capacity))
    short[finite] = np.where(outcome.values[more] > 1e-6, np.ceil(outcome.values[more] - 1e-6), 0.0)
    return short


def _elastic(problem: Problem, jobs: IntArray) -> tuple[LinearModel, IntArray, IntArray]:
    """Return the model that maximizes minus what is missing, its columns of that, and the resources they stand for."""
    table = problem.configurations
    rows = np.flatnonzero(np.isin(table.job, jobs))
    finite = np.flatnonzero(np.isfinite(table.capacity))
    place_of_job, place_of_row = positions(jobs, table.jobs), positions(rows, len(table))
    place_of_resource = positions(finite, len(table.capacity))
    model = LinearModel()
    x = model.add_variables("x", len(rows), upper=1.0, integer=True)
    more = model.add_variables("more", len(finite), cost=-1.0 / np.maximum(1.0, table.capacity[finite]))
    model.add_rows("one", (place_of_job[table.job[rows]], x, 1.0), lower=1.0, upper=1.0, size=len(jobs))
    row, resource, amount = table.used
    mine = (place_of_row[row] >= 0) & (place_of_resource[resource] >= 0)
    entries = (
        np.concatenate([place_of_resource[resource[mine]], np.arange(len(finite))]),
        np.concatenate([x[place_of_row[row[mine]]], more]),
        np.concatenate([amount[mine], -np.ones(len(finite))]),
    )
    model.add_rows("capacity", entries, upper=table.capacity[finite], size=len(finite))
    return model, more, finite
