"""Max-min: the highest level that all jobs can reach, and the lexicographic order of all values."""

from optsched.search.max_min.bisection import HighestLevel, highest_level
from optsched.search.max_min.feasible_level import LevelFeasibility, feasible_at_level
from optsched.search.max_min.lexicographic import Lexicographic, lexicographic
from optsched.search.max_min.tighten import tightened
from optsched.search.max_min.water_filling import fill_parties

__all__ = [
    "HighestLevel",
    "LevelFeasibility",
    "Lexicographic",
    "feasible_at_level",
    "fill_parties",
    "highest_level",
    "lexicographic",
    "tightened",
]
