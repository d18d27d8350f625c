# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # A federation of three sites
#
# Three owners have different GPUs and different jobs. How much do they gain by sharing, and who pays whom?

# %%
import optsched
from optsched.federation import federate

instance = optsched.load("instances/federation-3.json")
outlook = federate(instance)
print("members:", ", ".join(outlook.game.members))
print(f"together: {float(outlook.game.total):.1f} an hour")

# %% [markdown]
# Payment rules divide what the common plan achieves. Verdicts hold for every value in the proven intervals of the
# coalitions.

# %%
for rule, settlement in outlook.settlements.items():
    amounts = ", ".join(f"{float(x):.1f}" for x in settlement.payments.amounts)
    verdicts = ", ".join(f"{name}: {verdict.holds}" for name, verdict in settlement.verdicts.items())
    print(f"{rule:20} {amounts:20} {verdicts}")

# %% [markdown]
# The ledger of a rule says who pays whom for what. It sums to zero.

# %%
ledger = outlook.settlements["nucleolus"].ledger
for entry in ledger[:6]:
    print(f"{entry.payer} pays {entry.payee} {float(entry.amount):.2f}")
