"""Linear models as arrays, and the piecewise-linear lowering into them."""

from optsched.solvers.linear_model import LinearModel, Matrix, Rows, Variables

__all__ = ["LinearModel", "Matrix", "Rows", "Variables"]
