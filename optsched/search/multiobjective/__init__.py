"""Several objectives at once: one after the other, under limits, or what one costs the other."""

from optsched.search.multiobjective.lexicographic import in_order
from optsched.search.multiobjective.pareto import Frontier, Point, pareto
from optsched.search.multiobjective.parse import limit_of, objectives_of

__all__ = ["Frontier", "Point", "in_order", "limit_of", "objectives_of", "pareto"]
