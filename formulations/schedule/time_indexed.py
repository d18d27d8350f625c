"""Time-indexed: choose for each job one configuration and the tick in which it starts (the pulse formulation).

Sets
    J       jobs
    C_j     configurations of job j
    T       ticks 0, 1, ... of the horizon (see :mod:`optsched.schedule.grid`)
    S_c     ticks in which configuration c may start: after its job's arrival, by its hard deadline, in the horizon
    R       resources: GPUs of each pool, CPU cores, memory, and what else is shared

Parameters
    p_c          ticks that configuration c takes
    f_ct         what it costs to start it in tick t, by its *true* duration: f_j(t D + true seconds)
    u_cr, b_rt   what it uses of resource r; what there is in tick t, reservations taken off

Variables
    x_ct in {0, 1}    configuration c starts in tick t in S_c
    M                 the last end (makespan only)

Objective
    minimize  sum_c sum_t f_ct x_ct        (or M)

Constraints
    C1_j    sum_{c in C_j} sum_t x_ct <= 1          at most one start (= 1 for a job that has to run)
    C2_rt   sum_c sum_{s: t - p_c < s <= t} u_cr x_cs <= b_rt
    C3_j    M - sum_c sum_t f_ct x_ct >= 0          (makespan only; M is no less than a bound that is known)

Source: Dyer and Wolsey, "Formulating the single machine sequencing problem with release dates as a mixed integer
program", Discrete Applied Mathematics 26 (1990), formulation (D); Sousa and Wolsey, "A time indexed formulation of
non-preemptive single machine scheduling problems", Mathematical Programming 54 (1992), sec. 2; with several resources
Pritsker, Watters and Wolfe, Management Science 16 (1969). Its relaxation is tighter than those with orders of jobs,
and its size grows with the ticks: coarse grids are quick, and their rounding is in the gap.
"""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, members, offsets
from optsched.problem.formulation import Support
from optsched.schedule.formulation import Timed, TimedFormulation
from optsched.schedule.grid import Grid
from optsched.schedule.problem import Plan
from optsched.solvers.linear import LinearModel

__all__ = ["FORMULATION", "build", "supports"]

_LARGE = 20_000_000
"""Most entries of the capacity rows."""


def supports(grid: Grid) -> Support:
    """Every objective; models whose capacity rows fit the memory."""
    entries = int(
        ((grid.last - grid.first + 1) * grid.size * np.maximum(1, (grid.question.need[grid.row] > 0).sum(axis=1))).sum()
    )
    if entries > _LARGE:
        return Support(False, f"its {entries:.3g} entries are more than {_LARGE:.3g}: fewer ticks make it smaller")
    return Support(True)


def build(grid: Grid, plan: Plan | None = None, bound: float | None = None) -> Timed:
    """Return the model; the cost is minus its objective."""
    question = grid.question
    starts = grid.last - grid.first + 1
    row, after = members(starts)
    tick = grid.first[row] + after
    job, cost = grid.job[row], grid.costs(row, tick)
    least = question.goal.aggregate == "max"
    model = LinearModel()
    names = [one.id for one in question.instance.jobs]
    x = model.add_variables(
        "x",
        len(row),
        upper=1.0,
        integer=True,
        cost=0.0 if least else -cost,
        label=lambda k: f"{names[job[k]]},{grid.row[row[k]]},{tick[k]}",
    )
    must = question.must.astype(np.float64)
    model.add_rows("C1", (job, x, 1.0), lower=must, upper=1.0, size=question.jobs, label=names.__getitem__)
    _capacities(grid, model, x, row, tick)
    known = max(0.0, bound or 0.0)
    if least:
        (m,) = model.add_variables("M", 1, lower=known, cost=-1.0).tolist()
        each = np.arange(question.jobs)
        entries = (
            np.concatenate([job, each]),
            np.concatenate([x, np.full(len(each), m)]),
            np.concatenate([-cost, np.ones(len(each))]),
        )
        model.add_rows("C3", entries, lower=0.0, size=question.jobs, label=names.__getitem__)

    def read(values: FloatArray) -> tuple[IntArray, IntArray]:
        chosen = np.flatnonzero(values[x] > 0.5)
        return row[chosen], tick[chosen]

    point = None
    if plan is not None and grid.up is False:
        rows, ticks = grid.start_of(plan)
        point = np.zeros(model.columns)
        point[x[offsets(starts)[rows] + ticks - grid.first[rows]]] = 1.0
        if least:
            point[-1] = max(known, float(grid.costs(rows, ticks).max(initial=0.0)))
    return Timed(model, read, 1.0, point)


def _capacities(grid: Grid, model: LinearModel, x: IntArray, row: IntArray, tick: IntArray) -> None:
    """Add C2: every start is in the rows of the ticks that it covers."""
    question = grid.question
    column, after = members(grid.size[row])
    covered = tick[column] + after
    need = question.need[grid.row]
    for k, name in enumerate(question.resources):
        there = np.full(grid.slots, question.capacity[k])
        for resource, amount, begin, end in grid.reserved:
            if resource == k:
                there[begin:end] -= amount
        amount = need[row[column], k]
        some = amount > 0
        model.add_rows(
            "C2",
            (covered[some], x[column[some]], amount[some]),
            upper=there,
            size=grid.slots,
            label=lambda t, name=name: f"{name},{t}",  # type: ignore[misc]
        )


FORMULATION = TimedFormulation(
    name="time-indexed",
    decides="a configuration and a start on a grid of ticks for each job",
    form="linear",
    ticks=60,
    supports=supports,
    build=build,
)
