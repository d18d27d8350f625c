"""A search in stages: each hands on what the checker confirmed."""

from optsched.search.strategies.exact import doubted
from optsched.search.strategies.heuristic import HEURISTICS, filled, idle
from optsched.search.strategies.pipeline import stages_of
from optsched.search.strategies.state import Board, Search, Stage
from optsched.search.strategies.tenants import water_filled

__all__ = ["HEURISTICS", "Board", "Search", "Stage", "doubted", "filled", "idle", "stages_of", "water_filled"]
