"""What the formulations of places share: sets, the linear model, and the way from its values to a plan."""

from optsched.problem.formulation import DEFAULT, Formulated, ModelOptions
from optsched.problem.problem import Problem

__all__ = ["build"]


def build(problem: Problem, options: ModelOptions = DEFAULT) -> Formulated:
    """Return the linear model of a problem; its modules load when the first model is built."""
    from formulations.network.model import build as built

    return built(problem, options)
