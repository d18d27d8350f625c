"""From chosen rows to servers and network rates, and first plans that have both."""

from optsched.instance.generators.network import on_network
from optsched.problem.placement.incumbents import part_of, settled
from optsched.problem.placement.packing import PackItem, pack, short_context
from optsched.problem.placement.rate_allocation import best_rates, loads
from optsched.problem.placement.residual import residual_room
from optsched.problem.placement.servers import Piece, ServerInventory, pieces_of
from optsched.search.placement.dominance import needed
from optsched.search.placement.lns import improved
from optsched.search.placement.prices import Worth, worth_in_pools, worth_of
from optsched.search.placement.rate_levels import at_levels, in_intervals, kernel_plan, narrowed, widened
from optsched.search.placement.sequential import first_plan

__all__ = [
    "PackItem",
    "Piece",
    "ServerInventory",
    "Worth",
    "at_levels",
    "best_rates",
    "first_plan",
    "improved",
    "in_intervals",
    "kernel_plan",
    "loads",
    "narrowed",
    "needed",
    "on_network",
    "pack",
    "part_of",
    "pieces_of",
    "residual_room",
    "settled",
    "short_context",
    "widened",
    "worth_in_pools",
    "worth_of",
]
