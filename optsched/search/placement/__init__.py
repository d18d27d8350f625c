"""From chosen rows to servers and network rates, and first plans that have both."""

from optsched.instance.generators.network import on_network
from optsched.problem.placement.incumbents import part_of, settled
from optsched.problem.placement.packing import Dealt, brief, deal
from optsched.problem.placement.rate_allocation import best_rates, loads
from optsched.problem.placement.residual import room_left
from optsched.problem.placement.servers import Ground, Piece, pieces_of
from optsched.search.placement.dominance import needed
from optsched.search.placement.lns import improved
from optsched.search.placement.prices import Worth, worth_in_pools, worth_of
from optsched.search.placement.rate_levels import at_levels, in_intervals, kernel_plan, narrowed, widened
from optsched.search.placement.sequential import first_plan

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
