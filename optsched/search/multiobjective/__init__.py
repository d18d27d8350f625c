"""Several objectives at once: one after the other, under limits, or what one costs the other."""

from optsched.instance.objectives import limit_of, objectives_of
from optsched.search.multiobjective.in_order import in_order
from optsched.search.multiobjective.pareto import Frontier, Point, pareto

__all__ = ["Frontier", "Point", "in_order", "limit_of", "objectives_of", "pareto"]
