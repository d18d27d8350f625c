"""Backends: each lowers a model, runs a solver and maps its status, and nothing else."""

from __future__ import annotations

from optsched.solvers.base import MOST_SEED, MOST_THREADS, Limits, Outcome, Progress, RunContext

__all__ = ["BACKENDS", "MOST_SEED", "MOST_THREADS", "Limits", "Outcome", "Progress", "RunContext", "form_of"]

BACKENDS = {"highs": "linear", "cpsat": "cpsat", "pyomo": "pyomo"}
"""Each backend, and the form of model that it takes; ``pyomo:NAME`` asks Pyomo for a solver by name."""


def form_of(backend: str) -> str | None:
    """Return the form of model that a backend takes; None for an unknown backend."""
    name, colon, solver = backend.partition(":")
    return None if colon and not (name == "pyomo" and solver) else BACKENDS.get(name)
