"""Plans that land on what jobs hold now, and problems of some rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import IntArray
from optsched.instance.topology import canonical
from optsched.problem.configurations import some_rows
from optsched.problem.incumbent import verify_plan
from optsched.problem.problem import Places, Plan, Problem

__all__ = ["feasible", "part_of", "settled"]


def settled(problem: Problem, plan: Plan) -> Plan:
    """Return the plan with every job that lands on what it holds in a row that keeps it, the best of them.

    Nothing restarts then.
    """
    table = problem.configurations
    columns = table.columns
    rows = plan.rows.copy()
    kept = np.flatnonzero(table.kept)
    for row in kept[np.argsort(problem.value[kept], kind="stable")].tolist():
        job, mine = int(table.job[row]), int(plan.rows[table.job[row]])
        if mine < 0 or table.kept[mine] or plan.places is None:
            continue
        counts = (columns.pool, columns.gpus, columns.nodes, columns.servers, columns.accumulation)
        same = all(a[row] == a[mine] for a in counts)
        batches = columns.local_batch[[row, mine]]
        if same and (np.isnan(batches).all() or batches[0] == batches[1]) and _stays(problem, job, plan.places[job]):
            rows[job] = row
    return replace(plan, rows=rows)


def _stays(problem: Problem, job: int, placed: Places | None) -> bool:
    """Tell whether places are those that a job holds, as far as these are known."""
    holds = problem.instance.jobs[job].holds
    if holds is None or placed is None:
        return False
    for held, now in ((holds.placement, placed.gpus), (holds.server_placement, placed.servers)):
        if held is not None and {canonical(problem.instance, name): n for name, n in held.items()} != now:
            return False
    return True


def feasible(problem: Problem, plan: Plan) -> bool:
    """Return whether the checker confirms a plan: pieces may have found no server, or rates no capacity."""
    return verify_plan(problem, plan).incumbent is not None


def part_of(problem: Problem, keep: NDArray[np.bool_], why: str = "") -> tuple[Problem, IntArray]:
    """Return the problem with some of its rows, and their numbers in the whole."""
    near = None if problem.near is None else problem.near[keep]
    table = some_rows(problem.configurations, keep, why)
    return replace(problem, configurations=table, value=problem.value[keep], near=near), np.flatnonzero(keep)
