"""Sharing between datacenters: what pooling gains, and payments that keep every member in.

>>> from optsched.federation import game_of, settle
>>> glove = game_of("abc", {"a": 0, "b": 0, "c": 0, "a,b": 1, "a,c": 1, "b,c": 0, "a,b,c": 1})
>>> outlook = settle(glove, ["shapley", "nucleolus"])
>>> [str(x) for x in outlook.settlements["shapley"].payments.amounts]
['2/3', '1/6', '1/6']
>>> [str(x) for x in outlook.settlements["nucleolus"].payments.amounts]
['1', '0', '0']
"""

from optsched.federation.core import core_exists, gains_of_leaving, in_core, individually_rational
from optsched.federation.game import Game, GameFile, UndefinedError, game_of
from optsched.federation.ledger import balances, ledger_of
from optsched.federation.nucleolus import kohlberg, least_core, nucleolus
from optsched.federation.pooling import federate
from optsched.federation.report import record_of, settle
from optsched.federation.rules import RULES, Payments, rules_named
from optsched.federation.shapley import sampled_shapley, shapley, shapley_range
from optsched.federation.vcg import vcg

__all__ = [
    "RULES",
    "Game",
    "GameFile",
    "Payments",
    "UndefinedError",
    "balances",
    "core_exists",
    "federate",
    "gains_of_leaving",
    "game_of",
    "in_core",
    "individually_rational",
    "kohlberg",
    "least_core",
    "ledger_of",
    "nucleolus",
    "record_of",
    "rules_named",
    "sampled_shapley",
    "settle",
    "shapley",
    "shapley_range",
    "vcg",
]
