# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Embed and simulate
#
# `optsched.Scheduler` takes the state of a cluster each round and returns the difference to the current allocation.

# %%
from optsched import Scheduler

cluster = {
    "gpu_types": [{"id": "t4"}, {"id": "a100"}],
    "servers": [
        {"id": "t4", "count": 2, "gpu_type": "t4", "gpus": 4},
        {"id": "a100", "gpu_type": "a100", "gpus": 4},
    ],
}
curves = {
    "bert/t4": {"family": "amdahl", "single": 20, "serial": 0.1},
    "bert/a100": {"family": "amdahl", "single": 90, "serial": 0.2},
}
scheduler = Scheduler(cluster, objective="flow-time", curves=curves, round_s=60)
bert = {"curves": {"t4": "bert/t4", "a100": "bert/a100"}, "max_gpus": 4, "restart_s": 30}

# %% [markdown]
# Three rounds: two jobs arrive, the small one ends, a third one comes.

# %%
rounds = [
    [{"id": "small", "remaining_examples": 5e4} | bert, {"id": "large", "remaining_examples": 9e5} | bert],
    [{"id": "large", "remaining_examples": 8e5} | bert],
    [{"id": "large", "remaining_examples": 7e5} | bert, {"id": "new", "remaining_examples": 2e5} | bert],
]
for number, jobs in enumerate(rounds):
    plan = scheduler.step(now=60.0 * number, jobs=jobs)
    for kind in ("start", "move", "resize", "stop", "keep"):
        for action in getattr(plan, kind):
            to = action.allocation
            print(f"round {number}: {kind:6} {action.job:6}", "" if to is None else f"{to.gpus} x {to.gpu_type}")

# %% [markdown]
# Before a policy meets a cluster, compare it with others on a simulated workload. The policy `flow-time` is the
# scheduler above.

# %%
from optsched.cli import answer

dials = "synthetic:jobs=10,load=0.8,hours=1"
_ = answer(["simulate", "--make", dials, "--policies", "fifo,flow-time,tiresias", "--seeds", "1"])
