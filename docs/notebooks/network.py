# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Decide about the network
#
# Jobs that span servers send gradients over links that others use, too. An instance that `decides` on `network` chooses
# GPUs, servers and network rates in one model.

# %%
import msgspec

import optsched

instance = optsched.load("instances/network-8.json")
for link in instance.cluster.links:
    print(link.id, link.ends, f"{link.capacity_gbps:g} Gb/s")

# %%
together = optsched.solve(instance, objective="progress", time_limit=60, gap=1e-3)
for a in together.allocations:
    rate = "" if a.gbps is None else f", {a.gbps:.2f} Gb/s"
    print(f"{a.job:12} {a.gpus} x {a.gpu_type} on {a.nodes} nodes{rate}")
print(f"{together.status}: {together.value:.3f}, bound {together.bound:.3f}")

# %% [markdown]
# What if racks had no oversubscription? The same instance with uplinks four times as fast:

# %%
links = tuple(msgspec.structs.replace(k, capacity_gbps=4 * k.capacity_gbps) for k in instance.cluster.links)
faster = msgspec.structs.replace(instance, cluster=msgspec.structs.replace(instance.cluster, links=links))
gained = optsched.solve(faster, objective="progress", time_limit=60, gap=1e-3)
print(f"{together.value:.3f} -> {gained.value:.3f}")
assert gained.bound >= together.value
