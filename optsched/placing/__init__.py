"""From chosen rows to servers and network rates, and first plans that have both."""

from optsched.placing.deal import Dealt, deal
from optsched.placing.first import first_plan
from optsched.placing.generate import on_network
from optsched.placing.ground import Ground, Piece, pieces_of
from optsched.placing.rates import best_rates, loads

__all__ = ["Dealt", "Ground", "Piece", "best_rates", "deal", "first_plan", "loads", "on_network", "pieces_of"]
