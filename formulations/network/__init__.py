"""What the formulations of places share: sets, the linear model, and the way from its values to a plan."""

from formulations.network.model import build

__all__ = ["build"]
