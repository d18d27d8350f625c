"""The least value of any job: its highest level, and the lexicographic order of all values."""

from optsched.least.lexicographic import Lexicographic, lexicographic
from optsched.least.reach import Reach, reach
from optsched.least.search import Leveled, highest_level
from optsched.least.tighten import tightened

__all__ = ["Leveled", "Lexicographic", "Reach", "highest_level", "lexicographic", "reach", "tightened"]
