# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Read bounds and explanations
#
# A result has a value and a bound that no plan exceeds. The gap between them says how much a better plan could gain
# at most.

# %%
import optsched
from optsched.explain import explain, relaxed

instance = optsched.load("instances/quickstart.json")
result = optsched.solve(instance, objective="progress")
print(f"value {result.value:.4f}, bound {result.bound:.4f}, status {result.status}")

# %% [markdown]
# Shadow prices say what one more unit of a resource adds to the relaxation: a first answer to "which GPUs should we
# buy?".

# %%
print({name: round(price, 4) for name, price in sorted((result.prices or {}).items())})

# %% [markdown]
# A price is a local answer. Solving the changed instance is the true one.

# %%
import msgspec

servers = [msgspec.structs.replace(g, count=g.count + (g.gpu_type == "v100")) for g in instance.cluster.servers]
larger = msgspec.structs.replace(instance, cluster=msgspec.structs.replace(instance.cluster, servers=tuple(servers)))
better = optsched.solve(larger, objective="progress")
print(f"with one more V100 server: {better.value:.3f} instead of {result.value:.3f}")

# %% [markdown]
# Why does a job wait, and what is the smallest change that lets it run? Every change that is named was tried.

# %%
small = optsched.load("instances/micro/one-gpu-two-jobs.json")
plan = optsched.solve(small)
[found] = explain(small, plan.allocations)
print(found.job, "waits")
for change in found.relaxations:
    again = optsched.solve(relaxed(small, change))
    print(f"  {change.text}: it runs: {found.job in {a.job for a in again.allocations}}")
