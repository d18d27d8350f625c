"""Intervals: one optional interval for each configuration of each job, cumulative resources, solved by CP-SAT.

Sets and parameters as in :mod:`formulations.schedule.time_indexed`; times are ticks, costs whole units.

Variables
    s_j                  start of job j
    x_c in {0, 1}        job j runs in configuration c in C_j
    T_j >= 0             ticks after the due date           (weighted-tardiness)
    l_j in {0, 1}        job j is late                      (late-jobs)
    o_c in {0, 1}        configuration c runs and is in time      (late-jobs)
    M                    the last end                       (makespan)

Constraints
    C1_j    sum_{c in C_j} x_c = 1 (<= 1 for a job that may be rejected)
    C2_c    x_c  ->  first_c <= s_j <= last_c
    C3_r    cumulative over the intervals [s_j, s_j + p_c), present if x_c, each with u_cr, and the reservations: b_r
    C4_j    T_j >= s_j + sum_c (p_c - d_j) x_c;   x_c and not l_j -> s_j <= d_j - p_c;   M >= s_j + sum_c p_c x_c
    C5_w    sum_c e_cw x_c <= E_w     energy: what configurations surely spend in a window, and what there is in it
    C6      of equal jobs, those listed first run if any does, and start first

Objective
    minimize  sum_j w_j (s_j + sum_c (p_c - r_j) x_c), sum_j w_j T_j, sum_j w_j l_j, - sum_j w_j sum_c x_c, or M

Coefficients are rounded down on a grid that is rounded down, so that the optimum stays a bound, and up on the
other, and kept so small that no row sums to 2**30: from 2**31 on CP-SAT has certified wrong optima.

Source: optional interval variables and alternatives, Laborie, Rogerie, Shaw and Vilim, "IBM ILOG CP optimizer for
scheduling", Constraints 23 (2018), sec. 3; Kelly and Walker's multi-mode project scheduling with alternatives as in
PyJobShop (Lan and Berkhout 2025). C5 is the energetic reasoning of Baptiste, Le Pape and Nuijten (1999) as linear rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from typing import Any

import numpy as np

from formulations.cpsat.scaling import SAFE, whole_amounts
from optsched._util.arrays import FloatArray, IntArray, offsets
from optsched.errors import InputError
from optsched.problem.formulation import Support
from optsched.schedule.energy import energies, items
from optsched.schedule.formulation import Timed, TimedFormulation
from optsched.schedule.grid import Grid
from optsched.schedule.objectives import SLACK, common_unit
from optsched.schedule.problem import Plan

__all__ = ["FORMULATION", "build", "supports"]


def supports(grid: Grid) -> Support:
    """Every objective; amounts of at most six decimals whose sum is safe."""
    question = grid.question
    for k, name in enumerate(question.resources):
        try:
            amounts, _ = _amounts(grid, k)
        except InputError as error:
            return Support(False, f"{name}: {error}")
        if int(amounts.sum()) > SAFE:
            return Support(False, f"the amounts of {name} sum to more than CP-SAT's arithmetic safely holds")
    if grid.slots * question.jobs > SAFE // 4:
        return Support(
            False, f"{grid.slots} ticks of {question.jobs} jobs are more than CP-SAT's arithmetic safely holds"
        )
    return Support(True)


def _amounts(grid: Grid, resource: int) -> tuple[IntArray, int]:
    """Return what each row needs of a resource, then each reservation, and what there is, in whole units."""
    question = grid.question
    reserved = [amount for k, amount, _, _ in grid.reserved if k == resource]
    both = np.concatenate([question.need[grid.row, resource], np.array(reserved, dtype=np.float64)])
    return whole_amounts(both, float(question.capacity[resource]))


def build(grid: Grid, plan: Plan | None = None, bound: float | None = None) -> Timed:
    """Return the model; the cost is minus ``scale`` times its objective."""
    from ortools.sat.python import cp_model

    question = grid.question
    model = cp_model.CpModel()
    of_job = [np.flatnonzero(grid.job == j) for j in range(question.jobs)]
    x = [model.new_bool_var("") for _ in grid.row]
    s = []
    for own, must in zip(of_job, question.must.tolist(), strict=True):
        low, high = (int(grid.first[own].min()), int(grid.last[own].max())) if len(own) else (0, 0)
        s.append(model.new_int_var(low, high, ""))
        (model.add_exactly_one if must else model.add_at_most_one)([x[c] for c in own])  # C1
        for c in own.tolist():  # C2
            if grid.first[c] > low or grid.last[c] < high:
                model.add_linear_constraint(s[-1], int(grid.first[c]), int(grid.last[c])).only_enforce_if(x[c])
    _cumulative(grid, model, s, x)
    late: list[Any] = []
    scale = _objective(grid, model, s, x, of_job, late, bound)
    _energy(grid, model, x, late, of_job)
    equal = _equal(grid, of_job)
    _symmetry(grid, model, s, x, of_job, equal)
    if plan is not None:
        chosen = _sorted(grid, plan, of_job, equal)
        for c, literal in enumerate(x):
            model.add_hint(literal, c in chosen)
        for c, tick in chosen.items():
            model.add_hint(s[grid.job[c]], tick)
    literals, starts = np.array([v.index for v in x], dtype=np.int64), np.array([v.index for v in s], dtype=np.int64)

    def read(values: FloatArray) -> tuple[IntArray, IntArray]:
        rows = np.flatnonzero(values[literals] > 0.5)
        return rows, np.rint(values[starts[grid.job[rows]]]).astype(np.int64)

    return Timed(model, read, scale)


def _cumulative(grid: Grid, model: Any, s: list[Any], x: list[Any]) -> None:
    """Add C3; rows that take no tick weigh on nothing."""
    question = grid.question
    job = grid.job
    runs = {
        c: model.new_optional_fixed_size_interval_var(s[job[c]], int(grid.size[c]), x[c], "")
        for c in np.flatnonzero(grid.size > 0).tolist()
    }
    for k in range(len(question.capacity)):
        amounts, capacity = _amounts(grid, k)
        mine = [c for c in runs if amounts[c] > 0]
        intervals = [runs[c] for c in mine]
        demands = [int(amounts[c]) for c in mine]
        kept = [r for r in grid.reserved if r[0] == k]
        for number, (_, _, begin, end) in enumerate(kept):
            intervals.append(model.new_fixed_size_interval_var(begin, end - begin, ""))
            demands.append(int(amounts[len(grid.row) + number]))
        model.add_cumulative(intervals, demands, capacity)


def _round(grid: Grid, values: FloatArray) -> IntArray:
    """Round so that the model's optimum stays on its side of the true one."""
    eps = 1e-6
    return (np.ceil(values - eps) if grid.up else np.floor(values + eps)).astype(np.int64)


