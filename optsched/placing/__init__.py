"""From chosen rows to servers and network rates, and first plans that have both."""

from optsched.placing.deal import Dealt, brief, deal
from optsched.placing.dominance import needed
from optsched.placing.first import first_plan
from optsched.placing.generate import on_network
from optsched.placing.ground import Ground, Piece, pieces_of
from optsched.placing.holdings import part_of, settled
from optsched.placing.left import room_left
from optsched.placing.levels import at_levels, in_intervals, kernel_plan, narrowed, widened
from optsched.placing.prices import Worth, worth_in_pools, worth_of
from optsched.placing.rates import best_rates, loads
from optsched.placing.search import improved

__all__ = [
    "Dealt",
    "Ground",
    "Piece",
    "Worth",
    "at_levels",
    "best_rates",
    "brief",
    "deal",
    "first_plan",
    "improved",
    "in_intervals",
    "kernel_plan",
    "loads",
    "narrowed",
    "needed",
    "on_network",
    "part_of",
    "pieces_of",
    "room_left",
    "settled",
    "widened",
    "worth_in_pools",
    "worth_of",
]
