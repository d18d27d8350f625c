"""The least value of any job: its highest level, and the lexicographic order of all values."""

from optsched.search.max_min.bisection import Leveled, highest_level
from optsched.search.max_min.feasible_level import Reach, reach
from optsched.search.max_min.lexicographic import Lexicographic, lexicographic
from optsched.search.max_min.tighten import tightened
from optsched.search.max_min.water_filling import fill_parties

__all__ = ["Leveled", "Lexicographic", "Reach", "fill_parties", "highest_level", "lexicographic", "reach", "tightened"]