def _whole(weights: FloatArray, most: float) -> tuple[FloatArray, float]:
    """Return weights as numbers of a unit, whole ones where a multiple of the least makes them so, and the unit.

    Their sum times ``most`` stays below SAFE.
    """
    if not np.any(weights > 0):
        return weights, 1.0
    exact = common_unit(weights)
    if exact is not None and weights.sum() / exact * most < SAFE:
        return np.rint(weights / exact), exact
    unit = float(weights.sum()) * most / (SAFE - len(weights) * most)  # rounding up adds 1 to each
    return weights / unit, unit


def _objective(
    grid: Grid, model: Any, s: list[Any], x: list[Any], of_job: list[IntArray], late: list[Any], bound: float | None
) -> float:
    """Add C4 and the objective; return what one unit of it costs. ``late`` takes up l_j."""
    question, name = grid.question, grid.question.goal.name
    tick, ran = grid.tick, range(question.jobs)
    if name == "makespan":
        end = _round(grid, grid.duration / tick)
        least = 0 if bound is None else int(np.floor(bound / tick))
        m = model.new_int_var(min(least, grid.slots + 1), grid.slots + 1, "")
        for j in ran:
            model.add(m >= s[j] + sum(int(end[c]) * x[c] for c in of_job[j]))
        model.maximize(-m)
        return tick
    if name in ("on-time", "late-jobs"):
        weight, unit = _whole(question.weight, 1.0)
        whole = _round(grid, weight) if name == "late-jobs" else -_round(grid, -weight)
        if name == "on-time":
            model.maximize(sum(int(whole[grid.job[c]]) * literal for c, literal in enumerate(x)))
            return unit
        for j in ran:
            late.append(model.new_bool_var(""))
            for c in of_job[j].tolist():
                most = _last_in_time(grid, c)
                if most < grid.first[c]:
                    model.add_implication(x[c], late[j])
                elif most < grid.last[c]:
                    model.add(s[j] <= most).only_enforce_if(x[c], ~late[j])
        model.maximize(-sum(int(whole[j]) * late[j] for j in ran))
        return unit
    weight, unit = _whole(question.weight * tick, max(1.0, float(grid.slots)))
    whole = _round(grid, weight)
    if name == "weighted-tardiness":
        terms = []
        for j in ran:
            if not np.isfinite(question.due[j]):
                continue
            over = _round(grid, (grid.duration[of_job[j]] - question.due[j]) / tick)
            worst = max(0, int((grid.last[of_job[j]] + over).max(initial=0)))
            t = model.new_int_var(0, worst, "")
            model.add(t >= s[j] + sum(int(o) * x[c] for o, c in zip(over, of_job[j].tolist(), strict=True)))
            terms.append(int(whole[j]) * t)
        model.maximize(-sum(terms))
        return unit
    fixed = _round(grid, weight[grid.job] * grid.duration / tick)
    ends = sum(int(f) * literal for f, literal in zip(fixed, x, strict=True))
    constant = int(_round(grid, -weight * question.arrival / tick).sum())
    model.maximize(-sum(int(whole[j]) * s[j] for j in ran) - ends - constant)
    return unit


