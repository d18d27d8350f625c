"""CP-SAT's own form of :mod:`formulations.allocation`: exact values at every count, by tables.

For each job j and pool p with at least one way to run there:

Variables
    g_jp in {0} + the counts         GPUs
    q_jp in {0} + their numbers      parameter servers (where the job may have any)
    v_jp                             value, scaled to integers and rounded up
    k_jp in {0, 1}                   the job keeps what it holds there

Constraints
    C1_j    at most one g_jp > 0 (exactly one for a required job)
    C4_jp   (g_jp, q_jp, v_jp, k_jp) is a row of the table, or (0, 0, 0, 0)
    C5_r    capacities
    C6      sum k_jp >= |H| - M
    C7_q    z <= sum of v_jp over the jobs of party q      (max-min only)
"""

from __future__ import annotations

import itertools

import numpy as np
from ortools.sat.python import cp_model

from formulations.cpsat.scaling import whole_amounts, whole_values
from formulations.curve_segments import usage
from optsched._util.arrays import FloatArray, run_starts
from optsched.problem.formulation import Formulated
from optsched.problem.problem import Plan, Problem, rows_of

__all__ = ["build"]


def build(problem: Problem) -> Formulated:
    """Return the model; constraint names are those of the mathematics."""
    table, instance = problem.configurations, problem.instance
    model = cp_model.CpModel()
    key = table.job * len(table.pools) + table.columns.pool
    starts = run_starts(key)
    value, unit = whole_values(problem.value)
    cells = list(itertools.pairwise([*starts.tolist(), len(key)]))
    g, q, v, k = [], [], [], []
    for begin, end in cells:
        counts, servers, worth = (a[begin:end] for a in (table.columns.gpus, table.columns.servers, value))
        held = table.kept[begin:end]
        domain = cp_model.Domain.from_values([0, *counts.tolist()])
        g.append(model.new_int_var_from_domain(domain, ""))
        wanted = cp_model.Domain.from_values([0, *servers.tolist()])
        q.append(model.new_int_var_from_domain(wanted, "") if servers.any() else model.new_constant(0))
        v.append(model.new_int_var(min(0, int(worth.min())), max(0, int(worth.max())), ""))
        k.append(model.new_bool_var("") if held.any() else model.new_constant(0))
        columns = zip(counts.tolist(), servers.tolist(), worth.tolist(), held.astype(int).tolist(), strict=True)
        model.add_allowed_assignments([g[-1], q[-1], v[-1], k[-1]], [(0, 0, 0, 0), *columns])  # C4
    owner = table.job[starts]
    of_job = [np.flatnonzero(owner == j).tolist() for j in range(table.jobs)]
    for own, required in zip(of_job, problem.required.tolist(), strict=True):  # C1
        runs = []
        for c in own:
            runs.append(model.new_bool_var(""))
            model.add(g[c] >= 1).only_enforce_if(runs[-1])
            model.add(g[c] == 0).only_enforce_if(~runs[-1])
        (model.add_exactly_one if required else model.add_at_most_one)(runs)
    cell, resource, gpu, server = usage(problem, owner, table.columns.pool[starts])
    for r in np.flatnonzero(np.isfinite(table.capacity)).tolist():  # C5
        of = np.flatnonzero(resource == r)
        if len(of):
            amounts, capacity = whole_amounts(np.concatenate([gpu[of], server[of]]), float(table.capacity[r]))
            both = [count[c] for count in (g, q) for c in cell[of].tolist()]
            model.add(cp_model.LinearExpr.weighted_sum(both, amounts.tolist()) <= capacity)
    if instance.fewest_kept is not None:
        model.add(sum(k) >= instance.fewest_kept)  # C6
    if problem.objective.aggregate == "min":
        z = model.new_int_var(0, int(np.maximum(value, 0).sum()) if problem.party_names else 0, "z")
        for number in range(len(problem.party_names)):
            model.add(z <= sum(v[c] for c in np.flatnonzero(problem.party[owner] == number).tolist()))  # C7
        model.maximize(z)
    else:
        model.maximize(sum(v))
    places = np.array([[g[c].index, q[c].index, k[c].index] for c in range(len(cells))]).reshape(-1, 3)

    def read(values: FloatArray) -> Plan:
        chosen = []
        for (begin, end), (gpus, servers, kept) in zip(cells, values[places], strict=True):
            if gpus > 0:
                fits = (table.columns.gpus[begin:end] == gpus) & (table.columns.servers[begin:end] == servers)
                fits &= table.kept[begin:end] >= (kept > 0)
                rows = begin + np.flatnonzero(fits)
                chosen.append(rows[np.argmax(problem.value[rows])])
        return Plan(rows_of(problem, np.array(chosen, dtype=np.int64)))

    return Formulated(model, read=read, scale=unit)
