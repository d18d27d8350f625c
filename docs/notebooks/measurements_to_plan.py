# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # From measurements to a plan
#
# A table of measured step times becomes curves; curves and a cluster become an instance; an instance becomes a plan
# that
# an independent checker confirms. The table is made from published curves plus 3 % noise (`examples/make.py`).

# %%
from pathlib import Path

import numpy as np

import optsched
from optsched.prediction import fit, predict, read_configurations, read_measurements

measured = read_measurements(Path("examples/measurements.csv"))
curves = fit(measured, source="examples/measurements.csv")
for curve in curves.curves:
    print(f"{curve.name:14} error {curve.error:.1f} %, cross-validated {curve.unseen_error:.1f} %")

# %% [markdown]
# Predictions have an 80 % interval. It is wide where nothing was measured nearby.

# %%
_, queries = read_configurations(Path("examples/queries.csv"))
rate, low, high = predict(curves, queries)
print(np.round(np.column_stack([low, rate, high]), 1))

# %% [markdown]
# A cluster of 16 T4 and 8 V100, and eight jobs of these models. The instance decides on servers, too.

# %%
from msgspec.structs import replace

from optsched.instance.generators.workload import generate

instance = replace(generate(curves, {"t4": 16, "v100": 8}, jobs=8, seed=1), decides="placement")
result = optsched.solve(instance, objective="progress", time_limit=30)
for a in result.allocations:
    print(f"{a.job:12} {a.gpus} x {a.gpu_type} on {a.nodes} nodes: {a.throughput:.4g} examples/s")
print(f"{result.status}: progress {result.value:.3f}, no plan exceeds {result.bound:.3f}")

# %% [markdown]
# The checker recomputes every number from the curves, without the solver's code.

# %%
report = optsched.check(instance, result.allocations, claimed=result.value)
print(report.ok, f"{report.value:.3f}")
