# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # A formulation of my own
#
# A formulation is a function from a `Problem` to a model. The problem has a table of configurations: one row for
# each way to
# run a job, with its value and its use of shared resources. Here is the strongest small model: one binary variable a
# row.

# %%
import numpy as np

import optsched
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, Formulated
from optsched.problem.problem import Plan, rows_of
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.linear import LinearModel

problem = build_problem(optsched.load("instances/quickstart.json"))
table = problem.configurations
print(len(table), "configurations of", table.jobs, "jobs;", len(table.capacity), "shared resources")
print("values", np.round(problem.value[:4], 3), "GPUs", table.columns.gpus[:4])

# %% [markdown]
#     maximize    sum_r v_r x_r
#     subject to  sum_{r of j} x_r <= 1            for each job j
#                 sum_r u_rs x_r   <= capacity_s   for each shared resource s
#                 x_r in {0, 1}
#
# `LinearModel` takes blocks of variables and rows as arrays: indices of rows, of variables, and coefficients.


# %%
def build(problem, options):
    table = problem.configurations
    model = LinearModel()
    x = model.add_variables("x", len(table), upper=1.0, integer=True, cost=problem.value)
    model.add_rows("one", (table.job, x, 1.0), upper=1.0, size=table.jobs)
    row, resource, amount = table.used
    model.add_rows("capacity", (resource, x[row], amount), upper=table.capacity, size=len(table.capacity))
    return Formulated(model, read=lambda values: Plan(rows_of(problem, np.flatnonzero(values[: len(table)] > 0.5))))


# %% [markdown]
# Solve it by HiGHS, and compare with the formulations that come with optsched.

# %%
built = build(problem, DEFAULT)
found = highs.solve(built.model, RunContext(Limits()))
rows = built.read(found.values).rows
print(f"my model: {problem.value[rows].sum():.4f}")
theirs = optsched.solve("instances/quickstart.json", formulation="configuration")
print(f"configuration: {theirs.value:.4f}, bound {theirs.bound:.4f}")
assert abs(problem.value[rows].sum() - theirs.value) < 1e-3

# %% [markdown]
# To offer it to everyone, wrap it in a `Formulation` and name it in the entry-point group `optsched.formulations`
# ([your own formulation](../formulations/your-own.md)). Backend, warm start, checker, bound and result come with it.
