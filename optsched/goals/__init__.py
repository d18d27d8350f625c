"""Several objectives at once: one after the other, under limits, or what one costs the other."""

from optsched.goals.order import in_order
from optsched.goals.pareto import Frontier, Point, pareto
from optsched.goals.text import limit_of, objectives_of

__all__ = ["Frontier", "Point", "in_order", "limit_of", "objectives_of", "pareto"]