def _last_in_time(grid: Grid, c: int) -> int:
    """Return the last start at which a row ends by its job's due date; the horizon's end if there is none."""
    due = grid.question.due[grid.job[c]]
    return int(grid.last[c]) if np.isinf(due) else int(np.floor((due + SLACK - grid.duration[c]) / grid.tick + 1e-6))


def _energy(grid: Grid, model: Any, x: list[Any], late: list[Any], of_job: list[IntArray]) -> None:
    """Add C5 for rows as a whole, and where lateness counts for those that are in time."""
    from ortools.sat.python import cp_model

    question = grid.question
    place = {int(row): c for c, row in enumerate(grid.row)}
    if question.goal.aggregate == "max" or question.goal.name not in ("on-time", "late-jobs"):
        return
    of = items(question)
    literal: list[Any] = [None] * len(of.row)
    if late:
        in_time = [model.new_bool_var("") for _ in x]
        for j, own in enumerate(of_job):
            model.add(sum(in_time[c] for c in own) + late[j] == 1)
            for c in own.tolist():
                model.add_implication(in_time[c], x[c])
    for i, row in enumerate(of.row.tolist()):
        if row in place:
            literal[i] = x[place[row]] if not late else in_time[place[row]] if of.part[i] == 0 else None
    rows = energies(question, of)
    known = np.array([one is not None for one in literal], dtype=bool)
    begins = offsets(np.bincount(rows.window, minlength=len(rows.limit)))
    for w, limit in enumerate(rows.limit.tolist()):
        mine = slice(begins[w], begins[w + 1])
        item, amount = rows.item[mine], rows.amount[mine]
        item, amount = item[known[item]], amount[known[item]]
        # rounded down, so that nothing true is cut off; small, so that sums are safe
        unit = max(limit, float(amount.sum())) / 2**26
        if len(item) and unit > 0:
            whole = np.floor(amount / unit).astype(np.int64).tolist()
            expression = cp_model.LinearExpr.weighted_sum([literal[i] for i in item.tolist()], whole)
            model.add(expression <= int(np.ceil(limit / unit)))


def _symmetry(
    grid: Grid, model: Any, s: list[Any], x: list[Any], of_job: list[IntArray], equal: list[list[int]]
) -> None:
    """Add C6."""
    for group in equal:
        for j, k in itertools.pairwise(group):
            if grid.question.must[j]:
                model.add(s[j] <= s[k])
                continue
            runs = [sum(x[c] for c in of_job[i]) for i in (j, k)]
            model.add(runs[0] >= runs[1])
            for c in of_job[k].tolist():
                model.add(s[j] <= s[k]).only_enforce_if(x[c])


def _equal(grid: Grid, of_job: list[IntArray]) -> list[list[int]]:
    """Return groups of jobs that nothing tells apart but their names, each in the order of the instance."""
    question = grid.question
    groups: dict[Hashable, list[int]] = {}
    for j, own in enumerate(of_job):
        facts = (grid.duration[own], question.need[grid.row[own]], grid.size[own], grid.first[own], grid.last[own])
        job = (question.weight[j], question.due[j], question.arrival[j], question.must[j])
        groups.setdefault((*(a.tobytes() for a in facts), *map(float, job)), []).append(j)
    return [group for group in groups.values() if len(group) > 1]


def _sorted(grid: Grid, plan: Plan, of_job: list[IntArray], equal: list[list[int]]) -> dict[int, int]:
    """Return the start ticks of a plan's rows; equal jobs change places so that C6 holds."""
    rows, ticks = grid.start_of(plan)
    held = {int(grid.job[c]): (int(c - of_job[grid.job[c]][0]), t) for c, t in zip(rows, ticks.tolist(), strict=True)}
    for group in equal:
        theirs = sorted((held.pop(j) for j in group if j in held), key=lambda pair: pair[1])
        held |= dict(zip(group, theirs, strict=False))
    return {int(of_job[j][0]) + place: tick for j, (place, tick) in held.items()}


FORMULATION = TimedFormulation(
    name="intervals",
    decides="a configuration and a start for each job, by optional intervals and cumulative resources",
    form="cpsat",
    ticks=20_000,
    supports=supports,
    build=build,
)
