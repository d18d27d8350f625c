"""The strategies of a search: stages that hand on an incumbent and a dual bound, both confirmed."""

from optsched.search.strategies.heuristic import HEURISTICS
from optsched.search.strategies.pipeline import choose_stages, run_stages
from optsched.search.strategies.state import IncumbentStore, Search, Stage

__all__ = ["HEURISTICS", "IncumbentStore", "Search", "Stage", "choose_stages", "run_stages"]
