"""Placement: configurations and places on servers of all jobs in one model.

The formulation :mod:`formulations.network.formulation` without its rates and links: sets, variables and constraints
C1 to C10 (and C22 for max-min) are those written there. Throughput follows the number of nodes of the
chosen row, since each piece of a row has a server of its own.
"""

from __future__ import annotations

from formulations.network import build
from optsched.problem.formulation import Formulated, Formulation, ModelOptions, Support
from optsched.problem.problem import Problem

__all__ = ["FORMULATION"]


def supports(problem: Problem) -> Support:
    """Instances that decide on places, for sums and minima."""
    if problem.instance.decides != "placement":
        return Support(False, f"the instance decides on {problem.instance.decides}, and not on placement")
    if problem.objective.aggregate == "lexmin":
        return Support(False, "it knows sums and minima, and no lexicographic minimum")
    return Support(True)


def _pyomo(problem: Problem, options: ModelOptions) -> Formulated:
    from formulations.reference.lowered import lowered

    return lowered(build(problem, options))


def _cpsat(problem: Problem, options: ModelOptions) -> Formulated:
    from formulations.cpsat.lowered import lowered

    return lowered(build(problem, options))


FORMULATION = Formulation(
    name="placement",
    decides="configurations and places on servers in one model",
    supports=supports,
    forms={"linear": build, "pyomo": _pyomo, "cpsat": _cpsat},
    cuts=("merge", "patterns", "pools"),
)
