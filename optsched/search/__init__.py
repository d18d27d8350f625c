"""A search in stages: each hands on what the checker confirmed."""

from optsched.search.exact import doubted
from optsched.search.heuristic import HEURISTICS, filled, idle
from optsched.search.stages import stages_of
from optsched.search.state import Board, Search, Stage

__all__ = ["HEURISTICS", "Board", "Search", "Stage", "doubted", "filled", "idle", "stages_of"]
